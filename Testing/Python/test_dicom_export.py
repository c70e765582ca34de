"""DICOM exports, read by other software: dciodvfy, DCMTK, dcmqi, pydicom and highdicom."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import write_enhanced
from dicom_reports import Chest, complete_header, small_chest, write_ct, write_report
from pydicom.dataset import Dataset
from reports_under_review import REVIEWER, reviewed_report, signed_report

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.dicom.codes import SCHEME, finding_code, measure_code
from reg2rg.exports.dicom.series import Origin
from reg2rg.exports.dicom.source import open_source
from reg2rg.exports.dicom.study import write_dicom
from reg2rg.exports.formats import export_report
from reg2rg.labeler import ALL_LABELS
from reg2rg.measurements import Measurement
from reg2rg.measurements.measures import MEASURES
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import Report, addendum, load_report, report_content
from reg2rg.segmentation.label_map import LabelMapSegmenter, read_structures
from reg2rg.segmentation.structures import structure_label

OBLIQUE = (0.8, 0.0, 0.6, 0.36, 0.8, -0.48, -0.48, 0.6, 0.64)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)

PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture(scope="module")
def chest() -> Chest:
    return small_chest()


@pytest.fixture(scope="module")
def ct(chest, tmp_path_factory) -> Path:
    return write_ct(tmp_path_factory.mktemp("ct"), chest.volume)


@pytest.fixture(scope="module")
def report(chest, ct, tmp_path_factory) -> Report:
    return write_report(tmp_path_factory.mktemp("report") / "report", ct, chest)


@pytest.fixture(scope="module")
def draft(report, ct, tmp_path_factory) -> Path:
    return exported(report, ct, tmp_path_factory.mktemp("draft"))


@pytest.fixture(scope="module")
def signed(report, ct, tmp_path_factory) -> Path:
    return exported(signed_report(report), ct, tmp_path_factory.mktemp("signed"))


@pytest.fixture(scope="module")
def synthetic(chest, tmp_path_factory) -> Path:
    """Return an export of a report on a volume without DICOM headers."""
    folder = tmp_path_factory.mktemp("synthetic")
    sitk.WriteImage(chest.volume, str(folder / "ct.nii.gz"))
    return exported(write_report(folder / "report", folder / "ct.nii.gz", chest), folder / "ct.nii.gz", folder / "out")


@pytest.fixture(scope="module")
def coronal(chest, tmp_path_factory) -> tuple[Report, Path, Path]:
    """Return a report on a CT with coronal slices, the CT, and the export."""
    folder = tmp_path_factory.mktemp("coronal")
    ct = write_ct(folder / "ct", turned(chest.volume, CORONAL))
    report = write_report(folder / "report", ct, chest)
    return report, ct, exported(report, ct, folder / "out")


def exported(report: Report, ct: Path, folder: Path, **options) -> Path:
    folder.mkdir(exist_ok=True)
    write_dicom(report, folder, ct, **{"make_pdf": lambda volume: PDF, **options})
    return folder


def turned(volume: sitk.Image, direction: tuple[float, ...]) -> sitk.Image:
    image = sitk.Image(volume)
    image.SetDirection(direction)
    return image


def tool(*command: object) -> str:
    """Run an external program and return what it prints; skip the test if it cannot be installed."""
    name = str(command[0])
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip(f"{name} is not installed; on Debian, make test installs it")
    finished = subprocess.run([path, *map(str, command[1:])], capture_output=True, text=True, errors="replace")
    return finished.stdout + finished.stderr


def errors_of(file: Path) -> list[str]:
    return [line for line in tool("dciodvfy", file).splitlines() if line.startswith("Error")]


def frames_of(file: Path) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield segment number, position and pixels of each frame of a binary segmentation."""
    dataset = pydicom.dcmread(file)
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for frame, groups in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        yield number, np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float), frame


