"""The header above the sections: the draft label, the progress of the review, and warnings about the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.review import Review

if TYPE_CHECKING:
    from reg2rg.report import Report


DRAFT_STYLE = "background: #7a4a00; color: white; font-weight: bold; padding: 5px;"
SIGNED_STYLE = "background: #1b4d32; color: white; border: 2px solid white; padding: 5px;"
WARNING_STYLE = "background: #5b1a1a; color: white; font-weight: bold; border: 2px solid white; padding: 5px;"


class ReportHeader:
    """Shows the state of a report as a whole."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._bannerStyle = ""
        ui.warningLabel.setStyleSheet(WARNING_STYLE)

    def show(self, review: Review | None, hasSections: bool) -> None:
        """Show the header of a report.

        Args:
            review: the review of the report, or None while the report is being written.
            hasSections: whether any sections are shown.
        """
        ui = self._ui
        ui.bannerLabel.setVisible(hasSections)
        ui.reportHeader.setVisible(hasSections)
        self._showBanner(review)
        ui.reviewedLabel.setText(reviewProgress(review) if review is not None else "")
        _showIfAny(ui.techniqueLabel, techniqueText(review.report) if review is not None else "")
        _showIfAny(ui.skippedLabel, skippedText(review.report.skipped_regions) if review is not None else "")
        _showIfAny(ui.warningLabel, warningText(review.report) if review is not None else "")

    def _showBanner(self, review: Review | None) -> None:
        from reg2rg import DRAFT_LABEL

        signature = review.signature if review is not None else None
        label = review.label if review is not None else DRAFT_LABEL
        if signature is not None:
            label = _("✓ Signed by {0}. {1}").format(signature.words, label)
        self._ui.bannerLabel.setText(label)
        style = SIGNED_STYLE if signature is not None else DRAFT_STYLE
        if style != self._bannerStyle:  # setting a style sheet triggers a new layout of the panel
            self._bannerStyle = style
            self._ui.bannerLabel.setStyleSheet(style)


def reviewProgress(review: Review) -> str:
    """Return how many sections have been reviewed, and how many of those were rejected."""
    from reg2rg.report import ReviewState

    reviewed = sum(review.isReviewed(region) for region in review.regions)
    rejected = sum(review.state(region) == ReviewState.REJECTED for region in review.regions)
    if rejected:
        return _("{0} of {1} reviewed, {2} rejected").format(reviewed, len(review.regions), rejected)
    return _("{0} of {1} reviewed").format(reviewed, len(review.regions))


def skippedText(skippedRegions: Mapping[str, str]) -> str:
    """Return the regions without a section and the reasons, or "" if there are none.

    Args:
        skippedRegions: region -> reason.
    """
    from reg2rg.regions import get_region

    namesByReason: dict[str, list[str]] = {}
    for region, reason in skippedRegions.items():
        namesByReason.setdefault(reason, []).append(get_region(region).display_name)
    groups = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in namesByReason.items())
    return _("Not described: {0}.").format(groups) if groups else ""


def techniqueText(report: Report) -> str:
    """Return how the volume was acquired as one line, or "" if that is unknown."""
    from reg2rg.report import technique_line

    return _("Technique: {0}").format(technique_line(report.technique)) if report.technique else ""


def warningText(report: Report) -> str:
    """Return the warnings that apply to the whole report, or "" if there are none."""
    return f"⚠ {' '.join(report.warnings)}" if report.warnings else ""


def _showIfAny(label: qt.QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
