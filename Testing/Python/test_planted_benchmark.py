"""The benchmark counts which planted findings are found at a given rate of false findings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.benchmark import __main__ as command
from reg2rg.benchmark.planted_cts import Pair, PlantedResults, examine_planted_cts
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, PlantedRecord, SectionRecord
from reg2rg.errors import InputError
from reg2rg.phantom import make_phantom


def record(planted: dict[str, float | None], probabilities: dict[str, float]) -> CaseRecord:
    """Return a record of the lung."""
    detections = tuple(DetectionRecord(label, p, None, None, None, 0.0) for label, p in probabilities.items())
    section = SectionRecord("lung", "", "", None, None, False, detections)
    findings = tuple(PlantedRecord(label, "lung", None, None, size, 0.1) for label, size in planted.items())
    return CaseRecord("1", findings, (section,), None, None)


@pytest.fixture
def results() -> PlantedResults:
    """Return two pairs: a nodule is found above the false findings in one and below them in the other."""
    pairs = [
        Pair(
            record({"Lung nodule": 12.0}, {"Lung nodule": nodule, "Emphysema": 0.1}),
            record({}, {"Lung nodule": 0.2, "Emphysema": emphysema, "Consolidation": 0.99}),
            frozenset({"Consolidation"}),
        )
        for nodule, emphysema in ((0.9, 0.6), (0.4, 0.5))
    ]
    return PlantedResults(pairs)


def test_the_threshold_allows_the_given_rate_of_false_findings(results: PlantedResults) -> None:
    false = np.concatenate(list(results.false_probabilities.values()))
    for rate in (0.5, 1.0, 2.0):
        assert (false > results.threshold(rate)).sum() <= rate * len(results.pairs)
    assert results.threshold(0.5) == pytest.approx(0.5), "one false finding in two scans"


def test_a_finding_that_the_patient_may_have_is_not_false(results: PlantedResults) -> None:
    assert not results.false_probabilities["Consolidation"].size


def test_nothing_is_said_about_false_findings_that_every_patient_may_have() -> None:
    unknown = frozenset({"Consolidation"})
    pair = Pair(record({"Consolidation": 12.0}, {"Consolidation": 0.9}), record({}, {"Consolidation": 0.8}), unknown)
    table = PlantedResults([pair]).table()
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["finding"], row["planted"], row["false per CT"], row["AUC"]) == ("Consolidation", 1, None, None)


def test_sensitivity_is_the_share_above_the_threshold(results: PlantedResults) -> None:
    rows = {row[0]: row for row in results.table().rows}
    columns = results.table().columns
    nodule = dict(zip(columns, rows["Lung nodule"], strict=True))
    assert (nodule["planted"], nodule["found at 0.5 false"], nodule["found at 0.5"]) == (2, 0.5, 0.5)
    assert nodule["AUC"] == 1.0 and nodule["false per CT"] == 0.0
    assert dict(zip(columns, rows["all"], strict=True))["false per CT"] == 1.0
    assert rows["focal, 11 to 16 mm"][1] == 2 and "focal, under 6 mm" not in rows


@pytest.mark.slow
def test_a_model_is_examined_on_held_out_scans_only(repository: Path, tmp_path: Path) -> None:
    sitk.WriteImage(make_phantom(13, findings=()).volume, str(tmp_path / "b.nrrd"))
    (tmp_path / "scans.yaml").write_text(
        "- {file: missing.nrrd, patient: A}\n- {file: b.nrrd, patient: B, held_out: true}"
    )
    pairs = examine_planted_cts(repository / "Resources/Models/phantom", tmp_path, tmp_path / "scans.yaml", [7])
    assert pairs[0].planted.planted and not pairs[0].twin.planted
    assert {s.region for s in pairs[0].twin.sections} >= {"lung", "pleura"}
    (tmp_path / "scans.yaml").write_text("- {file: b.nrrd, patient: B}")
    with pytest.raises(InputError, match="holds out no CT"):
        examine_planted_cts(repository / "Resources/Models/phantom", tmp_path, tmp_path / "scans.yaml", [7])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ct", "nowhere"], "nowhere is not a folder; expected a folder with real CTs"),
        (["--ct", "one"], r"one lacks c\.nrrd, which .*scans\.yaml holds out; expected all CTs of held-out patients"),
        (["--ct", "two"], r"two/labels\.nrrd does not exist; scans\.yaml lists it as lesions of b\.nrrd"),
        (["--ct", "none", "--compare", "before=one"], "--compare was given without CTs of held-out patients"),
        (["--compare", "before=one"], "--compare was given without CTs of held-out patients"),
    ],
)
def test_a_folder_without_the_wanted_scans_is_refused_before_anything_is_measured(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("none/a.txt", "one/b.nrrd", "two/b.nrrd", "two/c.nrrd"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "scans.yaml").write_text(
        "- {file: b.nrrd, patient: B, held_out: true, lesions: labels.nrrd}\n"
        "- {file: c.nrrd, patient: C, held_out: true}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmark", "phantom", "--hosts", "scans.yaml", *arguments])
    monkeypatch.setattr(command, "_examine_phantoms", lambda *_: pytest.fail("phantoms are measured"))
    with pytest.raises(InputError, match=message):
        command.main()
