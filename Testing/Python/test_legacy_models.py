"""Model folders of earlier versions load and compute the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.legacy import TENSOR_PREFIXES, upgrade_config, upgrade_tensor_name
from reg2rg.checkpoints.saving import save_model
from reg2rg.inference.detection import cues_from_output
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.prompting import prompt_ids

TOLERANCE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    """Return a model folder written by commit 8fc2476; a file next to it has the numbers that commit computed.

    Its weights are random, stored as float16. It has a pyramid stem, a finding head, cues, a fitted out-of-distribution
    detector, LoRA and biases in the language model.
    """
    return repository / "Testing/Data/model_8fc2476"


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, Any]:
    return json.loads((folder.parent / "model_8fc2476_expected.json").read_text())


@pytest.fixture(scope="module")
def model(folder: Path) -> Reg2RG:
    return ModelFolder.open(folder).load()


def volume(offset: int) -> torch.Tensor:
    h, w, d = np.ogrid[:16, :16, :16]
    return torch.from_numpy(np.sin(0.61 * h + 0.37 * w + 0.25 * d + offset).astype(np.float32))[None]


def test_renamed_config_fields_keep_their_values(model: Reg2RG):
    assert model.config.language.config_overrides == {"attention_bias": True}
    assert model.config.findings.leveled == ("Lung nodule", "Atelectasis")
    assert model.config.findings.ood_directions == 4


def test_an_old_model_computes_the_same(model: Reg2RG, expected: dict[str, Any]):
    encoder, head = model.embedding_layer, model.embedding_layer.finding_head
    with torch.inference_mode():
        output = encoder.detect_findings(volume(1), torch.tensor([[1.5, 1.5, 2.0]]), torch.zeros(1, 0, 2))
        probabilities = head.probabilities(output)
        cues = cues_from_output(head.config, output, probabilities)
        maxima = head.maps(output, encoder.vision_encoder.grid(volume(1))).amax((2, 3, 4))
        latents = encoder.fc(encoder.latents(volume(1), output.tokens))
        region = torch.cat([latents, encoder.encode_masks((volume(2) > 0).float())], dim=1)
        image = encoder.encode_volumes(volume(0))[0]
        ids = torch.tensor([prompt_ids(model.tokenizer, model.special, 1, instruction=False)])
        logits = {
            name: model(ids, [PromptFeatures(image, torch.cat([region, tokens], dim=1))]).logits[0, -1]
            for name, tokens in (
                ("cues", encoder.cue_encoder(cues)),
                ("no cues", encoder.cue_encoder.null_cues(1)),
            )
        }
        heart = encoder.vision_encoder(volume(0))[0].mean(dim=0)
        ood = encoder.ood_detector({"lung": output.tokens[0].mean(dim=0), "heart": heart})
    computed = {
        "probabilities": probabilities[0],
        "sides": cues.side[0],
        "levels": cues.level[0],
        "sizes_mm": cues.size_mm[0],
        "side_logits": output.side_logits[0],
        "level_logits": output.level_logits[0],
        "map_maximum": maxima[0],
    }
    for name, values in computed.items():
        torch.testing.assert_close(values, torch.tensor(expected[name]), **TOLERANCE)
    for name, values in logits.items():
        torch.testing.assert_close(values, torch.tensor(expected["last_logits"][name]), **TOLERANCE)
    assert (ood.distance, ood.limit) == pytest.approx((expected["distance"], expected["limit"]), abs=1e-5)


def test_an_old_model_is_saved_with_current_names(model: Reg2RG, folder: Path, tmp_path: Path):
    save_model(model, tmp_path, dtype=torch.float16, card="# new\n")
    old, new = ModelFolder.open(folder), ModelFolder.open(tmp_path)
    assert new.config == old.config
    assert "levelled" not in (tmp_path / "config.json").read_text()
    again = new.load().state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_current_names_are_left_alone():
    assert all(upgrade_tensor_name(new) == new for new in TENSOR_PREFIXES.values())
    assert upgrade_tensor_name("lang_model.model.norm.weight") == "lang_model.model.norm.weight"
    current = {"name": "x", "findings": {"leveled": [], "ood_directions": 3}, "language": None}
    assert upgrade_config(current) == current
    assert upgrade_config("nonsense") == "nonsense"
