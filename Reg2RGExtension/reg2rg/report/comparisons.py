"""The table of comparisons: which measure can confirm or contradict which finding.

No label exists for what the other measures with cut-offs describe: dilated vessels, fatty liver, low bone density, a
large thyroid gland, the shape of the trachea. Diameters that a text gives for vessels are compared nevertheless.
"""

from __future__ import annotations

from dataclasses import dataclass

from reg2rg.labeler import POSSIBLE_REGIONS
from reg2rg.measurements import Measurement
from reg2rg.measurements.measures import MEASURES, Cutoff


@dataclass(frozen=True)
class Comparison:
    """One row of the table: when a measure shows a finding, and when it shows that there is none.

    Attributes:
        label: the finding.
        measure: ID of the measure.
        present: values that show the finding.
        absent: values at which there is none; None if the measure cannot show that. The gap between ``present`` and
            ``absent`` belongs to neither, so that values close to a cut-off contradict nothing.
        sided: whether there is one value for each side.
        regions: regions whose texts are compared; empty for all that can have the finding.
        expected: whether a text that does not mention a shown finding is incomplete.
        claims: pattern of the sentences whose claim is about what was measured.
        denials: pattern of the sentences whose denial is about what was measured.
    """

    label: str
    measure: str
    present: Cutoff
    absent: Cutoff | None = None
    sided: bool = False
    regions: tuple[str, ...] = ()
    expected: bool = True
    claims: str = ""
    denials: str = ""

    def applies_to(self, region: str) -> bool:
        """Return whether the text of a region is compared."""
        return region in (self.regions or POSSIBLE_REGIONS[self.label])

    def shows(self, measurement: Measurement) -> bool | None:
        """Return whether a measurement shows the finding; None if it says neither, or only with reservation."""
        if measurement.value is None or measurement.reserved:
            return None
        value = round(measurement.value, MEASURES[self.measure].digits)
        if self.present.applies(value):
            return True
        return False if self.absent is not None and self.absent.applies(value) else None


def _published(measure: str, index: int) -> Cutoff:
    return MEASURES[measure].cutoffs[index]


_NO_OTHER_BONE = r"^(?!.*(?:rib|stern|clavic|scapul|humer))"
"""A sentence that names other bones is not only about vertebrae."""

COMPARISONS: tuple[Comparison, ...] = (
    Comparison("Emphysema", "low_attenuation", _published("low_attenuation", 0), Cutoff("<", 1, "")),
    Comparison("Pleural effusion", "effusion_volume", Cutoff(">=", 50, ""), Cutoff("<=", 0, ""), sided=True),
    Comparison(
        "Pneumothorax",
        "pleural_air",
        Cutoff(">=", 20, ""),  # never absent: the search misses most of them
        sided=True,
        denials=r"^(?!.*tension)",
    ),
    Comparison("Cardiomegaly", "cardiothoracic_ratio", _published("cardiothoracic_ratio", 0), Cutoff("<=", 0.45, "")),
    Comparison("Pericardial effusion", "pericardial_fluid", _published("pericardial_fluid", 0), Cutoff("<=", 2, "")),
    Comparison(
        "Coronary artery wall calcification", "heart_calcium_volume", Cutoff(">=", 100, ""), Cutoff("<=", 0, "")
    ),
    Comparison(
        "Arterial wall calcification",
        "heart_calcium_volume",
        Cutoff(">=", 100, ""),
        regions=("heart",),
        expected=False,  # the text may call it coronary
        denials=r"^(?!.*(?:aort|arch\b))",
    ),
    Comparison(
        "Fracture",
        "vertebra_height_loss",
        _published("vertebra_height_loss", 1),
        Cutoff("<", 10, ""),
        claims=_NO_OTHER_BONE + r".*(?:compress|collaps|wedg)",
        denials=_NO_OTHER_BONE,
    ),
    Comparison("Kidney stone", "kidney_stone", Cutoff(">=", 3, ""), sided=True),
)

SIZE_MEASURES: dict[str, str] = {
    "Pleural effusion": "effusion_depth",
    "Pericardial effusion": "pericardial_fluid",
    "Kidney stone": "kidney_stone",
}
"""Label -> measure with which a size in the text is compared, unless it is the diameter of the located finding."""

NOT_DIAMETERS = frozenset({"Emphysema", "Pleural thickening", "Hiatal hernia"})
"""Labels whose sizes in a text are those of bullae, thicknesses or widths, which the diameter of an outline is not."""

SHORT_AXIS_LABELS = frozenset({"Lymphadenopathy"})
"""Labels whose size in a text is often the short axis."""
