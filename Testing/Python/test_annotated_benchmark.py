"""The benchmark tells which outlined lesions the finding head marks, and at which rate of false findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.benchmark.annotated_cts import MarkedLesion, examine_annotated_cts, lesion_table, read_lesions
from reg2rg.benchmark.planted_cts import Pair, PlantedResults
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, SectionRecord
from reg2rg.errors import InputError
from reg2rg.phantom import make_phantom
from reg2rg.phantom.findings import PlantedFinding
from reg2rg.planting import HostEntry


def detection(label: str, probability: float, distance_mm: float | None = None) -> DetectionRecord:
    return DetectionRecord(label, probability, None, None, None, distance_mm)


@pytest.fixture
def ct() -> sitk.Image:
    """Return an empty CT with voxels of 2 mm whose origin is not at 0."""
    image = sitk.Image(20, 20, 10, sitk.sitkInt16)
    image.SetSpacing((2, 2, 2))
    image.SetOrigin((-10, 100, 50))
    return image


def test_lesions_are_what_three_of_four_readers_outlined(tmp_path: Path, ct: sitk.Image) -> None:
    readers = np.zeros((10, 20, 20), np.uint8)
    readers[2:4, 2:5, 2:5], readers[6:8, 10:12, 10:12], readers[0, 0, 0] = 4, 3, 2
    image = sitk.GetImageFromArray(readers)
    image.CopyInformation(ct)
    sitk.WriteImage(image, str(tmp_path / "readers.nrrd"))
    entry = HostEntry(Path("a.nrrd"), "A", lesions=Path("readers.nrrd"))
    assert [lesion.sum() for lesion in read_lesions(entry, tmp_path, ct)] == [18, 8]
    with pytest.raises(InputError, match="expected those of its CT"):
        read_lesions(entry, tmp_path, ct[:, :, :5])


def test_boxes_of_one_file_are_one_lesion(tmp_path: Path, ct: sitk.Image) -> None:
    rows = [
        "file\tx0_LPS\ty0_LPS\tx1_LPS\ty1_LPS\tz_LPS",
        "a\t-6\t104\t0\t110\t54",
        "a\t-6\t104\t0\t110\t56",
        "b\t0\t0\t0\t0\t0",
    ]
    (tmp_path / "boxes.tsv").write_text("\n".join(rows))
    (lesion,) = read_lesions(HostEntry(Path("a.nrrd"), "A", lesions=Path("boxes.tsv")), tmp_path, ct)
    assert [(values.min(), values.max()) for values in np.nonzero(lesion)] == [(2, 3), (2, 5), (2, 5)]


def test_the_most_probable_mark_inside_a_lesion_counts() -> None:
    entry = HostEntry(Path("a.nrrd"), "A")
    beside = detection("Lung nodule", 0.9, 7.0)
    inside = detection("Lung opacity", 0.6, 0.0)
    false = [SectionRecord("lung", "", "", None, None, False, (detection("Emphysema", p),)) for p in (0.7, 0.5)]
    pairs = [
        Pair(CaseRecord("1", (), (), None, None), CaseRecord("1", (), (s,), None, None), frozenset()) for s in false
    ]
    lesions = [
        MarkedLesion(entry, 12.0, (beside, inside)),
        MarkedLesion(entry, 9.0, (beside, detection("Consolidation", 0.1))),
    ]
    marked, missed = lesion_table(lesions, PlantedResults(pairs)).rows
    assert marked[2:] == (12.0, "Lung opacity", 0.6, 0.0, 0.5), "one of two CTs has a false finding above 0.6"
    assert missed[2:] == (9.0, None, None, 7.0, None)


@pytest.mark.slow
def test_the_nodule_of_a_phantom_is_marked(repository: Path, tmp_path: Path) -> None:
    phantom = make_phantom(21, findings=[PlantedFinding("Lung nodule", "lung", "left", "lower", 24)])
    sitk.WriteImage(phantom.volume, str(tmp_path / "a.nrrd"))
    sitk.WriteImage(sitk.Cast(phantom.finding_bits > 0, sitk.sitkUInt8) * 4, str(tmp_path / "readers.nrrd"))
    entries = [HostEntry(Path("a.nrrd"), "A", lesions=Path("readers.nrrd")), HostEntry(Path("b.nrrd"), "B")]
    (lesion,) = examine_annotated_cts(repository / "Resources/Models/phantom", tmp_path, entries)
    assert lesion.diameter_mm > 4
    assert {each.label for each in lesion.detections} == {"Lung nodule", "Lung opacity", "Consolidation"}
    assert lesion.marking is not None and lesion.marking.label == "Lung nodule"
