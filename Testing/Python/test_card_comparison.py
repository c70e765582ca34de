"""The model card compares a model with others, and says which unusual volumes its check flags."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.benchmark.far_volumes import FAR_VARIANTS, FarVolume, examine_far_volumes, far_volume_table
from reg2rg.benchmark.headline import headline, headline_table
from reg2rg.benchmark.planted_cts import Pair, PlantedResults
from reg2rg.benchmark.real_cts import RealCT
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, PlantedRecord, SectionRecord
from reg2rg.phantom import make_phantom
from reg2rg.planting import HostEntry


def record(
    probabilities: dict[str, float], planted: tuple[str, ...] = (), supported: tuple[str, ...] = ()
) -> CaseRecord:
    """Return a record of the lung, in which the region is recognized."""
    detections = tuple(DetectionRecord(label, p, None, None, None, 0.0) for label, p in probabilities.items())
    section = SectionRecord("lung", "", "", None, "lung", True, detections)
    findings = tuple(PlantedRecord(label, "lung", None, None, None, 0.1) for label in planted)
    return CaseRecord("1", findings, (section,), 1.0, 2.0, supported)


def test_the_numbers_count_claims_false_claims_and_what_the_draft_states() -> None:
    entry = HostEntry(Path("a.nii.gz"), "A", held_out=True, unknown=frozenset({"Emphysema"}))
    claims = {"Lung nodule": 0.9, "Emphysema": 0.8, "Consolidation": 0.7, "Atelectasis": 0.1}
    real = [RealCT(entry, record(claims, supported=("Emphysema", "Consolidation")))]
    pair = Pair(record({"Lung nodule": 0.6}, ("Lung nodule",)), record({"Lung nodule": 0.2}), frozenset())
    counts = {"true_positives": 1, "false_positives": 1, "false_negatives": 1}
    labels = ("Lung nodule", "Pulmonary fibrotic sequela", "Lytic bone lesion")
    phantoms = {"metrics": {"text: micro F1": {"value": 0.8}}, "counts": dict.fromkeys(labels, counts)}
    numbers = headline(phantoms, real, PlantedResults([pair]))
    assert numbers["phantoms, text: micro F1"] == 0.8
    assert numbers["phantoms, text: F1 of lung nodule"] == 0.5
    assert numbers["held-out real CTs, claims per CT"] == 3
    assert numbers["held-out real CTs, false claims per CT"] == 2
    assert numbers["held-out real CTs, false findings in the draft per CT"] == 1, (
        "only consolidation is false and stated"
    )
    assert numbers["real CTs with a claimed pneumothorax"] == 0
    assert numbers["planted, mean AUC"] == 1.0
    table = headline_table({"before": {"phantoms, text: micro F1": 0.7}, "after": numbers}, 5)
    assert table.columns == ("number", "before", "after")
    assert table.rows[0] == ("phantoms, text: micro F1", 0.7, 0.8)
    assert table.rows[-1][1:] == (None, numbers["planted, found at 1 false finding per CT"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [("FOLDER", "'FOLDER' is not of the form NAME=FOLDER"), ("before=nowhere", "'nowhere' is not a folder")],
)
def test_a_model_to_compare_with_needs_a_name_and_a_folder(argument: str, message: str) -> None:
    command = [sys.executable, "-m", "reg2rg.benchmark", "--compare", argument]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].endswith(message)


def test_every_change_keeps_the_geometry_but_for_the_slices_cut_off() -> None:
    volume = sitk.Image(8, 9, 10, sitk.sitkInt16)
    volume.SetSpacing((1.0, 2.0, 3.0))
    volume[1, 2, 3] = 500
    for name, change in FAR_VARIANTS.items():
        changed = change(volume)
        assert changed.GetSpacing() == volume.GetSpacing(), name
        assert changed.GetSize()[:2] == (8, 9) and changed.GetSize()[2] == (3 if "lowest" in name else 10), name
        if name != "unchanged" and "lowest" not in name:
            assert not np.array_equal(sitk.GetArrayFromImage(changed), sitk.GetArrayFromImage(volume)), name


def test_refused_and_flagged_volumes_are_counted_apart() -> None:
    table = far_volume_table(
        [FarVolume("unchanged", False), FarVolume("HU inverted", None), FarVolume("HU inverted", True)]
    )
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["unchanged"] == (1, 0, 0, 1)
    assert rows["HU inverted"] == (2, 1, 1, 0)


@pytest.mark.slow
def test_the_check_is_run_on_every_changed_volume(repository: Path, tmp_path: Path) -> None:
    sitk.WriteImage(make_phantom(13, findings=()).volume, str(tmp_path / "a.nrrd"))
    volumes = examine_far_volumes(repository / "Resources/Models/phantom", tmp_path, [HostEntry(Path("a.nrrd"), "A")])
    assert [volume.variant for volume in volumes] == list(FAR_VARIANTS)
    assert {volume.variant: volume.flagged for volume in volumes}["HU inverted"] is None, "nothing to describe"
