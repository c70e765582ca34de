"""The text of a finding's row, and the findings that can be added to a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from reg2rg.report import Finding, Section


LABELS_BY_REGION = {
    "lung": (
        "Lung nodule",
        "Lung opacity",
        "Consolidation",
        "Atelectasis",
        "Emphysema",
        "Pulmonary fibrotic sequela",
        "Interlobular septal thickening",
        "Bronchiectasis",
        "Mosaic attenuation pattern",
    ),
    "trachea and bronchie": ("Peribronchial thickening", "Bronchiectasis"),
    "pleura": ("Pleural effusion", "Pleural thickening", "Pneumothorax"),
    "mediastinum": ("Lymphadenopathy", "Arterial wall calcification", "Medical material"),
    "heart": ("Cardiomegaly", "Pericardial effusion", "Coronary artery wall calcification"),
    "esophagus": ("Hiatal hernia",),
    "thyroid": ("Thyroid nodule",),
    "breast": ("Breast mass",),
    "bone": ("Fracture", "Lytic bone lesion", "Sclerotic bone lesion"),
    "abdomen": ("Liver cyst", "Kidney stone"),
}
"""Region -> labels of the findings that can be added to its section. Labels are report text and not translated."""


def hasFindingHead(section: Section) -> bool:
    """Return whether the section was written by a model with a finding head. Without one, cards list no findings."""
    return any(finding.probability is not None for finding in section.findings)


def detailsOf(section: Section, finding: Finding) -> str:
    """Return the location, size, probability, source and correction of a finding as one line.

    If the model's text is hidden, only the correction is returned, because all else is from the model.
    """
    from reg2rg.report import outline_words, probability_words

    if section.model_text_hidden:
        return _("marked as present") if finding.correction else _("marked as absent")
    details = [locationOf(section.region, finding)]
    if finding.size_mm:
        details.append(_("{0:.0f} mm").format(finding.size_mm))
    if finding.probability is not None:
        details.append(probability_words(finding.probability, finding.calibrated))
    details.append(sourceOf(finding))
    if finding.correction is not None:
        details.append(_("marked as present") if finding.correction else _("marked as absent"))
    details.append(outline_words(finding))
    return " · ".join(detail for detail in details if detail)


def locationOf(region: str, finding: Finding) -> str | None:
    """Return the lobe of a finding, or its side and level, or None if its location is unknown."""
    from reg2rg.report import location_words

    if finding.location is not None and finding.location.lobe:
        return finding.location.lobe
    return location_words(region, finding.side, finding.level)


def sourceOf(finding: Finding) -> str:
    """Return the source of a finding: the text, the image (that is, the finding head), or both."""
    if finding.source == "both":
        return _("in the text and the image")
    if finding.source == "text":
        return _("in the text only")
    if finding.text_status is not None and not finding.stated:
        return _("in the image, but denied in the text")
    return _("in the image only")


def labelsToAdd(section: Section) -> list[str]:
    """Return the labels that can be added to a section: those that its card does not list yet."""
    listed = {finding.label for finding in section.listed_findings}
    return [label for label in LABELS_BY_REGION[section.region] if label not in listed]
