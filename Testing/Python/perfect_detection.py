"""What a perfect finding head would detect in a phantom: finding maps made from the masks of the planted findings."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from reg2rg.inference import SeenFinding
from reg2rg.inference.localization import locate_findings
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import PhantomCase
from reg2rg.preprocessing import prepare
from reg2rg.report.located_finding import LocatedFinding

CONFIG = PreprocessingConfig(image_size=(16, 16, 16), texture_size=(16, 16, 16), mask_size=(16, 16, 16))


def detect_planted(phantom: PhantomCase, probability: float = 0.9) -> dict[str, list[SeenFinding]]:
    """Return region -> its planted findings, all with this probability and with maps of 2 x 2 x 2 voxels per cell."""
    crops = prepare(phantom.volume, phantom.masks, CONFIG).crops
    bits = sitk.GetArrayFromImage(phantom.finding_bits)
    detected: dict[str, list[SeenFinding]] = {}
    for index, finding in enumerate(phantom.findings):
        mask = (bits >> index & 1).astype(np.float32)
        values = torch.tensor(np.ascontiguousarray(crops[finding.region].cut(mask)))
        values = F.adaptive_avg_pool3d(values[None], [max(1, n // 2) for n in values.shape])[0]
        detected.setdefault(finding.region, []).append(
            SeenFinding(finding.label, probability, finding.side, finding.level, finding.size_mm, values)
        )
    return detected


def locate_planted(phantom: PhantomCase, probability: float = 0.9) -> dict[str, tuple[LocatedFinding, ...]]:
    """Return region -> its planted findings as located from the maps of ``detect_planted``."""
    crops = prepare(phantom.volume, phantom.masks, CONFIG).crops
    return locate_findings(detect_planted(phantom, probability), crops, phantom.masks)
