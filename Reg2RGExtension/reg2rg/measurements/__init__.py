"""Measurements: numbers read off the image, true on any CT within stated limits.

Files, in the order data flows:

    measures        the table: label, unit, region, conditions, cut-offs and source of each measure
    measurement     Measurement, Condition and Line: one result as the report stores it
    scan            Scan: volume, structures and regions on one grid with LPS axes
    conditions      how the volume was acquired, judged from the image, and what each condition requires
    technique       the same in words
    reading         Reading: a bare number, before the table adds words and conditions
    lungs           volumes, densities, dense areas, pleural fluid and free air
    chest_vessels   trachea, aorta and pulmonary trunk
    heart           volume, cardiothoracic ratio, calcium, pericardial fluid
    bones           density and heights of the vertebrae
    abdomen         liver, spleen, kidneys and thyroid
    findings        diameters of located findings
    evidence        all of it: the Evidence of a volume
    region_statistics  volume and mean density of a region
    sentences       measurements in words
    scalars         measurements as numbers for a model
    reviewing       lines that a reviewer moved, and volumes that are measured again
"""

from reg2rg.measurements.conditions import ScanConditions
from reg2rg.measurements.evidence import Evidence, measure, with_findings
from reg2rg.measurements.measurement import Condition, Line, Measurement
from reg2rg.measurements.region_statistics import RegionStatistics, region_statistics
from reg2rg.measurements.reviewing import MEASURED_BY_REVIEWER, is_editable, remeasured, reviewed, with_lines
from reg2rg.measurements.scalars import SCALAR_NAMES, region_scalars
from reg2rg.measurements.sentences import NOT_ASSESSED, measured_sentence, measurement_words, region_sentences
from reg2rg.measurements.technique import technique

__all__ = [
    "MEASURED_BY_REVIEWER",
    "NOT_ASSESSED",
    "SCALAR_NAMES",
    "Condition",
    "Evidence",
    "Line",
    "Measurement",
    "RegionStatistics",
    "ScanConditions",
    "is_editable",
    "measure",
    "measured_sentence",
    "measurement_words",
    "region_scalars",
    "region_sentences",
    "region_statistics",
    "remeasured",
    "reviewed",
    "technique",
    "with_findings",
    "with_lines",
]