def segment_on(grid: sitk.Image, file: Path, number: int) -> np.ndarray:
    """Return a segment on the grid of a volume whose slices are those of the segmentation."""
    mask = np.zeros(grid.GetSize()[::-1], bool)
    for segment, position, frame in frames_of(file):
        if segment == number:
            x, y, z = grid.TransformPhysicalPointToContinuousIndex(position.tolist())
            assert abs(x) < 0.01 and abs(y) < 0.01 and abs(z - round(z)) < 0.01
            mask[round(z)] = frame
    return mask


def reverse_numbers(dataset: Dataset, index: int) -> None:
    dataset.InstanceNumber = 500 - index


GRIDS = {
    "axial": lambda volume: volume,
    "oblique": lambda volume: turned(volume, OBLIQUE),
    "coronal": lambda volume: turned(volume, CORONAL),
    "from head to feet": lambda volume: volume[:, :, ::-1],
}


@pytest.mark.parametrize("grid", GRIDS)
def test_segmentations_equal_the_masks_voxel_by_voxel(chest, tmp_path: Path, grid):
    ct = write_ct(tmp_path / "ct", GRIDS[grid](chest.volume), reverse_numbers)
    report = write_report(tmp_path / "report", ct, chest, GRIDS[grid](chest.volume) if "head" not in grid else None)
    out = exported(report, ct, tmp_path / "out")
    volume = report.provenance.geometry.to_image()
    for number, region in enumerate(in_reading_order(report.masks.present), 1):
        found = segment_on(volume, out / "draft-regions.dcm", number)
        np.testing.assert_array_equal(found, report.masks.array(region.name), err_msg=region.name)
    for number, label in enumerate(("Lung nodule", "Atelectasis"), 1):
        found = segment_on(volume, out / "draft-findings.dcm", number)
        np.testing.assert_array_equal(found, report.finding_mask("lung", label), err_msg=label)
    structures = read_structures(report.folder / "structures.seg.nrrd", volume)
    for number, name in enumerate(structures.present, 1):
        expected = sitk.GetArrayViewFromImage(structures.labels) == structure_label(name)
        np.testing.assert_array_equal(segment_on(volume, out / "draft-structures.dcm", number), expected, err_msg=name)


@pytest.mark.parametrize("direction", [None, OBLIQUE], ids=["axial", "oblique"])
def test_dcmqi_reads_the_segmentations(chest, tmp_path: Path, direction):
    ct = write_ct(tmp_path / "ct", chest.volume if direction is None else turned(chest.volume, direction))
    report = write_report(tmp_path / "report", ct, chest)
    out = exported(report, ct, tmp_path / "out")
    folder = tmp_path / "read"
    folder.mkdir()
    output = tool("segimage2itkimage", "--inputDICOM", out / "draft-regions.dcm", "--outputDirectory", folder)
    assert (folder / "meta.json").exists(), output
    described = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    regions = in_reading_order(report.masks.present)
    assert [item[0]["SegmentLabel"] for item in described] == [region.display_name for region in regions]
    volume = report.provenance.geometry.to_image()
    for number, region in enumerate(regions, 1):
        mask = sitk.ReadImage(str(folder / f"{number}.nrrd"))
        placed = sitk.Resample(mask, volume, sitk.Transform(), sitk.sitkNearestNeighbor)
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(placed) > 0, report.masks.array(region.name))


def test_overlapping_findings_are_stored_whole(report, draft):
    dataset = pydicom.dcmread(draft / "draft-findings.dcm")
    assert dataset.SegmentsOverlap == "YES"
    volume = report.provenance.geometry.to_image()
    nodule, atelectasis = (segment_on(volume, draft / "draft-findings.dcm", number) for number in (1, 2))
    assert nodule.any() and (nodule & atelectasis).sum() == nodule.sum() < atelectasis.sum()


