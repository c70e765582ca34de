"""What stands above the sections: the draft's label, how far the review is, and what a reader must know first."""

from slicer.i18n import tr as _

from Reg2RGModuleLib.review import REJECTED

DRAFT_STYLE = "background: #7a4a00; color: white; font-weight: bold; padding: 5px;"
REVIEWED_STYLE = "background: #2f4f3a; color: white; padding: 5px;"
UNFAMILIAR_STYLE = "background: #5b1a1a; color: white; font-weight: bold; border: 2px solid white; padding: 5px;"


class ReportHeader:
    """Shows the state of a report as a whole."""

    def __init__(self, ui):
        self._ui = ui
        self._style = ""
        ui.familiarityLabel.setStyleSheet(UNFAMILIAR_STYLE)

    def show(self, review, anySections):
        """The review's state; without one the label of a draft, where sections are being written."""
        self._ui.bannerLabel.setVisible(anySections)
        self._ui.reportHeader.setVisible(anySections)
        self._showBanner(review)
        _showIfAny(self._ui.missingLabel, withoutSection(review.report) if review is not None else "")
        _showIfAny(self._ui.familiarityLabel, unfamiliar(review.report) if review is not None else "")

    def _showBanner(self, review):
        from reg2rg import DRAFT_LABEL

        reviewed = review is not None and review.allReviewed
        words = _("All sections reviewed. Research software, not for clinical use.") if reviewed else DRAFT_LABEL
        self._ui.bannerLabel.setText(words)
        style = REVIEWED_STYLE if reviewed else DRAFT_STYLE
        if style != self._style:  # setting it anew lays the panel out anew
            self._style = style
            self._ui.bannerLabel.setStyleSheet(style)
        self._ui.reviewedLabel.setText(progressOf(review) if review is not None else "")


def progressOf(review):
    """How many sections are reviewed, in words."""
    done = sum(review.isReviewed(region) for region in review.regions)
    rejected = sum(review.state(region) == REJECTED for region in review.regions)
    words = _("{0} of {1} reviewed").format(done, len(review.regions))
    return words + (_(", {0} rejected").format(rejected) if rejected else "")


def withoutSection(report):
    """Which regions the report says nothing about, and why, in words; "" if it has them all."""
    from reg2rg.regions import get_region

    named = {}
    for region, reason in report["without_section"].items():
        named.setdefault(reason, []).append(get_region(region).display_name)
    told = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in named.items())
    return _("Not described: {0}.").format(told) if told else ""


def unfamiliar(report):
    """What to say where the volume is far from what the model was trained on; "" where it is not, or nobody knows."""
    from reg2rg.report import UNFAMILIAR

    familiarity = report["familiarity"]
    if familiarity is None or familiarity["familiar"]:
        return ""
    advice = _("What it says here may mean nothing.")
    return f"⚠ {UNFAMILIAR} {advice}"


def _showIfAny(label, words):
    label.setText(words)
    label.setVisible(bool(words))
