"""Signed reports of tiny CTs, and tiny models that learn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from test_report import generated, provenance
from tiny_chest import tiny_chest
from tiny_model import tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.models.config import FindingConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.report import (
    REGIONS_FILE,
    REPORT_FILE,
    Report,
    ReportBuilder,
    ReviewState,
    SectionReview,
    load_report,
    sign,
)
from reg2rg.report.review_changes import begin_review, with_section_review
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes import read_volume
from reg2rg.volumes.voxel_hash import voxel_sha256

NODULE, CLEAR = "A nodule of 12 mm is seen. No emphysema.", "There is no nodule. No emphysema."
FINDINGS = FindingConfig(("Lung nodule", "Emphysema", "Cardiomegaly"), dense=True, width=8, cues=0, ood_directions=2)


def write_tiny_model(folder: Path, change=lambda model: model) -> Path:
    """Write a model with a finding head, after a change; it writes the same two sentences about every region."""
    model: Reg2RG = change(tiny_model(findings=FINDINGS))
    save_model(model, folder, card="# tiny\n")
    return folder


def write_ct(cts: Path, number: int) -> sitk.Image:
    """Write one of many CTs under a name that says nothing about its report; return it as it is read."""
    cts.mkdir(exist_ok=True)
    file = cts / f"scan{97 * number % 1000}.nii.gz"
    sitk.WriteImage(tiny_chest(number), str(file))
    return read_volume(file)


def draft(folder: Path, volume: sitk.Image, text: str, corrections: Mapping[str, bool] | None = None) -> Report:
    """Write a draft about lungs and heart into a folder.

    Args:
        folder: the report folder.
        volume: the CT.
        text: what it says about the lungs.
        corrections: label -> what the reviewer marked in the lungs.
    """
    folder.mkdir(parents=True)
    lung, heart = np.zeros((2, 10, 40, 40), bool)
    lung[:, 12:28, 10:30], heart[2:8, 15:25, 18:22] = True, True
    masks = RegionMasks.from_arrays({"lung": lung, "heart": heart}, volume, segmenter="test")
    write_regions(masks, folder / REGIONS_FILE)
    builder = ReportBuilder(volume, masks, corrections={"lung": corrections or {}})
    texts = [generated("lung", text, "lung"), generated("heart", "The heart is enlarged.", "heart")]
    made = replace(provenance(volume), volume_sha256=voxel_sha256(volume))
    report = builder.report(texts, made, masks.missing)
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
    return load_report(folder)


def reviewed(report: Report, text: str | None, heart: str | None = "The heart is enlarged.") -> Report:
    """Return a report after a review of both sections; None rejects one."""
    report = begin_review(report)
    for region, final in (("lung", text), ("heart", heart)):
        drafted = report.section(region).draft
        state = ReviewState.ACCEPTED if final == drafted else ReviewState.EDITED
        review = SectionReview(ReviewState.REJECTED, drafted) if final is None else SectionReview(state, final)
        report = with_section_review(report, region, review)
    return report


def write_signed(folder: Path, volume: sitk.Image, drafted: str, final: str | None, **options) -> Report:
    """Write a report that was reviewed and signed; options are those of ``draft`` and ``reviewed``."""
    heart = options.pop("heart", "The heart is enlarged.")
    report = sign(reviewed(draft(folder, volume, drafted, **options), final, heart), "Dr. A")
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
    return load_report(folder)


def with_logit(logit: float):
    """Return a change of a model after which its finding head gives nodules about this logit in any region."""

    def change(model: Reg2RG) -> Reg2RG:
        head = model.embedding_layer.finding_head
        with torch.no_grad():
            head.evidence_weight[0] = 0
            head.output_bias[0, 0] = logit
        return model

    return change
