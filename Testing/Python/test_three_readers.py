"""Three readers: what a text, the finding head and the measurements say about the same volume is compared."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from perfect_detection import locate_planted
from test_report import generated, provenance

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS, POSSIBLE_REGIONS, extract_mentions, split_sentences, vessel_diameters
from reg2rg.measurements import Condition, Evidence, Line, Measurement, ScanConditions, measure, with_findings
from reg2rg.measurements.measures import MEASURES
from reg2rg.phantom import make_phantom
from reg2rg.phantom.case import PhantomConfig
from reg2rg.regions import Corrections
from reg2rg.report import (
    Disagreement,
    Finding,
    ReportBuilder,
    Section,
    Sentence,
    disagreements,
    folded_text,
    parse_report,
    section_warnings,
)
from reg2rg.report.comparisons import COMPARISONS, SIZE_MEASURES
from reg2rg.report.merging import merge_findings

OLD_REPORTS = Path(__file__).parents[1] / "Data" / "reports"
CONDITIONS = ScanConditions(1.0, 0.7, 10.0, 0.5, 40.0, -850.0, 0.3, (), False, False)


def measured(
    name: str,
    value: float | None,
    part: str = "",
    *,
    reservation: str = "",
    region: str = "",
    text: str = "",
    lines: tuple[Line, ...] = (),
) -> Measurement:
    """Return a measurement as the table of measures words it."""
    row = MEASURES[name]
    cutoff = row.cutoff(value) if value is not None and not reservation else None
    return Measurement(
        measure=name,
        region=region or row.region,
        label=row.label,
        part=part,
        unit=row.unit,
        value=value,
        uncertainty=None,
        text=text or ("not given: unknown" if value is None else row.format(value)),
        adjective=cutoff.adjective if cutoff else None,
        cutoff=cutoff.words(row.unit) if cutoff else None,
        structures=(),
        lines=lines,
        conditions=(Condition("a condition", not reservation, reservation),),
        source="",
    )


def section(text: str, region: str, head: tuple[Finding, ...] = (), corrections: Corrections | None = None) -> Section:
    mentions = extract_mentions(text, region)
    findings = merge_findings(region, mentions, head, (corrections or {}).get(region, {}), calibrated=True)
    sentences = tuple(Sentence(start, end, None, None, ()) for start, end in split_sentences(text))
    return Section(region, region, text, sentences, True, False, 1.0, 0.0, findings, ())


def compare(text: str, region: str, *results: Measurement, head=(), corrections=None) -> list[tuple[str, str]]:
    """Return the message of each disagreement and the sentence of the text that it is about."""
    compared = section(text, region, head, corrections)
    found = disagreements(compared, Evidence(CONDITIONS, results))
    spans = [text[sentence.start : sentence.end] for sentence in compared.sentences]
    return [(each.message, "" if each.sentence is None else spans[each.sentence]) for each in found]


def opposite_sides(right: float, left: float) -> tuple[Measurement, Measurement]:
    return measured("effusion_volume", right, "right side"), measured("effusion_volume", left, "left side")


DENSITY = "low-attenuation volume (-950 HU and below)"
EMPHYSEMA = measured("low_attenuation", 18)
NO_EMPHYSEMA = measured("low_attenuation", 0.3)
SHARP = measured("low_attenuation", 14.6, reservation="the reconstruction kernel is sharp")


def test_a_denial_beside_a_measured_finding_is_shown_at_its_sentence() -> None:
    assert compare("No nodule is seen. There is no emphysema.", "lung", EMPHYSEMA) == [
        (
            f"The text denies emphysema; measured: {DENSITY} 18.0%, which is emphysema by density (5% and more).",
            "There is no emphysema.",
        )
    ]


def test_a_claim_that_a_measurement_does_not_show_is_shown_at_its_sentence() -> None:
    message = f"The text states emphysema; measured: {DENSITY} 0.3%."
    assert compare("Mild emphysema is seen. No effusion.", "lung", NO_EMPHYSEMA) == [
        (message, "Mild emphysema is seen.")
    ]


def test_a_measured_finding_that_the_text_does_not_mention_is_shown_without_a_sentence() -> None:
    (found,) = compare("No nodule is seen.", "lung", EMPHYSEMA)
    assert found[0].startswith("The text does not mention emphysema; measured: ") and found[1] == ""


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("No emphysema.", 4.9),
        ("Mild emphysema.", 1.0),
        ("Emphysema is possible.", 0.3),
        ("Emphysema is possible.", 18),
        ("No emphysema in the lower lobes.", 18),
        ("No emphysema in the lower lobes. Emphysema in the upper lobes.", 18),
    ],
)
def test_values_near_a_cutoff_and_cautious_or_limited_sentences_contradict_nothing(text: str, share: float) -> None:
    assert compare(text, "lung", measured("low_attenuation", share)) == []


@pytest.mark.parametrize("text", ["No emphysema.", "Severe emphysema.", "No nodule."])
def test_a_reserved_or_missing_measurement_contradicts_no_text(text: str) -> None:
    reserved_low = measured("low_attenuation", 0.3, reservation="slices are 8 mm apart")
    for result in (SHARP, reserved_low, measured("low_attenuation", None)):
        assert compare(text, "lung", result) == []


def test_all_three_values_are_named_where_text_and_head_disagree() -> None:
    head = (Finding("Emphysema", 0.95),)
    text = "The text denies emphysema; the finding detector rates it very likely (95%)"
    for result, words in (
        (EMPHYSEMA, f"; measured: {DENSITY} 18.0%, which is emphysema by density (5% and more)."),
        (SHARP, f"; measured: {DENSITY} 14.6% (interpret with caution: the reconstruction kernel is sharp)."),
        (NO_EMPHYSEMA, f"; measured: {DENSITY} 0.3%."),
        (measured("low_attenuation", None), "."),
    ):
        assert compare("No emphysema.", "lung", result, head=head) == [(text + words, "No emphysema.")]


def test_the_head_is_named_where_only_the_measurement_disagrees() -> None:
    (found,) = compare("Emphysema is seen.", "lung", NO_EMPHYSEMA, head=(Finding("Emphysema", 0.9),))
    assert found[0].startswith("The text states emphysema; the finding detector rates it very likely (90%); measured: ")


def test_head_and_measurement_that_disagree_are_shown_where_the_text_leaves_it_open() -> None:
    head = (Finding("Emphysema", 0.9),)
    (found,) = compare("Clear. Emphysema is possible.", "lung", NO_EMPHYSEMA, head=head)
    assert found[0].startswith("The text leaves emphysema open; ") and found[1] == "Emphysema is possible."
    assert compare("Emphysema is possible.", "lung", EMPHYSEMA, head=head) == []


def test_a_correction_settles_what_measurements_contradict() -> None:
    assert compare("No emphysema.", "lung", EMPHYSEMA, corrections={"lung": {"Emphysema": False}}) == []


@pytest.mark.parametrize(
    ("text", "right", "left", "contradicted"),
    [
        ("Pleural effusion on the right.", 400, 0, []),
        ("Pleural effusion on the left.", 400, 0, ["states", "does not mention"]),
        ("Bilateral pleural effusion.", 400, 0, ["states"]),
        ("Pleural effusion on the right.", 400, 400, ["does not mention"]),
        ("Pleural effusion.", 0, 0, ["states"]),
        ("Pleural effusion.", 30, 0, []),
        ("No pleural effusion.", 0, 60, ["denies"]),
        ("No pleural effusion on the right.", 0, 400, ["does not mention"]),
        ("Normal.", 0, 60, ["does not mention"]),
        ("Normal.", 0, 30, []),
    ],
)
def test_pleural_effusions_are_compared_side_by_side(text: str, right: float, left: float, contradicted) -> None:
    found = [message for message, _ in compare(text, "pleura", *opposite_sides(right, left))]
    assert [message.removeprefix("The text ").split(" pleural effusion")[0] for message in found] == contradicted
    for message in found:
        assert f"measured: pleural fluid, right side {right:.0f} mL, left side {left:.0f} mL." in message


def test_only_the_section_that_owns_a_measure_misses_what_it_shows() -> None:
    assert compare("Normal.", "lung", *opposite_sides(0, 400)) == []
    assert compare("Pleural effusion on the right.", "lung", *opposite_sides(400, 400)) == []
    (denied,) = compare("No pleural effusion.", "lung", *opposite_sides(0, 400))
    assert denied[1] == "No pleural effusion."


@pytest.mark.parametrize(
    ("text", "region", "result"),
    [
        ("No pneumothorax.", "lung", measured("pleural_air", 60, "left side")),
        ("The heart is enlarged.", "heart", measured("cardiothoracic_ratio", 0.41)),
        ("Heart size is normal.", "mediastinum", measured("cardiothoracic_ratio", 0.58)),
        ("No pericardial effusion.", "heart", measured("pericardial_fluid", 9)),
        ("No coronary calcification.", "heart", measured("heart_calcium_volume", 400)),
        ("Calcified plaques in the coronary arteries.", "heart", measured("heart_calcium_volume", 0)),
        ("No vertebral compression fracture.", "bone", measured("vertebra_height_loss", 34, "T8")),
        ("No fracture.", "bone", measured("vertebra_height_loss", 34, "T8")),
        ("Compression fracture of T8.", "bone", measured("vertebra_height_loss", 6, "T4")),
        ("No kidney stones.", "abdomen", measured("kidney_stone", 6, "left kidney")),
    ],
)
def test_every_measure_with_a_label_is_compared(text: str, region: str, result: Measurement) -> None:
    (found,) = compare(text, region, result)
    assert found[1] == text and result.text in found[0]
    reserved = dataclasses.replace(result, conditions=(Condition("a condition", False, "a reason"),))
    assert compare(text, region, reserved) == []


@pytest.mark.parametrize(
    ("text", "region", "result"),
    [
        ("Right pneumothorax.", "pleura", measured("pleural_air", 0, "right side")),
        ("No rib fracture.", "bone", measured("vertebra_height_loss", 34, "T8")),
        ("Old fracture of the 6th rib.", "bone", measured("vertebra_height_loss", 4, "T8")),
        ("Rib fracture without compression of vertebrae.", "bone", measured("vertebra_height_loss", 4, "T8")),
        ("No tension pneumothorax.", "pleura", measured("pleural_air", 80, "right side")),
        ("The heart is enlarged.", "heart", measured("cardiothoracic_ratio", 0.52)),
        ("Heart size is normal.", "heart", measured("cardiothoracic_ratio", 0.52)),
        ("No calcification in the aorta. Coronary calcification.", "heart", measured("heart_calcium_volume", 400)),
        ("No calcification in the aorta.", "mediastinum", measured("heart_calcium_volume", 400)),
    ],
)
def test_what_a_measure_cannot_show_is_not_contradicted(text, region, result) -> None:
    assert compare(text, region, result) == []


def test_the_table_of_comparisons_names_known_labels_and_measures() -> None:
    for row in COMPARISONS:
        assert row.measure in MEASURES and row.label in ALL_LABELS
        assert set(row.regions) <= set(POSSIBLE_REGIONS[row.label])
        published = MEASURES[row.measure].cutoffs
        assert not published or row.present in published, "no cut-off of its own beside a published one"
    assert set(SIZE_MEASURES) <= set(ALL_LABELS) and set(SIZE_MEASURES.values()) <= set(MEASURES)


LINE = (Line((0.0, 0.0, 0.0), (40.0, 0.0, 0.0)),)


def ruler(mean: float, long: float, *, reservation: str = "") -> Measurement:
    line = Line((0.0, 0.0, 0.0), (long, 0.0, 0.0))
    text = f"{mean:.0f} mm ({long:.0f} x {2 * mean - long:.0f} mm)"
    return measured(
        "finding_diameter", mean, "lung nodule", region="lung", text=text, lines=(line,), reservation=reservation
    )


@pytest.mark.parametrize("size", [14, 18, 22])
def test_a_size_that_agrees_with_the_mean_or_the_long_axis_is_not_shown(size: int) -> None:
    assert compare(f"A nodule of {size} mm.", "lung", ruler(16, 20)) == []


def test_a_size_that_the_ruler_contradicts_is_shown_with_the_rulers_value() -> None:
    text = "No effusion. A nodule of 6 mm is seen."
    head = (Finding("Lung nodule", 0.6, size_mm=6.5),)
    message = "The text gives a size of 6 mm for lung nodule"
    assert compare(text, "lung", ruler(16, 20)) == [
        (f"{message}; the ruler measures 16 mm (20 x 12 mm).", "A nodule of 6 mm is seen.")
    ]
    assert compare(text, "lung", ruler(16, 20), head=head) == [
        (
            f"{message}; the finding detector measures 6 mm; the ruler measures 16 mm (20 x 12 mm).",
            "A nodule of 6 mm is seen.",
        )
    ]


def test_a_reserved_ruler_needs_a_greater_difference_and_is_named_with_its_reservation() -> None:
    reserved = ruler(13, 14, reservation="outlines are estimated")
    assert len(compare("A nodule of 9 mm.", "lung", ruler(13, 14))) == 1
    assert compare("A nodule of 9 mm.", "lung", reserved) == []
    (found,) = compare("A nodule of 6 mm.", "lung", reserved)
    assert found[0].endswith("the ruler measures 13 mm (14 x 12 mm) (interpret with caution: outlines are estimated).")


def test_other_findings_and_other_regions_do_not_measure_a_size() -> None:
    assert compare("A nodule of 6 mm.", "pleura", ruler(16, 20)) == []
    assert compare("Consolidation of 6 mm.", "lung", ruler(16, 20)) == []


@pytest.mark.parametrize(
    ("text", "region", "result", "agrees"),
    [
        ("Pericardial effusion of 8 mm.", "heart", measured("pericardial_fluid", 9), True),
        ("Pericardial effusion of 25 mm.", "heart", measured("pericardial_fluid", 9), False),
        ("A 12 mm kidney stone on the left.", "abdomen", measured("kidney_stone", 5, "left kidney"), False),
        ("A 12 mm kidney stone on the left.", "abdomen", measured("kidney_stone", 5, "right kidney"), True),
        (
            "A right pleural effusion of 20 mm.",
            "pleura",
            measured("effusion_depth", 22, "right side", lines=LINE),
            False,
        ),
        (
            "A right pleural effusion of 45 mm.",
            "pleura",
            measured("effusion_depth", 22, "right side", lines=LINE),
            True,
        ),
        ("A right pleural effusion of 20 mm.", "pleura", measured("effusion_depth", 22, "right side"), True),
    ],
)
def test_sizes_are_compared_with_the_measure_that_is_meant(text, region, result, agrees: bool) -> None:
    sizes = [message for message, _ in compare(text, region, result) if " a size of " in message]
    assert bool(sizes) is not agrees


def test_the_short_axis_of_lymph_nodes_is_a_size_and_bullae_are_not_as_large_as_emphysema() -> None:
    short = Line((0.0, 0.0, 0.0), (0.0, 10.0, 0.0))
    node = measured("finding_diameter", 15, "lymphadenopathy", region="mediastinum", lines=(*LINE, short))
    assert compare("Lymphadenopathy of 10 mm.", "mediastinum", node) == []
    emphysema = measured("finding_diameter", 150, "emphysema", region="lung")
    assert compare("Emphysema with a bulla of 30 mm.", "lung", emphysema) == []


@pytest.mark.parametrize(
    ("text", "contradicted"),
    [
        ("Large pleural effusion on the right.", True),
        ("Pleural effusion on the right, small in amount.", False),
        ("The right pleural effusion is now large.", True),
        ("Pleural effusion on the right, large in amount.", True),
        ("Pleural effusion on the right, large consolidation in the left lung.", False),
        ("The right pleural effusion is not large.", False),
        ("Small right pleural effusion and large consolidation.", False),
        ("Minimal pleural effusion on the right.", False),
        ("Moderate pleural effusion on the right.", False),
        ("No large pleural effusion on the right.", False),
        ("Moderate to large right-sided layering pleural effusion.", False),
    ],
)
def test_the_class_of_an_effusion_is_compared_with_its_depth(text: str, contradicted: bool) -> None:
    found = compare(text, "pleura", measured("effusion_depth", 22, "right side"))
    assert bool(found) is contradicted
    for message, sentence in found:
        assert (
            sentence == text
            and "calls the pleural effusion large; measured: depth, right side 22%, which is small" in (message)
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ascending aorta measures 45 mm.", {"ascending_aorta": 45}),
        ("Ascending aorta 4.5 cm; descending aorta 28 mm.", {"ascending_aorta": 45, "descending_aorta": 28}),
        ("Ascending aorta and pulmonary trunk are 42 mm and 30 mm.", {"ascending_aorta": 42, "pulmonary_artery": 30}),
        ("The diameter of the main pulmonary artery is 34 mm (previously 31 mm).", {"pulmonary_artery": 34}),
        ("The right pulmonary artery measures 30 mm.", {}),
        ("The ascending aorta is narrower than 40 mm, the descending aorta 25 mm and 26 mm wide.", {}),
        ("A lymph node of 20 mm beside the ascending aorta.", {}),
        ("The ascending aorta is of normal diameter.", {}),
        ("Calcified plaque of 5 mm in the descending aorta.", {}),
        ("The ascending aorta measures 45 mm at the sinus.", {}),
        ("Ascending aorta, previously 45 mm, now 34 mm.", {}),
        ("A flap extends over 90 mm along the descending aorta.", {}),
    ],
)  # fmt: skip
def test_diameters_of_vessels_are_read_from_the_text(text: str, expected: dict[str, float]) -> None:
    assert {each.vessel: each.size_mm for each in vessel_diameters(text)} == expected


def test_a_vessel_that_the_ruler_measures_otherwise_is_shown_with_its_value() -> None:
    text = "Normal. The ascending aorta measures 45 mm."
    aorta = measured("ascending_aorta", 33)
    message = "The text gives the diameter of the ascending aorta as 45 mm; the ruler measures 33 mm"
    assert compare(text, "mediastinum", aorta) == [(f"{message}.", "The ascending aorta measures 45 mm.")]
    reserved = measured("ascending_aorta", 33, reservation="outlines are estimated")
    (found,) = compare(text, "mediastinum", reserved)
    assert found[0] == f"{message} (interpret with caution: outlines are estimated)."
    assert compare(text, "mediastinum", measured("ascending_aorta", 41)) == []


def test_sentences_with_the_same_contradiction_are_marked_each_and_warned_of_once() -> None:
    text = "Emphysema is seen. Emphysematous areas in the upper lobes."
    lung = section(text, "lung")
    found = disagreements(lung, Evidence(CONDITIONS, (NO_EMPHYSEMA,)))
    assert [each.sentence for each in found] == [0, 1]
    warnings = section_warnings(dataclasses.replace(lung, disagreements=found))
    assert warnings == (found[0].message,)


def test_without_evidence_and_finding_head_nothing_is_contradicted() -> None:
    assert disagreements(section("Severe emphysema.", "lung")) == ()


@pytest.fixture(scope="module")
def phantoms():
    """Return phantoms with what was measured in them."""
    cases = [make_phantom(seed, PhantomConfig(size=(128, 128, 96))) for seed in (902, 904, 905)]
    return [(case, measure(case.volume, case.structures, case.masks)) for case in cases]


def test_true_texts_of_phantoms_are_not_contradicted_on_what_is_there(phantoms) -> None:
    for case, evidence in phantoms:
        located = locate_planted(case)
        measured_with_findings = with_findings(evidence, case.volume, located.outlines, ALL_LABELS)
        builder = ReportBuilder(case.volume, case.masks, detected=located.findings, evidence=measured_with_findings)
        for name in case.masks.present:
            built = builder.section(generated(name, case.sections[name], name))
            verbs = ("states", "denies", "does not mention", "leaves", "places")
            assert not [each for each in built.disagreements if each.message.split()[2] in " ".join(verbs).split()]


def test_a_false_text_is_contradicted_without_a_finding_head_in_every_form_of_the_report(phantoms) -> None:
    case, evidence = phantoms[0]
    texts = [generated("lung", "Normal. There is pleural effusion on the right.", "lung")]
    evidence = dataclasses.replace(evidence, measurements=opposite_sides(0, 0))
    report = ReportBuilder(case.volume, case.masks, evidence=evidence).report(texts, provenance(case.volume), {})
    (found,) = report.section("lung").disagreements
    message = "The text states pleural effusion; measured: pleural fluid, right side 0 mL, left side 0 mL."
    assert found == Disagreement(message, 1)
    assert f"[{message}]" in report.to_text() and message in report._repr_html_()
    assert parse_report(report.to_json()) == report
    hidden = dataclasses.replace(report.section("lung"), model_text_hidden=True)
    assert section_warnings(hidden) == () and folded_text(hidden).warnings == (message,)


def test_disagreements_of_older_reports_are_read_without_a_sentence() -> None:
    values = json.loads((OLD_REPORTS / "schema_6.json").read_text(encoding="utf-8"))
    values["sections"][0]["disagreements"] = ["They disagree."]
    assert parse_report(json.dumps(values)).sections[0].disagreements == (Disagreement("They disagree.", None),)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([{"message": "They disagree.", "sentence": 99}], "names a sentence that is not in the report"),
        ([{"message": "They disagree.", "sentence": "first"}], "sentence is 'first'"),
        (["They disagree.", 5], "disagreements"),
        (5, "expected a list"),
    ],
)
def test_disagreements_that_are_not_valid_are_refused(stored, expected: str) -> None:
    values = json.loads((OLD_REPORTS / "schema_6.json").read_text(encoding="utf-8"))
    values["sections"][0]["disagreements"] = stored
    with pytest.raises(InputError, match=expected):
        parse_report(json.dumps(values))