def test_masks_of_a_tilted_scan_are_put_back_onto_its_slices(chest, tmp_path: Path):
    step = np.tan(np.radians(15)) * chest.volume.GetSpacing()[2]

    def tilt(dataset: Dataset, index: int) -> None:
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, round(y + index * step, 4), z]

    ct = write_ct(tmp_path / "ct", chest.volume, tilt)
    report = write_report(tmp_path / "report", ct, chest, chest.volume)
    assert report.provenance.geometry.size != chest.volume.GetSize()
    out = exported(report, ct, tmp_path / "out")
    lungs = sitk.GetImageFromArray(report.masks.array("lung").astype(np.uint8))
    lungs.CopyInformation(report.provenance.geometry.to_image())
    found = {tuple(position): frame for number, position, frame in frames_of(out / "draft-regions.dcm") if number == 1}
    assert len(found) > 10
    for position, frame in found.items():
        plane = sitk.Image([*chest.volume.GetSize()[:2], 1], sitk.sitkUInt8)
        plane.SetSpacing(chest.volume.GetSpacing())
        plane.SetOrigin(position)
        expected = sitk.GetArrayFromImage(sitk.Resample(lungs, plane, sitk.Transform(), sitk.sitkNearestNeighbor))[0]
        assert (expected != frame).mean() < 0.002  # ties between two voxels may be decided either way
    sources = {str(pydicom.dcmread(file).SOPInstanceUID) for file in ct.iterdir()}
    series = pydicom.dcmread(out / "draft-regions.dcm").ReferencedSeriesSequence[0]
    assert {str(item.ReferencedSOPInstanceUID) for item in series.ReferencedInstanceSequence} == sources


def test_frames_of_a_multiframe_ct_are_referred_to_by_number(chest, tmp_path: Path):
    file = tmp_path / "ct.dcm"
    write_enhanced(file, chest.volume)
    dataset = pydicom.dcmread(file)
    complete_header(dataset, 0)
    dataset.save_as(file)
    report = write_report(tmp_path / "report", file, chest)
    out = exported(report, file, tmp_path / "out")
    volume = report.provenance.geometry.to_image()
    np.testing.assert_array_equal(segment_on(volume, out / "draft-regions.dcm", 1), report.masks.array("lung"))
    references = [item for item in sr_items(out / "draft-report.dcm") if "ReferencedSOPSequence" in item]
    slices = [
        item.ReferencedSOPSequence[0] for item in references if item.ConceptNameCodeSequence[0].CodeValue == "121080"
    ]
    assert slices and all(1 <= each.ReferencedFrameNumber <= volume.GetSize()[2] for each in slices)


@pytest.mark.parametrize("kind", ["draft", "signed", "synthetic"])
def test_dciodvfy_finds_no_errors(request, kind):
    folder = request.getfixturevalue(kind)
    files = [file for file in sorted(folder.glob("*.dcm")) if not file.name.startswith("ct-") or "0001" in file.name]
    assert len(files) == 6 + (kind == "synthetic")
    assert {file.name: errors_of(file) for file in files} == {file.name: [] for file in files}


def sr_items(file: Path) -> Iterator[Dataset]:
    """Yield all content items of a structured report."""
    waiting = list(pydicom.dcmread(file).ContentSequence)
    while waiting:
        item = waiting.pop(0)
        yield item
        waiting[:0] = item.get("ContentSequence", [])


def test_dcmtk_shows_the_text_of_the_report(draft, report):
    text = tool("dsrdump", "+Pl", draft / "draft-report.dcm")
    page = tool("dsr2html", draft / "draft-report.dcm")
    for words in (DRAFT_LABEL, "There is a nodule of 12 mm in the right lung.", "Cardiomegaly."):
        assert words in text and words in page
    assert "PRELIMINARY" in text and "PARTIAL" in text and "UNVERIFIED" in text
    measurements = tool("dsrdump", "+Pl", draft / "draft-measurements.dcm")
    assert f'"{report.section("lung").volume_ml}"' in measurements


