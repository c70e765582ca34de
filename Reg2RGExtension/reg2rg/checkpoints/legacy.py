"""Names in model folders from earlier versions.

Versions up to commit 8fc2476 used other names for some config fields and tensors. Later versions had statistics of a
single kind of training volumes. The names are translated when a folder is read. Its files are not changed, so the hash
of the weights stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONFIG_FIELDS = {
    "language": {"other": "config_overrides"},
    "findings": {"levelled": "leveled", "familiarity": "ood_directions"},
}
"""Section of config.json -> old field name -> new field name."""

TENSOR_PREFIXES = {
    "embedding_layer.familiarity.centres": "embedding_layer.ood_detector.kinds.0.means",
    "embedding_layer.familiarity.directions": "embedding_layer.ood_detector.kinds.0.directions",
    "embedding_layer.familiarity.spreads": "embedding_layer.ood_detector.kinds.0.stds",
    "embedding_layer.familiarity.residuals": "embedding_layer.ood_detector.kinds.0.residuals",
    "embedding_layer.familiarity.usual": "embedding_layer.ood_detector.kinds.0.validation_distances",
    "embedding_layer.ood_detector.means": "embedding_layer.ood_detector.kinds.0.means",
    "embedding_layer.ood_detector.directions": "embedding_layer.ood_detector.kinds.0.directions",
    "embedding_layer.ood_detector.stds": "embedding_layer.ood_detector.kinds.0.stds",
    "embedding_layer.ood_detector.residuals": "embedding_layer.ood_detector.kinds.0.residuals",
    "embedding_layer.ood_detector.validation_distances": "embedding_layer.ood_detector.kinds.0.validation_distances",
    "embedding_layer.cues.labels.": "embedding_layer.cue_encoder.label_embedding.",
    "embedding_layer.cues.steps.": "embedding_layer.cue_encoder.probability_embedding.",
    "embedding_layer.cues.sides.": "embedding_layer.cue_encoder.side_embedding.",
    "embedding_layer.cues.levels.": "embedding_layer.cue_encoder.level_embedding.",
    "embedding_layer.cues.sizes.": "embedding_layer.cue_encoder.size_embedding.",
    "embedding_layer.cues.silence": "embedding_layer.cue_encoder.null_tokens",
    "embedding_layer.finding_head.map.": "embedding_layer.finding_head.finding_map.",
    "embedding_layer.finding_head.told.": "embedding_layer.finding_head.evidence_to_tokens.",
    "embedding_layer.finding_head.reading.": "embedding_layer.finding_head.readout.",
    "embedding_layer.finding_head.usual": "embedding_layer.finding_head.output_bias",
    "embedding_layer.finding_head.follow": "embedding_layer.finding_head.evidence_weight",
    "embedding_layer.finding_head.places": "embedding_layer.finding_head.location_weight",
}
"""Old prefix of a tensor name -> new prefix."""


def upgrade_config(values: Any) -> Any:
    """Rename config fields from earlier versions.

    Args:
        values: plain values of a config.json, or of a part of it. They are not checked.

    Returns:
        The values with current field names; the input is not modified.
    """
    if not isinstance(values, Mapping):
        return values
    upgraded = dict(values)
    for section, renamed in CONFIG_FIELDS.items():
        fields = values.get(section)
        if isinstance(fields, Mapping):
            upgraded[section] = {renamed.get(name, name): value for name, value in fields.items()}
    return upgraded


def upgrade_tensor_name(name: str) -> str:
    """Return the current name of a tensor, given its current or earlier name."""
    for old, new in TENSOR_PREFIXES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
