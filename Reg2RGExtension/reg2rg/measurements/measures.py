"""The table of measures: label, unit, region, conditions, cut-offs and source of each. No other file repeats them.

A measure whose ``required`` conditions fail is not given. If one of its other ``conditions`` fails, the number is given
with that reservation and without an adjective.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    ">=": (operator.ge, "{} and more"),
    ">": (operator.gt, "above {}"),
    "<=": (operator.le, "{} and less"),
    "<": (operator.lt, "below {}"),
}


@dataclass(frozen=True)
class Cutoff:
    """A published limit from which on a value has a name.

    Attributes:
        comparison: one of ">=", ">", "<=" and "<".
        limit: the limit, in the unit of the measure.
        adjective: what the value is then, worded to follow "which is".
    """

    comparison: str
    limit: float
    adjective: str

    def applies(self, value: float) -> bool:
        """Return whether a value is beyond the limit."""
        return _COMPARISONS[self.comparison][0](value, self.limit)

    def words(self, unit: str) -> str:
        """Return the limit in words, such as "40 mm and more"."""
        return _COMPARISONS[self.comparison][1].format(with_unit(f"{self.limit:g}", unit))


@dataclass(frozen=True)
class Measure:
    """One row of the table.

    Attributes:
        id: name in JSON, CSV and code.
        label: what is measured, as shown to users.
        unit: unit of the value; empty for ratios and scores.
        region: region whose section reports it.
        digits: decimals shown.
        source: publication of definition and cut-offs.
        required: names of conditions without which the value is not given.
        conditions: names of conditions without which the value holds only with reservation.
        cutoffs: the first one that applies names the value.
        sentence: whether the report's text states it; others are listed in the table only.
    """

    id: str
    label: str
    unit: str
    region: str
    digits: int = 0
    source: str = ""
    required: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    cutoffs: tuple[Cutoff, ...] = ()
    sentence: bool = True

    def format(self, value: float) -> str:
        """Return a value with its unit, such as "9.0%" or "1,260 mL"."""
        return with_unit(f"{round(value, self.digits) + 0.0:,.{self.digits}f}", self.unit)

    def cutoff(self, value: float) -> Cutoff | None:
        """Return the first cut-off that applies to a value as it is shown."""
        shown = round(value, self.digits)
        return next((cutoff for cutoff in self.cutoffs if cutoff.applies(shown)), None)


def with_unit(number: str, unit: str) -> str:
    """Return a number followed by its unit; "%" follows without a space."""
    if not unit:
        return number
    return f"{number}{unit}" if unit == "%" else f"{number} {unit}"


WHOLE_LUNGS = "the whole lungs in view"
WHOLE_HEART = "the whole heart in view"
WHOLE_ORGAN = "the whole organ in view"
THIN_SLICES = "slices of 3 mm or less"
CALCIUM_SLICES = "slices of 4 mm or less"
MEDIUM_SLICES = "slices of 5 mm or less"
FINE_PIXELS = "pixels of 2 mm or less"
LOW_NOISE = "noise of 30 HU or less"
SOFT_KERNEL = "a soft reconstruction kernel"
INSPIRATION = "full inspiration"
CALIBRATED = "air in the trachea of about -1000 HU"
UNENHANCED = "no contrast medium"
EXACT_OUTLINES = "outlines from a trained segmenter"
NO_METAL = "no metal in view"
NO_EMPHYSEMA = "lungs without extensive emphysema"

_COPDGENE = "Regan et al., COPD 2010;7:32 (COPDGene); emphysema from 5%: doi:10.2147/COPD.S284477"
_MESA = "Lederer et al., Am J Respir Crit Care Med 2009;180:407 (MESA-Lung)"
_MOY = "Moy et al., Chest 2013;143:1054"
_AORTA = "ACC/AHA guideline on thoracic aortic disease, 2010"
_TRUONG = "Truong et al., Circ Cardiovasc Imaging 2012, doi:10.1161/CIRCIMAGING.111.968610"
_VERTEBRA = "L1: Pickhardt et al., Ann Intern Med 2013;158:588; T8: 1,236 chest CTs compared with DXA"
_GENANT = "Genant et al., J Bone Miner Res 1993;8:1137"
_LIVER = "Boyce et al., AJR 2010;194:623; Pickhardt et al., Eur Radiol 2012, doi:10.1007/s00330-011-2349-2"

_MEASURES: tuple[Measure, ...] = (
    Measure("lung_volume", "Lung volume", "mL", "lung", required=(WHOLE_LUNGS,), conditions=(INSPIRATION,)),
    Measure(
        "low_attenuation",
        "Low-attenuation volume (-950 HU and below)",
        "%",
        "lung",
        digits=1,
        source=_COPDGENE,
        conditions=(WHOLE_LUNGS, THIN_SLICES, LOW_NOISE, SOFT_KERNEL, INSPIRATION, CALIBRATED),
        cutoffs=(Cutoff(">=", 5.0, "emphysema by density"),),
    ),
    Measure(
        "low_attenuation_part",
        "Low-attenuation volume (-950 HU and below)",
        "%",
        "lung",
        digits=1,
        source=_COPDGENE,
        required=(WHOLE_ORGAN,),
        conditions=(THIN_SLICES, LOW_NOISE, SOFT_KERNEL, INSPIRATION, CALIBRATED),
        sentence=False,
    ),
    Measure(
        "percentile_15",
        "15th percentile of lung density",
        "HU",
        "lung",
        source="PMC3681780",
        conditions=(WHOLE_LUNGS, THIN_SLICES, LOW_NOISE, SOFT_KERNEL, INSPIRATION, CALIBRATED),
        sentence=False,
    ),
    Measure(
        "high_attenuation",
        "High-attenuation area (-600 to -250 HU)",
        "%",
        "lung",
        digits=1,
        source=_MESA,
        conditions=(WHOLE_LUNGS, MEDIUM_SLICES, INSPIRATION),
    ),
    Measure(
        "dense_lung",
        "Dense volume within the lungs (consolidation, atelectasis, mass or vessels)",
        "mL",
        "lung",
        required=(WHOLE_LUNGS,),
        conditions=(MEDIUM_SLICES, LOW_NOISE, FINE_PIXELS, EXACT_OUTLINES),
        sentence=False,
    ),
    Measure(
        "dense_lung_largest",
        "Largest dense area within the lungs",
        "mL",
        "lung",
        required=(WHOLE_LUNGS,),
        conditions=(MEDIUM_SLICES, LOW_NOISE, FINE_PIXELS, EXACT_OUTLINES),
    ),
    Measure(
        "effusion_volume",
        "Pleural fluid",
        "mL",
        "pleura",
        source=_MOY,
        required=(EXACT_OUTLINES,),
        conditions=(WHOLE_LUNGS,),
    ),
    Measure(
        "effusion_depth",
        "Depth of pleural fluid, share of the hemithorax",
        "%",
        "pleura",
        source=_MOY,
        required=(EXACT_OUTLINES,),
        conditions=(WHOLE_LUNGS,),
        cutoffs=(Cutoff("<=", 25, "small"), Cutoff("<=", 50, "moderate"), Cutoff(">", 50, "large")),
    ),
    Measure(
        "pleural_air",
        "Pleural air anterior to the lung",
        "mL",
        "pleura",
        required=(EXACT_OUTLINES,),
        conditions=(NO_EMPHYSEMA,),
    ),
    Measure(
        "trachea_coronal",
        "Transverse diameter of the trachea",
        "mm",
        "trachea and bronchie",
        conditions=(MEDIUM_SLICES, FINE_PIXELS),
    ),
    Measure(
        "trachea_sagittal",
        "Sagittal diameter of the trachea",
        "mm",
        "trachea and bronchie",
        conditions=(MEDIUM_SLICES, FINE_PIXELS),
    ),
    Measure(
        "trachea_area",
        "Cross-section of the trachea",
        "mm²",
        "trachea and bronchie",
        conditions=(MEDIUM_SLICES, FINE_PIXELS),
        sentence=False,
    ),
    Measure(
        "trachea_ratio",
        "Tracheal index (transverse to sagittal diameter)",
        "",
        "trachea and bronchie",
        digits=2,
        source="Greene, AJR 1978;130:441",
        conditions=(MEDIUM_SLICES, FINE_PIXELS),
        cutoffs=(Cutoff("<=", 0.67, "the shape of a saber-sheath trachea"),),
        sentence=False,
    ),
    Measure(
        "ascending_aorta",
        "Diameter of the ascending aorta",
        "mm",
        "mediastinum",
        source=_AORTA,
        conditions=(MEDIUM_SLICES, EXACT_OUTLINES),
        cutoffs=(Cutoff(">=", 40, "dilated"),),
    ),
    Measure(
        "descending_aorta",
        "Diameter of the descending aorta",
        "mm",
        "mediastinum",
        source=_AORTA,
        conditions=(MEDIUM_SLICES, EXACT_OUTLINES),
        cutoffs=(Cutoff(">=", 40, "dilated"),),
    ),
    Measure(
        "pulmonary_artery",
        "Diameter of the pulmonary trunk",
        "mm",
        "mediastinum",
        source=_TRUONG,
        conditions=(MEDIUM_SLICES, EXACT_OUTLINES),
        cutoffs=(
            Cutoff(">=", 29, "dilated in men and women"),
            Cutoff(">=", 27, "dilated in women, not in men"),
        ),
    ),
    Measure(
        "pulmonary_to_aorta",
        "Pulmonary trunk to ascending aorta",
        "",
        "mediastinum",
        digits=2,
        source=_TRUONG,
        conditions=(MEDIUM_SLICES, EXACT_OUTLINES),
        cutoffs=(Cutoff(">", 0.9, "enlarged"),),
    ),
    Measure("heart_volume", "Heart volume", "mL", "heart", required=(WHOLE_HEART, EXACT_OUTLINES)),
    Measure(
        "cardiothoracic_ratio",
        "Cardiothoracic ratio on CT",
        "",
        "heart",
        digits=2,
        source="Insights into Imaging 2021, doi:10.1186/s13244-021-01097-0",
        required=(WHOLE_HEART, WHOLE_LUNGS, EXACT_OUTLINES),
        conditions=(INSPIRATION,),
        cutoffs=(
            Cutoff(">", 0.55, "enlarged, a specific limit"),
            Cutoff(">", 0.5, "enlarged, with a sensitivity of 84% and a specificity of 72% against radiography"),
        ),
    ),
    Measure(
        "heart_calcium_volume",
        "Calcified volume within the heart, ungated",
        "mm³",
        "heart",
        source="Agatston et al., J Am Coll Cardiol 1990;15:827 (limit of 130 HU and 1 mm²)",
        required=(UNENHANCED, LOW_NOISE, CALCIUM_SLICES, FINE_PIXELS),
        conditions=(WHOLE_HEART, THIN_SLICES, NO_METAL, EXACT_OUTLINES),
    ),
    Measure(
        "heart_calcium_score",
        "Agatston-like score within the heart, ungated",
        "",
        "heart",
        source="Agatston et al., J Am Coll Cardiol 1990;15:827",
        required=(UNENHANCED, LOW_NOISE, CALCIUM_SLICES, FINE_PIXELS),
        conditions=(WHOLE_HEART, THIN_SLICES, NO_METAL, EXACT_OUTLINES),
        sentence=False,
    ),
    Measure(
        "coronary_calcium_class",
        "Ordinal score of coronary calcium, 0 to 12",
        "",
        "heart",
        source="Azour 2017",
        required=(UNENHANCED,),
        sentence=False,
    ),
    Measure(
        "pericardial_fluid",
        "Thickness of pericardial fluid",
        "mm",
        "heart",
        digits=1,
        source="Bogaert and Francone, Radiology 2013;267:340",
        cutoffs=(Cutoff(">", 4, "a pericardial effusion"),),
    ),
    Measure(
        "vertebra_hu",
        "Trabecular density",
        "HU",
        "bone",
        source=_VERTEBRA,
        required=(EXACT_OUTLINES,),
        conditions=(UNENHANCED, NO_METAL),
        sentence=False,
    ),
    Measure(
        "vertebra_hu_t8",
        "Trabecular density of T8",
        "HU",
        "bone",
        source=_VERTEBRA,
        required=(EXACT_OUTLINES,),
        conditions=(UNENHANCED, NO_METAL),
        cutoffs=(
            Cutoff("<", 132.3, "in the range of osteoporosis"),
            Cutoff("<", 163.5, "in the range of low bone mass"),
        ),
    ),
    Measure(
        "vertebra_hu_l1",
        "Trabecular density of L1",
        "HU",
        "bone",
        source=_VERTEBRA,
        required=(EXACT_OUTLINES,),
        conditions=(UNENHANCED, NO_METAL),
        cutoffs=(
            Cutoff("<=", 110, "in the range of osteoporosis with over 90% specificity"),
            Cutoff("<=", 160, "in the range in which osteoporosis is possible with 90% sensitivity"),
        ),
    ),
    Measure(
        "vertebra_hu_mean",
        "Trabecular density, median of the vertebrae in view",
        "HU",
        "bone",
        required=(EXACT_OUTLINES,),
        conditions=(UNENHANCED, NO_METAL),
    ),
    Measure(
        "vertebra_height",
        "Height of the vertebral body",
        "mm",
        "bone",
        digits=1,
        required=(EXACT_OUTLINES,),
        conditions=(MEDIUM_SLICES,),
        sentence=False,
    ),
    Measure(
        "vertebra_height_loss",
        "Greatest loss of vertebral height",
        "%",
        "bone",
        source=_GENANT,
        required=(EXACT_OUTLINES,),
        conditions=(THIN_SLICES,),
        cutoffs=(
            Cutoff(">", 40, "a deformity of grade 3"),
            Cutoff(">", 25, "a deformity of grade 2"),
            Cutoff(">=", 20, "a deformity of grade 1"),
        ),
    ),
    Measure(
        "liver_hu",
        "Liver density",
        "HU",
        "abdomen",
        source=_LIVER,
        conditions=(UNENHANCED, EXACT_OUTLINES),
        cutoffs=(
            Cutoff("<=", 40, "moderate to severe steatosis by density"),
            Cutoff("<", 48, "steatosis by density"),
        ),
    ),
    Measure("spleen_hu", "Spleen density", "HU", "abdomen", conditions=(UNENHANCED, EXACT_OUTLINES), sentence=False),
    Measure(
        "liver_minus_spleen",
        "Liver minus spleen density",
        "HU",
        "abdomen",
        source=_LIVER,
        conditions=(UNENHANCED, EXACT_OUTLINES),
        cutoffs=(Cutoff("<=", -10, "moderate to severe steatosis by density"),),
    ),
    Measure("organ_volume", "Volume", "mL", "abdomen", required=(WHOLE_ORGAN,), sentence=False),
    Measure(
        "kidney_stone",
        "Bright focus in the kidney (200 HU and more)",
        "mm",
        "abdomen",
        digits=1,
        required=(UNENHANCED,),
        conditions=(THIN_SLICES, EXACT_OUTLINES),
    ),
    Measure(
        "thyroid_volume",
        "Thyroid volume",
        "mL",
        "thyroid",
        digits=1,
        source="WHO/ICCIDD norms of ultrasound",
        required=(WHOLE_ORGAN,),
        cutoffs=(
            Cutoff(">", 25, "enlarged by norms of ultrasound"),
            Cutoff(">", 18, "enlarged for women, not for men, by norms of ultrasound"),
        ),
    ),
    Measure(
        "finding_diameter",
        "Mean diameter",
        "mm",
        "",
        source="MacMahon et al., Radiology 2017;284:228 (Fleischner Society)",
        conditions=(EXACT_OUTLINES,),
    ),
    Measure("finding_extent", "Extent of the marked area", "mm", "", conditions=(EXACT_OUTLINES,), sentence=False),
)

MEASURES: dict[str, Measure] = {measure.id: measure for measure in _MEASURES}
"""ID -> measure, in the order in which they are listed."""