def test_a_draft_and_a_signed_report_have_different_states(draft, signed):
    for name in ("report", "measurements"):
        document = pydicom.dcmread(draft / f"draft-{name}.dcm")
        flags = document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag
        assert flags == ("PARTIAL", "UNVERIFIED", "PRELIMINARY") and "VerifyingObserverSequence" not in document
        document = pydicom.dcmread(signed / f"{name}.dcm")
        flags = document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag
        assert flags == ("COMPLETE", "VERIFIED", "FINAL")
        assert str(document.VerifyingObserverSequence[0].VerifyingObserverName) == f"{REVIEWER}^"
    for file in draft.iterdir():
        assert "draft" in file.name and "AI-generated draft" in pydicom.dcmread(file).SeriesDescription
    for file in signed.iterdir():
        assert "draft" not in file.name and "draft" not in pydicom.dcmread(file).SeriesDescription
    assert not any(DRAFT_LABEL in item.get("TextValue", "") for item in sr_items(signed / "report.dcm"))


def test_a_draft_that_was_reviewed_but_not_signed_says_so(report, ct, tmp_path: Path):
    out = exported(reviewed_report(report), ct, tmp_path / "out")
    for file in out.iterdir():
        assert pydicom.dcmread(file).SeriesDescription.endswith("AI-generated draft, reviewed but not signed")
    assert pydicom.dcmread(out / "draft-report.dcm").VerificationFlag == "UNVERIFIED"


def test_each_sentence_refers_to_its_segment_and_slice(draft, report, ct):
    (nodule, *_) = [
        item for item in sr_items(draft / "draft-report.dcm") if "nodule of 12 mm" in item.get("TextValue", "")
    ]
    segment, picture, measured_on = (item.ReferencedSOPSequence[0] for item in nodule.ContentSequence)
    findings = hd.seg.segread(draft / "draft-findings.dcm")
    assert segment.ReferencedSOPInstanceUID == findings.SOPInstanceUID
    assert findings.get_segment_description(segment.ReferencedSegmentNumber).segment_label == "Lung nodule (lungs)"
    slices = {str(dataset.SOPInstanceUID): dataset for dataset in map(pydicom.dcmread, ct.iterdir())}
    assert measured_on.ReferencedSOPInstanceUID in slices
    (finding, *_) = [each for each in report.section("lung").findings if each.label == "Lung nodule"]
    at = float(slices[picture.ReferencedSOPInstanceUID].ImagePositionPatient[2])
    assert abs(at - finding.location.point_ras[2]) <= report.provenance.geometry.spacing[2] / 2


def test_every_reference_resolves(draft, ct):
    objects = {
        str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in (*draft.iterdir(), *ct.iterdir())
    }
    referred = [
        str(reference.ReferencedSOPInstanceUID)
        for name in ("report", "measurements")
        for item in sr_items(draft / f"draft-{name}.dcm")
        for reference in item.get("ReferencedSOPSequence", [])
    ]
    assert len(referred) > 20 and set(referred) <= objects


def test_dcmqi_and_highdicom_read_the_measurements(draft, report, tmp_path: Path):
    file = tmp_path / "measurements.json"
    tool("tid1500reader", "--inputDICOM", draft / "draft-measurements.dcm", "--outputMetadata", file)
    groups = {group["TrackingIdentifier"]: group for group in json.loads(file.read_text())["Measurements"]}
    lungs = groups["Lungs"]
    values = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in reversed(lungs["measurementItems"])}
    assert values["Volume"] == report.section("lung").volume_ml and lungs["ReferencedSegment"] == 1
    assert values["Mean Attenuation Coefficient"] == report.section("lung").mean_hu
    assert lungs["FindingSite"]["CodeValue"] == "39607008"
    read = hd.sr.srread(draft / "draft-measurements.dcm")
    uids = {group.tracking_uid for group in read.content.get_volumetric_roi_measurement_groups()}
    segments = hd.seg.segread(draft / "draft-regions.dcm").SegmentSequence
    assert {str(segment.TrackingUID) for segment in segments} & uids


