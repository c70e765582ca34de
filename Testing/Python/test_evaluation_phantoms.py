"""The benchmark on held-out phantoms: a perfect model scores 1 everywhere, and each fault lowers its own metric."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import SimpleITK as sitk
from oracle import PREPROCESSING, Oracle
from tiny_model import save_tiny_model

from reg2rg import DRAFT_LABEL
from reg2rg.benchmark import BenchmarkResults, comparison_tables, run_benchmark
from reg2rg.benchmark.agreement import check_agreement
from reg2rg.benchmark.collect import TEST_SEEDS, collect_records, held_out_phantom
from reg2rg.benchmark.examine import GenerationSettings, examine_phantom
from reg2rg.benchmark.finding_groups import FOCAL_LABELS, LABELS_OF, REGION_OF
from reg2rg.benchmark.model_card import (
    MEASURED_FILE,
    RELIABILITY_FILE,
    CardMeasurements,
    read_stored_metrics,
    write_card,
)
from reg2rg.benchmark.real_cts import RealCT, claims_table, examine_real_cts, list_real_cts, real_ct_table
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, PlantedRecord, SectionRecord, from_json, to_json
from reg2rg.benchmark.timing import seconds_per_report
from reg2rg.checkpoints import CARD_FILE, ModelFolder
from reg2rg.errors import InputError
from reg2rg.evaluation import Table
from reg2rg.inference import DetectedRegion
from reg2rg.phantom import PhantomCase
from reg2rg.planting import HostEntry
from reg2rg.report import Finding

pytestmark = pytest.mark.slow

CASES = 14
SETTINGS = GenerationSettings(PREPROCESSING, tuple(REGION_OF), parallel=False, max_new_tokens=10)


@pytest.fixture(scope="module")
def phantoms() -> list[PhantomCase]:
    return [held_out_phantom(seed) for seed in range(9_700_000, 9_700_000 + CASES)]


def results_of(phantoms, kind=Oracle) -> BenchmarkResults:
    """Return the results of an oracle, or of a variant with a fault."""
    return BenchmarkResults(tuple(examine_phantom(kind(phantom), SETTINGS, phantom) for phantom in phantoms))


@pytest.fixture(scope="module")
def known(phantoms) -> BenchmarkResults:
    return results_of(phantoms)


def values(results: BenchmarkResults) -> dict[str, float]:
    return {name: interval.value for name, interval in results.intervals.items()}


def table(results: BenchmarkResults, key: str) -> Table:
    return next(table for table in results.tables() if table.key == key)


class Normal(Oracle):
    """Calls every region normal."""

    def generate(self, inputs, **settings):
        sections = super().generate(inputs, **settings)
        return [dataclasses.replace(section, text="There is no abnormality.") for section in sections]


class Stubborn(Oracle):
    """Ignores corrections."""

    def generate(self, inputs, *, corrections=(), **settings):
        return super().generate(inputs, **settings)


class Astray(Oracle):
    """Detects every finding, but on the wrong side, at twice its size and at the wrong location."""

    def detect(self, inputs):
        return {
            region: DetectedRegion(
                findings=tuple(self._misplace(finding) for finding in detected.findings),
                maps={label: 1 - finding_map for label, finding_map in detected.maps.items()},
            )
            for region, detected in super().detect(inputs).items()
        }

    @staticmethod
    def _misplace(finding: Finding) -> Finding:
        other_side = {"left": "right", "right": "left", "both": "left", None: None}[finding.side]
        size_mm = None if finding.size_mm is None else 2 * finding.size_mm
        return dataclasses.replace(finding, side=other_side, size_mm=size_mm)


class Blind(Oracle):
    """Has no finding head."""

    def detect(self, inputs):
        return {}

    def out_of_distribution(self, inputs):
        return None


def test_a_perfect_model_has_perfect_metrics(known):
    errors = {"calibration error", "calibration error, probability 0.05 or more", "flagged as out of distribution"}
    for name, value in values(known).items():
        assert value == (0.0 if name in errors else 1.0), name
    assert all(row[2] != "no" for key in ("findings", "other_metrics") for row in table(known, key).rows)
    assert len(known.metrics["text: micro F1"].statistic.sums) == CASES


def test_the_test_seeds_are_reserved_and_the_labels_cover_all_regions():
    assert len(TEST_SEEDS) >= 500 and TEST_SEEDS[0] >= 9_000_000
    assert sorted(REGION_OF) == sorted(label for labels in LABELS_OF.values() for label in labels)
    assert len(REGION_OF) >= 20 and FOCAL_LABELS < set(REGION_OF)


def test_a_model_that_writes_only_normal_texts_finds_nothing_and_looks_collapsed(phantoms, known):
    results = results_of(phantoms, Normal)
    assert values(results)["text: recall"] == values(results)["text: macro F1"] == 0
    assert values(results)["text: normal sections called normal"] == 1
    assert values(results)["head: recall"] == 1
    assert values(results)["text and head agree"] < 1
    assert values(results)["text and head agree, stated by either"] == 0
    assert values(results)["correction followed, added finding written"] == 0
    collapse = table(results, "collapse")
    named = dict(zip(collapse.column("metric"), collapse.column("text"), strict=True))
    assert named["abnormal called normal"] == named["normal by labels"] == 1
    assert named["distinct texts"] < 0.1 * collapse.column("references")[0]
    assert "Lung nodule" in named["never found"]


def test_ignoring_corrections_affects_only_the_correction_metrics(phantoms, known):
    corrections = [name for name in known.metrics if name.startswith("correction followed")]
    results = values(results_of(phantoms, Stubborn))
    assert len(corrections) == 2 and all(results[name] == 0 for name in corrections)
    assert all(results[name] == values(known)[name] for name in known.metrics if name not in corrections)


def test_wrong_sides_sizes_and_locations_lower_their_metrics(phantoms, known):
    results = results_of(phantoms, Astray)
    assert values(results)["head: side correct"] == values(results)["head: size within 30%"] == 0
    assert values(results)["head: micro F1"] == values(results)["text: side correct"] == 1
    assert values(results)["pointing accuracy, focal findings"] == 0
    pointing = table(results, "pointing")
    assert all(0 < chance < 1 for chance in pointing.column("chance"))
    assert set(pointing.column("hit")) == {0.0}


def test_a_model_without_a_finding_head_has_only_text_metrics(phantoms, known):
    results = results_of(phantoms, Blind)
    assert not any(name.startswith(("head", "pointing", "calibration", "flagged")) for name in results.metrics)
    assert values(results)["text: micro F1"] == 1
    both = comparison_tables({"head": known, "none": results})
    assert both[0].columns == ("metric", "head", "none")
    row = next(row for row in both[0].rows if row[0] == "pointing accuracy, focal findings")
    assert row[1].value == 1 and row[2] is None
    assert both[1].columns == ("metric", "references", "head", "none")


def lung(text: str, *seen: DetectionRecord) -> SectionRecord:
    return SectionRecord("lung", "A nodule of 5 mm is seen in the right upper lobe.", text, None, "lung", True, seen)


def nodule(size_mm: float) -> PlantedRecord:
    return PlantedRecord("Lung nodule", "lung", "right", "upper", size_mm, 0.01)


def test_small_findings_appear_in_the_table_by_size_but_not_in_the_headline():
    missed = CaseRecord("1", (nodule(5),), (lung("The lungs are clear."),), None, None)
    found = CaseRecord("2", (nodule(12),), (lung("A nodule of 11 mm is seen in the right upper lobe."),), None, None)
    alarm = CaseRecord("3", (), (lung("A nodule of 5 mm is seen in the left lower lobe."),), None, None)
    results = BenchmarkResults((missed, found, alarm))
    assert values(results)["text: recall"] == 1 and values(results)["text: precision"] == 0.5
    sizes = {row[0]: row[1:4] for row in table(results, "sizes").rows}
    assert sizes["under 6 mm"] == (1, 0, 1)
    assert sizes["11 to 16 mm"] == (1, 1, 0)
    assert values(results)["text: size within 30%"] == 1


def test_calibration_error_is_the_distance_between_probability_and_frequency():
    def case(name: str, planted: bool) -> CaseRecord:
        seen = DetectionRecord("Lung nodule", 0.8, None, None, None, None)
        return CaseRecord(name, (nodule(12),) if planted else (), (lung("", seen),), None, None)

    results = BenchmarkResults(tuple(case(str(index), index % 2 == 0) for index in range(10)))
    assert values(results)["calibration error"] == pytest.approx(0.3)
    assert [row[1:] for row in table(results, "calibration").rows if row[1]] == [(10, pytest.approx(0.8), 0.5)]
    assert results.reliability_plot().startswith(b"\x89PNG")


def test_records_survive_a_round_trip_through_json(known):
    assert [from_json(to_json(record)) for record in known.records] == list(known.records)


def test_numbers_agree_with_a_subset_of_the_cases_but_not_with_a_worse_model(phantoms, known):
    part = BenchmarkResults(known.records[:5])
    assert check_agreement(known.to_json_dict(), part.to_json_dict())[1]
    compared, agrees = check_agreement(known.to_json_dict(), results_of(phantoms, Normal).to_json_dict())
    verdicts = dict(zip(compared.column("metric"), compared.column("agrees"), strict=True))
    assert not agrees and verdicts["text: recall"] == "no" and verdicts["head: recall"] == "yes"
    assert not check_agreement(known.to_json_dict(), results_of(phantoms, Blind).to_json_dict())[1], "missing metrics"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_each_phantom_is_examined_only_once(model, tmp_path):
    fractions = []
    first = run_benchmark(
        model, TEST_SEEDS[:2], tmp_path, processes=1, progress=lambda fraction, message: fractions.append(fraction)
    )
    assert fractions == [0, 0.5, 1]
    sections = [section for record in first.records for section in record.sections]
    assert values(first)["regions recognized"] == pytest.approx(2 / len(sections)), "it calls every region lung"
    assert {section.text for section in sections} == {"The lungs are clear. No nodule is seen."}
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json")}
    assert len(files) == 2
    assert collect_records(model, TEST_SEEDS[:2], tmp_path, processes=1) == list(first.records)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json")} == files


def test_the_card_states_what_was_measured_and_the_limits_of_the_model(model, known, tmp_path):
    folder = save_tiny_model(tmp_path / "tiny")
    measured = CardMeasurements(known, "there are none.", seconds_per_report(folder, TEST_SEEDS[:2]))
    assert len(measured.seconds) == 1 and measured.seconds[0] > 0
    (folder / CARD_FILE).write_text(
        "# trained: not evaluated\n\n**Untried.**\n\n- Training: none\n  worth the name.\n- Intended use: ...\n"
    )
    write_card(folder, measured)
    ModelFolder.open(folder).verify()
    card = (folder / CARD_FILE).read_text()
    assert (
        DRAFT_LABEL in card and "was trained on are synthetic" in card and "- Training: none\n  worth the name." in card
    )
    assert "not evaluated" not in card and card.count("Intended use") == 1
    assert "| micro F1 | 0.850 | yes |" in card and "Not measured: there are none." in card
    assert (folder / RELIABILITY_FILE).exists()
    stored = read_stored_metrics(folder)
    assert stored["cases"] == CASES and stored["counts"]["Lung nodule"]["false_negatives"] == 0
    assert check_agreement(stored, known.to_json_dict())[1]
    write_card(folder, measured)
    head, again = card.partition("## Measured")[0], (folder / CARD_FILE).read_text()
    assert again.startswith(head) and again.count("## Measured") == 1


def test_stored_numbers_of_other_weights_are_rejected(known, tmp_path):
    folder = save_tiny_model(tmp_path / "tiny")
    with pytest.raises(InputError, match="no measured.json"):
        read_stored_metrics(folder)
    write_card(folder, CardMeasurements(known, "", [1.0]))
    text = (folder / MEASURED_FILE).read_text()
    (folder / MEASURED_FILE).write_text(text.replace('"weights_sha256": "', '"weights_sha256": "0'))
    with pytest.raises(InputError, match="different weights"):
        read_stored_metrics(folder)


def test_real_cts_are_compared_with_the_phantoms(model, known, tmp_path):
    sitk.WriteImage(held_out_phantom(9_700_000).volume, str(tmp_path / "chest.nii.gz"))
    (tmp_path / "chest_reference.nii.gz").write_bytes(b"")
    (tmp_path / "scans.yaml").write_text("- {file: another.nii.gz, patient: A}")
    entries = list_real_cts(tmp_path, tmp_path / "scans.yaml")
    real = examine_real_cts(model, tmp_path, entries)
    shown, sections = real_ct_table(real, known.records), real[0].record.sections
    assert shown.column("volume") == ["chest", f"{CASES} held-out phantoms"]
    recognized, top = shown.column("recognized"), shown.column("top probability")
    assert recognized[0] == pytest.approx(1 / len(sections)) and math.isnan(top[0])
    assert recognized[1] == 1 and shown.column("flagged")[1] == 0
    assert shown.caption.startswith(f"1 of {len(sections)} regions in real CTs are recognized. Held out:")
    as_real = [RealCT(entries[0], record) for record in known.records]
    assert "The confidence of the head does not drop (" in real_ct_table(as_real, known.records).caption
    assert list_real_cts(tmp_path / "empty", tmp_path / "scans.yaml") == []


def test_a_claim_is_false_unless_the_patient_may_have_the_finding(known):
    record = next(record for record in known.records if RealCT(HostEntry(Path("a"), "A"), record).claims)
    claims = {claim.label for claim in RealCT(HostEntry(Path("a"), "A"), record).claims}
    unknown = sorted(claims)[0]
    real = RealCT(HostEntry(Path("a"), "A", held_out=True, unknown=(unknown,)), record)
    assert {claim.label for claim in real.false_claims} == claims - {unknown}
    table = claims_table([real])
    assert dict(zip(table.column("finding"), table.column("false"), strict=True))[unknown] == 0
    assert real_ct_table([real], known.records).column("false")[0] == len(claims) - 1


def test_a_draft_states_the_supported_claims_of_a_volume_that_is_not_flagged(known):
    entry = HostEntry(Path("a"), "A")
    record = next(record for record in known.records if len({c.label for c in RealCT(entry, record).claims}) > 1)
    label = RealCT(entry, record).claims[0].label
    partly = RealCT(entry, dataclasses.replace(record, supported=(label,)))
    assert {each.label for each in partly.stated} == {each.label for each in partly.false_statements} == {label}
    assert len(partly.claims) > 1 and claims_table([partly]).column("in the draft").count(1) == 1
    flagged = RealCT(entry, dataclasses.replace(record, ood_distance=2.0, ood_limit=1.0))
    assert flagged.claims and flagged.stated == []
    assert from_json(to_json(partly.record)) == partly.record


@pytest.mark.parametrize(("low", "high", "agrees"), [(0.07, 0.15, True), (0.07, 0.11, False)])
def test_the_small_sample_bias_of_a_calibration_error_is_tolerated(low: float, high: float, agrees: bool):
    def numbers(cases: int, **metric: float) -> dict:
        return {"cases": cases, "metrics": {"calibration error": metric}}

    card = numbers(500, value=0.017, low=0.015, high=0.030, units=3190)
    assert check_agreement(card, numbers(12, value=0.09, low=low, high=high, units=77))[1] is agrees
