"""Saves a tiny model whose finding head is random but detects the first labels. Run by the engine's Python.

Usage: findings_model.py FOLDER LABEL...
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

DETECTED = 3
"""Number of labels, from the first on, that the finding head detects in every region."""
MAP_SCALE = 10.0
"""A random finding map is weak everywhere. Scaled by this factor, it has a peak that is outlined."""


def save(folder: Path, labels: tuple[str, ...]) -> None:
    """Save the model in a folder."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Python"))
    import torch
    from tiny_model import tiny_model

    from reg2rg.checkpoints.saving import save_model
    from reg2rg.models.config import FindingConfig
    from reg2rg.models.reg2rg import Reg2RG

    taught = tiny_model()
    findings = FindingConfig(labels, sided=labels, leveled=labels, sized=labels[:1], width=16, cues=2)
    torch.manual_seed(1)
    model = Reg2RG(dataclasses.replace(taught.config, findings=findings))
    model.load_state_dict(taught.state_dict(), strict=False)
    model.tokenizer = taught.tokenizer
    head = model.embedding_layer.finding_head
    with torch.no_grad():
        head.output_bias[:, 0] = torch.where(torch.arange(len(labels)) < DETECTED, 2.0, -4.0)
        head.evidence_weight[:] = 0
        head.finding_map.logits.weight *= MAP_SCALE
        head.finding_map.logits.bias[0] = 0  # a neutral prior, so that maps are not weak
    save_model(model.eval(), folder, card="# head\n\nFor tests.\n")


if __name__ == "__main__":
    save(Path(sys.argv[1]), tuple(sys.argv[2:]))