def test_every_measured_value_of_the_report_is_in_the_measurements(draft, report):
    numbers = [item for item in sr_items(draft / "draft-measurements.dcm") if item.ValueType == "NUM"]
    stored = sorted(float(item.MeasuredValueSequence[0].NumericValue) for item in numbers)
    for measurement in measured(report):
        assert any(abs(value - measurement.value) <= 1e-6 * abs(value) for value in stored), measurement.key


def measured(report: Report) -> list[Measurement]:
    return [measurement for section in report_content(report).sections for measurement in section.measurements]


def items_of(item: Dataset, *value_types: str) -> list[Dataset]:
    """Return the content items below another one that have one of some value types."""
    return [child for child in item.get("ContentSequence", []) if child.ValueType in value_types]


def groups_of(file: Path) -> list[Dataset]:
    return [item for item in sr_items(file) if item.ConceptNameCodeSequence[0].CodeValue == "125007"]


def points_of(item: Dataset, images: dict[str, Dataset]) -> np.ndarray:
    """Return the points (n, 3) of an item with coordinates, LPS in mm."""
    if item.ValueType == "SCOORD3D":
        return np.reshape(item.GraphicData, (-1, 3))
    (source,) = items_of(item, "IMAGE")
    image = images[source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
    along_row, along_column = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
    down, across = map(float, image.PixelSpacing)
    columns, rows = np.reshape(item.GraphicData, (-1, 2)).T - 0.5  # the corner of the image is (0, 0)
    return (
        np.array(image.ImagePositionPatient, float)
        + np.outer(columns * across, along_row)
        + np.outer(rows * down, along_column)
    )


def images_in(folder: Path) -> dict[str, Dataset]:
    return {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, folder.iterdir())}


def kinds_of_coordinates(report: Report, ct: Path, out: Path) -> dict[str, set[str]]:
    """Return measure -> value types of its coordinates, and check that they are those of its lines."""
    images, numbers, found = images_in(ct), {}, {}
    for group in groups_of(out / "draft-measurements.dcm"):
        numbers |= {items_of(number, "UIDREF")[0].UID: number for number in items_of(group, "NUM")}
    uid = Origin.of(report, open_source(report, ct)).uid
    for measurement in (each for each in measured(report) if each.lines):
        coordinates = items_of(numbers[uid("measurement", measurement.key)], "SCOORD", "SCOORD3D")
        for item, line in zip(coordinates, measurement.lines, strict=True):
            expected = np.multiply((line.start_ras, line.end_ras), (-1, -1, 1))
            np.testing.assert_allclose(points_of(item, images), expected, atol=0.05, err_msg=measurement.key)
        found[measurement.measure] = {item.ValueType for item in coordinates}
    return found


def test_a_line_in_a_slice_has_coordinates_on_it_and_others_in_space(report, ct, draft, coronal):
    kinds = kinds_of_coordinates(report, ct, draft)
    assert {"finding_diameter", "cardiothoracic_ratio"} <= set(kinds)
    assert all(kind == {"SCOORD"} for kind in kinds.values())
    assert kinds_of_coordinates(*coronal)["finding_diameter"] == {"SCOORD3D"}


def test_each_group_of_measurements_has_a_place_on_a_slice_and_a_tracking_uid_of_its_own(report, ct, draft, coronal):
    """OHIF merges groups that share a UID; then it draws their own coordinates, or else the first ones of each number.

    It shows nothing if a group has none, and draws only those that refer to an image.
    """
    for folder, out in ((ct, draft), coronal[1:]):
        groups = groups_of(out / "draft-measurements.dcm")
        for group in groups:
            numbers = [items_of(number, "SCOORD", "SCOORD3D") for number in items_of(group, "NUM")]
            first = [*items_of(group, "SCOORD"), *(items[0] for items in numbers if items)][0]
            assert first.ValueType == "SCOORD"
            assert len(points_of(first, images_in(folder))) == (1 if first.GraphicType == "POINT" else 2)
        uids = {items_of(group, "UIDREF")[0].UID for group in groups}
        assert len(uids) == len(groups) > 5


