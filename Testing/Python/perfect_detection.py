"""What a perfect finding head would detect in a phantom: finding maps made from the masks of the planted findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from reg2rg.inference import DetectedRegion, LocatedFindings, locate_findings
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import PhantomCase, make_phantom
from reg2rg.preprocessing import prepare
from reg2rg.report import Finding

CONFIG = PreprocessingConfig(image_size=(16, 16, 16), texture_size=(16, 16, 16), mask_size=(16, 16, 16))


def phantom_with_a_nodule() -> PhantomCase:
    """Make a phantom with a catheter, other findings, and a lung nodule large enough to fill a cell of its map."""
    findings = make_phantom(104).findings
    large = [replace(finding, size_mm=16.0) if finding.label == "Lung nodule" else finding for finding in findings]
    return make_phantom(104, findings=large)


def detect_planted(phantom: PhantomCase, probability: float = 0.9) -> dict[str, DetectedRegion]:
    """Return the planted findings of each region with this probability and maps with cells of two voxels."""
    crops = prepare(phantom.volume, phantom.masks, CONFIG).crops
    bits = sitk.GetArrayFromImage(phantom.finding_bits)
    findings: dict[str, list[Finding]] = {}
    maps: dict[str, dict[str, torch.Tensor]] = {}
    for index, finding in enumerate(phantom.findings):
        mask = (bits >> index & 1).astype(np.float32)
        values = torch.tensor(np.ascontiguousarray(crops[finding.region].cut(mask)))
        values = F.adaptive_avg_pool3d(values[None], [max(1, n // 2) for n in values.shape])[0]
        findings.setdefault(finding.region, []).append(
            Finding(finding.label, probability, finding.side, finding.level, finding.size_mm)
        )
        maps.setdefault(finding.region, {})[finding.label] = values
    return {region: DetectedRegion(tuple(findings[region]), maps[region]) for region in findings}


def locate_planted(phantom: PhantomCase, probability: float = 0.9) -> LocatedFindings:
    """Return the planted findings of each region, located."""
    crops = prepare(phantom.volume, phantom.masks, CONFIG).crops
    return locate_findings(detect_planted(phantom, probability), crops, phantom.masks)
