"""Reviewed reports as training data: what the trainer and the evaluation read back."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import file_size_limit
from phantom_report import write_phantom_report
from reports_under_review import reviewed_report, signed_report

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.references import read_references
from reg2rg.exports.formats import export_report
from reg2rg.exports.radgenome import TABLE
from reg2rg.report import Report, addendum
from reg2rg.report.sign_off import sign
from reg2rg.training.config import RadGenomeData
from reg2rg.training.radgenome import RadGenomeSource
from reg2rg.volumes import read_volume

EDITED = "A 9 mm nodule is seen in the left lower lobe, no effusion."


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Report, Path]:
    return write_phantom_report(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def signed(files) -> Report:
    return signed_report(files[0], lung=f"{EDITED}\n=1+1", heart=None)


@pytest.fixture(scope="module")
def folder(files, signed, tmp_path_factory) -> Path:
    return export_report(signed, "radgenome", tmp_path_factory.mktemp("data") / "cases", files[1])


def test_the_trainer_reads_text_volume_and_masks(folder, files, signed, smoke_config):
    source = RadGenomeSource.from_config(RadGenomeData("radgenome", folder))
    (name,) = source.training
    assert source.notes == () and source.texts[name]["lung"] == f"{EDITED} =1+1"
    assert set(source.texts[name]) == {section.region for section in signed.sections} - {"heart"}
    case = source.make(name, smoke_config)
    assert len(case.regions) == len(source.texts[name])


def test_volume_and_masks_match_voxel_by_voxel(folder, files):
    volume = read_volume(next((folder / "train_preprocessed").rglob("*.nii.gz")))
    original = sitk.DICOMOrient(read_volume(files[1]), "RAS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(original))
    mask = sitk.ReadImage(str(next((folder / "train_region_mask").rglob("lung.nii.gz"))))
    expected = sitk.DICOMOrient(files[0].masks.image("lung"), "RAS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(expected))
    assert not list((folder / "train_region_mask").rglob("heart.nii.gz"))


def test_the_evaluation_reads_the_same_texts_as_references(folder):
    references, dropped, notes = read_references(folder / TABLE)
    ((name, sections),) = references.items()
    assert name.startswith("train_") and sections["lung"] == f"{EDITED} =1+1" and not dropped and not notes


def test_a_case_is_replaced_and_others_are_kept(folder, files, signed):
    with (folder / TABLE).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    with (folder / TABLE).open("a", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerow(("train_other_a_1.nii.gz", "lung", "Clear."))
    amended = sign(reviewed_report(addendum(signed), lung="Two nodules."), "Dr. B")
    export_report(amended, "radgenome", folder, files[1])
    references, _, _ = read_references(folder / TABLE)
    assert len(references) == 2 and references["train_other_a_1"] == {"lung": "Clear."}
    (name,) = set(references) - {"train_other_a_1"}
    assert rows[1][0] == f"{name}.nii.gz" and references[name]["lung"] == "Two nodules."


def test_a_file_that_does_not_fit_on_the_disk_changes_nothing(folder, files, signed, tmp_path):
    def content(place: Path) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    cases = tmp_path / "cases"
    shutil.copytree(folder, cases)
    before = content(cases)
    for place in (cases, tmp_path / "new"):
        with file_size_limit(20_000), pytest.raises(OSError, match="No space left"):
            export_report(signed, "radgenome", place, files[1])
    assert content(cases) == before and not (tmp_path / "new").exists()


def test_two_cts_of_one_geometry_are_two_cases_though_reported_in_the_same_second(files, tmp_path):
    report, ct = files
    for digest in ("1" * 64, "2" * 64):
        provenance = dataclasses.replace(report.provenance, volume_sha256=digest)
        export_report(signed_report(dataclasses.replace(report, provenance=provenance)), "radgenome", tmp_path, ct)
    assert len(read_references(tmp_path / TABLE)[0]) == 2


def test_a_draft_does_not_become_training_data(files, tmp_path):
    with pytest.raises(InputError, match="only signed reports become training data"):
        export_report(reviewed_report(files[0]), "radgenome", tmp_path / "cases", files[1])
    assert list(tmp_path.iterdir()) == []


def test_training_data_need_the_ct(signed, tmp_path):
    with pytest.raises(InputError, match="expected --ct CT"):
        export_report(signed, "radgenome", tmp_path / "cases")
    assert list(tmp_path.iterdir()) == []


def test_a_table_with_other_columns_is_not_overwritten(signed, files, tmp_path):
    table = tmp_path / TABLE
    table.parent.mkdir()
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected Volumename, Anatomy, Sentence"):
        export_report(signed, "radgenome", tmp_path, files[1])
    assert table.read_text(encoding="utf-8") == "a,b\n1,2\n"