def test_the_center_of_a_region_lies_in_it(draft, report, ct):
    images, volume = images_in(ct), report.provenance.geometry.to_image()
    groups = {items_of(group, "TEXT")[0].TextValue: group for group in groups_of(draft / "draft-measurements.dcm")}
    for region in (get_region(section.region) for section in report_content(report).sections):
        (center,) = items_of(groups[region.display_name], "SCOORD")
        assert center.ConceptNameCodeSequence[0].CodeMeaning == "Center"
        (point,) = points_of(center, images)
        index = volume.TransformPhysicalPointToIndex(point.tolist())
        assert report.masks.array(region.name)[index[::-1]], region.name


def test_a_finding_has_its_segment_and_both_axes_with_a_line_each(draft):
    (nodule,) = [
        group
        for group in groups_of(draft / "draft-measurements.dcm")
        if items_of(group, "TEXT")[0].TextValue == "Mean diameter, lung nodule"
    ]
    mean, long, short = items_of(nodule, "NUM")
    assert [item.ConceptNameCodeSequence[0].CodeMeaning for item in (long, short)] == ["Long axis", "Short axis"]
    lengths = [float(item.MeasuredValueSequence[0].NumericValue) for item in (mean, long, short)]
    assert lengths[1] >= lengths[2] and lengths[0] == pytest.approx(np.mean(lengths[1:]), abs=0.02)
    lines = [[list(each.GraphicData) for each in items_of(item, "SCOORD")] for item in (mean, long, short)]
    assert sorted(lines[0]) == sorted([*lines[1], *lines[2]])
    (segment,) = [item.ReferencedSOPSequence[0] for item in items_of(mean, "IMAGE")]
    findings = hd.seg.segread(draft / "draft-findings.dcm")
    assert segment.ReferencedSOPInstanceUID == findings.SOPInstanceUID
    assert findings.get_segment_description(segment.ReferencedSegmentNumber).segment_label == "Lung nodule (lungs)"


def test_objects_belong_to_the_patient_and_study_of_the_ct(draft, ct):
    source = pydicom.dcmread(next(ct.iterdir()))
    series = set()
    for file in draft.iterdir():
        dataset = pydicom.dcmread(file)
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "StudyInstanceUID",
            "StudyDate",
            "AccessionNumber",
        ):
            assert dataset[keyword].value == source[keyword].value, keyword
        series.add(str(dataset.SeriesInstanceUID))
    assert len(series) == 6 and str(source.SeriesInstanceUID) not in series
    assert pydicom.dcmread(draft / "draft-regions.dcm").FrameOfReferenceUID == source.FrameOfReferenceUID


