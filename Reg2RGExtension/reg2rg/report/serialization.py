"""``report.json``: the stored form of a report, including older schema versions.

Schema version 2 added the precision to the provenance, version 3 the findings and the out-of-distribution check, and
version 4 the disagreements. Version 5 renamed fields to standard terms and removed the review state of a section,
which was never set. Version 6 added what the model was trained for to the provenance, and version 7 the measurements
and the sentences that disagreements are about. Version 8 added the review, the kind of training volumes that a volume
is nearest to, and the air in the trachea. Version 9 added the hash of the voxels, what the draft may not state,
and the comparison with a prior CT. Saved scenes and report folders may contain older versions, so every version can be
read. So can the form in which scenes stored reviews before version 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError
from reg2rg.measurements import Evidence
from reg2rg.measurements.measures import MEASURES
from reg2rg.regions import REGION_NAMES, in_reading_order
from reg2rg.report.disagreements import disagreements
from reg2rg.report.report import REPORT_FILE, SCHEMA_VERSION, Report
from reg2rg.report.review import Review
from reg2rg.report.seal import check_seal, content_sha256
from reg2rg.runtime.dataclass_io import from_plain, parse_json, shorten, to_plain
from reg2rg.segmentation.structures import GROUPS, STRUCTURE_NAMES

Values = dict[str, Any]

_SCENE_FORM = "Reg2RG review"
"""What the field ``form`` of a review in a scene contains if it was saved before schema version 8."""


def load_report(folder: str | Path) -> Report:
    """Load a report from a report folder.

    Args:
        folder: a folder written by ``reg2rg report`` or ``generate_report``.

    Returns:
        The report. Its masks are read from the folder when they are first used.

    Raises:
        InputError: the folder does not contain a valid report.

    Examples:
        >>> import tempfile
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = reg2rg.generate_report(ct, folder, regions_file=regions, regions=("heart",), progress=False)
        ...     report = reg2rg.load_report(folder)
        >>> report.section("heart").region
        'heart'
    """
    path = Path(folder) / REPORT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{folder} is not a report folder: it contains no {REPORT_FILE}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid UTF-8 text ({error}).") from error
    return replace(parse_report(text, str(path)), folder=Path(folder))


def parse_report(text: str, name: str = "The report") -> Report:
    """Parse the text of a ``report.json`` in the current or an older schema version.

    Args:
        text: the text.
        name: what it is; the message about text that is not JSON begins with it.

    Raises:
        InputError: the text is not a valid report, or it was changed after it was signed.
    """
    values = parse_json(text, name)
    if isinstance(values, dict) and values.get("form") == _SCENE_FORM:
        values = _from_scene(values)
    if not isinstance(values, dict) or "schema_version" not in values:
        raise InputError("This is not a report: it has no schema_version.")
    stored_version = values["schema_version"]
    check_seal(values)
    report = from_plain(Report, _upgrade(values), "report")
    if report.signed and stored_version < SCHEMA_VERSION:
        report = sealed(report)  # the seal of the values as they were stored has been checked
    if stored_version < 4:
        sections = [replace(section, disagreements=disagreements(section)) for section in report.sections]
        report = replace(report, sections=tuple(sections))
    in_reading_order([*(section.region for section in report.sections), *report.skipped_regions])  # checks the names
    if report.evidence is not None:
        _check_evidence(report.evidence)
    if report.prior is not None:
        in_reading_order(change.region for change in report.prior.changes)  # checks the names
    for section in report.sections:
        contradicted = {each.sentence for each in section.disagreements} - {None}
        if not contradicted <= set(range(len(section.sentences))):
            raise InputError(f"A disagreement about the {section.region} names a sentence that is not in the report.")
        mentioned = {index for sentence in section.sentences for index in sentence.findings}
        if not mentioned <= set(range(len(section.findings))):
            raise InputError(f"A sentence about the {section.region} mentions a finding that is not in the report.")
    if report.review is not None:
        _check_review(report, report.review)
    return report


def sealed(report: Report) -> Report:
    """Return a signed report with the hash of its content in its signature."""
    assert report.review is not None and report.review.signature is not None
    signature = replace(report.review.signature, content_sha256=content_sha256(to_plain(report)))
    return replace(report, review=replace(report.review, signature=signature))


def _check_review(report: Report, review: Review) -> None:
    """Raise InputError if a review does not fit its report."""
    if set(review.sections) != {section.region for section in report.sections}:
        raise InputError("The sections of the review do not match those of the report.")
    if review.signature is not None and not review.all_reviewed:
        raise InputError("The report has a signature, but not all of its sections were reviewed.")


def _check_evidence(evidence: Evidence) -> None:
    """Raise InputError if measurements refer to something unknown."""
    in_reading_order(measurement.region for measurement in evidence.measurements)
    known = {*REGION_NAMES, *STRUCTURE_NAMES, *GROUPS}
    for kind, names, expected in (
        ("measure", [measurement.measure for measurement in evidence.measurements], MEASURES),
        ("structure", evidence.conditions.cut, known),
    ):
        if unknown := set(names) - set(expected):
            raise InputError(f"The report contains an unknown {kind}: {shorten(min(unknown))}.")


def _upgrade(values: Values) -> Values:
    """Upgrade the values of a report to the current schema version."""
    version = values["schema_version"]
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise InputError(f"The report has schema version {shorten(version)}; expected 1 to {SCHEMA_VERSION}.")
    for step in _UPGRADES[version - 1 :]:
        step(values)
    values["schema_version"] = SCHEMA_VERSION
    return values


def _from_1_to_2(values: Values) -> None:
    for provenance in _objects([values.get("provenance")]):
        provenance.setdefault("precision", "fp32")  # the only precision at the time


def _from_2_to_3(values: Values) -> None:
    values.setdefault("familiarity", None)
    for section in _objects(values.get("sections")):
        for holder in (section, *_objects(section.get("sentences"))):
            holder.setdefault("findings", [])


def _from_3_to_4(values: Values) -> None:
    for section in _objects(values.get("sections")):
        section.setdefault("disagreements", [])


def _from_4_to_5(values: Values) -> None:
    _rename(values, {"label": "disclaimer", "without_section": "skipped_regions", "familiarity": "out_of_distribution"})
    for check in _objects([values.get("out_of_distribution")]):
        check.pop("familiar", None)  # its opposite, "detected", is derived
    for provenance in _objects([values.get("provenance")]):
        _rename(provenance, {"seconds": "stage_seconds"})
    for section in _objects(values.get("sections")):
        section.pop("state", None)
        _rename(section, {"recognised": "recognized"})
        for sentence in _objects(section.get("sentences")):
            _rename(sentence, {"minimum_probability": "min_probability"})
        for finding in _objects(section.get("findings")):
            _rename(finding, {"text": "text_status", "said": "correction"})


def _from_5_to_6(values: Values) -> None:
    for provenance in _objects([values.get("provenance")]):
        provenance.setdefault("trained_for", "")


def _from_6_to_7(values: Values) -> None:
    values.setdefault("technique", {})
    values.setdefault("evidence", None)
    for section in _objects(values.get("sections")):
        messages = section.get("disagreements")
        if isinstance(messages, list) and all(isinstance(message, str) for message in messages):
            section["disagreements"] = [{"message": message, "sentence": None} for message in messages]


def _from_7_to_8(values: Values) -> None:
    values.setdefault("review", None)
    for check in _objects([values.get("out_of_distribution")]):
        check.setdefault("kind", "")
    for evidence in _objects([values.get("evidence")]):
        for conditions in _objects([evidence.get("conditions")]):
            conditions.setdefault("trachea_hu", None)
    values.pop("disclaimer", None)  # it follows from the review


def _from_8_to_9(values: Values) -> None:
    for provenance in _objects([values.get("provenance")]):
        provenance.setdefault("volume_sha256", "")
    values.setdefault("supported", None)
    values.setdefault("prior", None)


def _from_scene(values: Values) -> Values:
    """Return the values of a report from the form in which scenes stored a review before schema version 8."""
    report, version, impression = values.get("report"), values.get("version"), values.get("impression")
    if version not in (1, 2) or not isinstance(report, dict) or not isinstance(impression, dict):
        raise InputError(f"This is not a review that can be read: its version is {shorten(version)}; expected 1 or 2.")
    review = {name: values[name] for name in ("sections", "measurements", "replaced", "log") if name in values}
    return {
        **report,
        "review": {**review, "impression": impression.get("text"), "impression_edited": impression.get("edited")},
    }


_UPGRADES: tuple[Callable[[Values], None], ...] = (
    _from_1_to_2,
    _from_2_to_3,
    _from_3_to_4,
    _from_4_to_5,
    _from_5_to_6,
    _from_6_to_7,
    _from_7_to_8,
    _from_8_to_9,
)


def _objects(values: Any) -> list[Values]:
    """Return the objects in a list. Anything else is reported later, when it is read."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _rename(values: Values, names: dict[str, str]) -> None:
    for old, new in names.items():
        if old in values:
            values[new] = values.pop(old)