def test_a_volume_without_headers_becomes_a_synthetic_study_with_the_same_voxels(synthetic, chest):
    slices = sorted(map(pydicom.dcmread, synthetic.glob("ct-*.dcm")), key=lambda each: each.ImagePositionPatient[2])
    voxels = np.stack([each.pixel_array for each in slices])
    np.testing.assert_array_equal(voxels, sitk.GetArrayViewFromImage(chest.volume).clip(-1024))
    for file in synthetic.glob("*.dcm"):
        dataset = pydicom.dcmread(file)
        assert "SYNTHETIC" in dataset.StudyDescription and str(dataset.PatientName) == "SYNTHETIC^STUDY"
        assert dataset.PatientIdentityRemoved == "YES" and not dataset.PatientBirthDate
        assert dataset.StudyInstanceUID == slices[0].StudyInstanceUID
    itk = sitk.ReadImage([each.filename for each in slices])
    np.testing.assert_allclose(itk.GetOrigin(), chest.volume.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(itk.GetSpacing(), chest.volume.GetSpacing(), atol=1e-3)


STUDY = {
    "PatientName": "Иванов^Пётр",
    "PatientID": "P7",
    "PatientBirthDate": "19500101",
    "PatientSex": "M",
    "StudyInstanceUID": "1.2.3.4",
    "StudyID": "7",
    "StudyDescription": "CT chest",
}


def test_a_volume_without_headers_joins_the_study_that_is_known_of_it(synthetic, tmp_path: Path):
    report, ct = load_report(synthetic.parent / "report"), synthetic.parent / "ct.nii.gz"
    out = exported(report, ct, tmp_path / "out", study={**STUDY, "StudyDate": "yesterday"})
    for file in out.iterdir():
        dataset = pydicom.dcmread(file)
        assert {keyword: str(dataset[keyword].value) for keyword in STUDY if keyword in dataset} == STUDY
        assert dataset.StudyDate == "" and "PatientIdentityRemoved" not in dataset and "SYNTHETIC" not in str(dataset)
    assert errors_of(out / "ct-0001.dcm") == []
    instances = {str(pydicom.dcmread(file).SOPInstanceUID) for file in (*out.iterdir(), *synthetic.iterdir())}
    assert len(instances) == 2 * len(list(out.iterdir())), "a copy without patient data consists of other objects"


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"StudyInstanceUID": "study 7"}, "The StudyInstanceUID of the study has a value that DICOM does not allow"),
        ({"Modality": "CT"}, "Unknown attribute 'Modality' of a study; expected: PatientName, PatientID"),
    ],
)
def test_a_study_that_is_not_valid_is_refused(synthetic, study, message, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        exported(load_report(synthetic.parent / "report"), synthetic.parent / "ct.nii.gz", tmp_path, study=study)
    assert list(tmp_path.iterdir()) == []


def test_the_same_report_gives_the_same_files(draft, report, ct, tmp_path: Path):
    again = exported(report, ct, tmp_path / "again")
    for file in draft.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes(), file.name


def test_an_addendum_names_the_document_that_it_amends(report, ct, tmp_path: Path):
    earlier = signed_report(report)
    out = exported(earlier, ct, tmp_path / "earlier")
    later = exported(signed_report(addendum(earlier), heart=None), ct, tmp_path / "later")
    (study,) = pydicom.dcmread(later / "report.dcm").PredecessorDocumentsSequence
    reference = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == pydicom.dcmread(out / "report.dcm").SOPInstanceUID


def test_another_ct_is_refused(report, chest, tmp_path: Path):
    brighter = write_ct(tmp_path / "brighter", chest.volume + 60)
    with pytest.raises(InputError, match="not the CT from which .* the densities of its regions differ by 60 HU"):
        write_dicom(report, tmp_path, brighter)
    elsewhere = sitk.Image(chest.volume)
    elsewhere.SetOrigin((5.0, 5.0, 5.0))
    with pytest.raises(InputError, match="not the CT from which"):
        write_dicom(report, tmp_path, write_ct(tmp_path / "elsewhere", elsewhere))


def test_the_series_of_the_report_is_found_among_others_of_the_scan(report, chest, ct, tmp_path: Path):
    folder = tmp_path / "study"
    shutil.copytree(ct, folder / "b")
    write_ct(folder / "a", chest.volume + 60)
    out = exported(report, folder, tmp_path / "out")
    referred = pydicom.dcmread(out / "draft-regions.dcm").ReferencedSeriesSequence[0].SeriesInstanceUID
    assert referred == pydicom.dcmread(next(ct.iterdir())).SeriesInstanceUID


def test_structures_as_a_label_map_are_smaller_and_equal(report, draft, ct, tmp_path: Path):
    out = exported(report, ct, tmp_path / "out", label_map=True)
    assert (out / "draft-structures.dcm").stat().st_size < (draft / "draft-structures.dcm").stat().st_size
    segmentation = hd.seg.segread(out / "draft-structures.dcm")
    assert segmentation.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    volume = segmentation.get_volume(combine_segments=True)
    structures = read_structures(report.folder / "structures.seg.nrrd", report.provenance.geometry.to_image())
    labels = sitk.GetArrayViewFromImage(structures.labels)
    for number, name in enumerate(structures.present, 1):
        assert (volume.array == number).sum() == (labels == structure_label(name)).sum(), name


def test_exported_regions_can_be_used_for_another_report(report, draft, chest):
    masks = LabelMapSegmenter(draft / "draft-regions.dcm").segment(chest.volume)
    for name in report.masks.present:
        np.testing.assert_array_equal(masks.array(name), report.masks.array(name))


def test_the_pdf_is_kept_byte_by_byte(draft):
    dataset = pydicom.dcmread(draft / "draft-pdf.dcm")
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == PDF
    assert dataset.BurnedInAnnotation == "YES" and "AI-generated draft" in dataset.DocumentTitle


HOSTILE = 'Text <b>bold</b> & "quotes" \\ \x1b[31m\x00 a\tb ' + "long " * 5000 + "肺 結節"


def test_hostile_text_is_stored_as_text(report, ct, tmp_path: Path):
    out = exported(signed_report(report, lung=HOSTILE), ct, tmp_path / "out")
    texts = " ".join(item.get("TextValue", "") for item in sr_items(out / "report.dcm"))
    assert '<b>bold</b> & "quotes" \\' in texts and "肺 結節" in texts and not set("\x1b\x00") & set(texts)
    assert errors_of(out / "report.dcm") == []


def test_names_in_other_character_sets_are_kept_and_never_printed(chest, tmp_path: Path, capfd):
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    def japanese(dataset: Dataset, index: int) -> None:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = name
        dataset.PatientSex = "UNKNOWN"
        dataset.DeidentificationMethod = "x" * 70

    ct = write_ct(tmp_path / "ct", chest.volume, japanese)
    out = exported(write_report(tmp_path / "report", ct, chest), ct, tmp_path / "out")
    for file in out.iterdir():
        assert str(pydicom.dcmread(file).PatientName) == name
        assert errors_of(file) == []
    printed = "".join(capfd.readouterr())
    assert "Yamada" not in printed and "山田" not in printed


def test_the_ct_must_be_named(report, tmp_path: Path):
    with pytest.raises(InputError, match="name it with --ct"):
        export_report(report, "dicom", tmp_path / "out")


def test_a_series_without_frame_of_reference_is_refused(chest, tmp_path: Path):
    def without(dataset: Dataset, index: int) -> None:
        del dataset.FrameOfReferenceUID

    ct = write_ct(tmp_path / "ct", chest.volume, without)
    report = write_report(tmp_path / "report", ct, chest)
    with pytest.raises(InputError, match="has no frame of reference UID"):
        export_report(report, "dicom", tmp_path / "out", ct)
    assert not (tmp_path / "out-draft").exists()


def test_a_series_whose_images_share_a_uid_is_refused(report, chest, tmp_path: Path):
    def same(dataset: Dataset, index: int) -> None:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"

    with pytest.raises(InputError, match="have the same instance UID"):
        write_dicom(report, tmp_path, write_ct(tmp_path / "ct", chest.volume, same))


def test_an_export_replaces_an_earlier_one_but_no_other_files(report, ct, tmp_path: Path):
    out = export_report(report, "dicom", tmp_path / "out", ct)
    assert pydicom.dcmread(out / "draft-pdf.dcm").EncapsulatedDocument.startswith(b"%PDF")
    (out / "ct-0001.dcm").write_bytes(b"of an earlier export")
    export_report(report, "dicom", tmp_path / "out", ct)
    assert not (out / "ct-0001.dcm").exists()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="contains other files"):
        export_report(report, "dicom", tmp_path / "out", ct)
    assert (out / "mine.txt").read_text() == "mine"


def test_private_codes_are_unique():
    measures = [measure_code(measure.id, measure.label) for measure in MEASURES.values()]
    codes = [*measures, *map(finding_code, ALL_LABELS)]
    private = [code.value for code in codes if code.scheme_designator == SCHEME]
    assert len(private) == len(set(private)) > 20
