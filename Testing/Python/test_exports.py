"""Exports: text, segmentations, and preview agree with the report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from perfect_detection import locate_planted, phantom_with_a_nodule
from PIL import Image, ImageFont
from test_report import generated, provenance

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.marks import draw_marks, marks_of
from reg2rg.exports.preview import write_preview
from reg2rg.exports.report_folder import write_report_folder
from reg2rg.exports.segmentation_nrrd import write_outlines, write_regions
from reg2rg.exports.text_column import WARNING
from reg2rg.regions import get_region
from reg2rg.report import (
    OUT_OF_DISTRIBUTION_WARNING,
    OutOfDistribution,
    Report,
    ReportBuilder,
    parse_report,
    report_content,
)
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.segmentation.masks import RegionMasks


@pytest.fixture(scope="module")
def phantom():
    return phantom_with_a_nodule()


@pytest.fixture(scope="module")
def report(phantom) -> Report:
    sections = [generated(name, phantom.sections[name], name) for name in phantom.masks.present]
    sections[0] = generated("abdomen", "Something else.", "bone", complete=False)
    builder = ReportBuilder(phantom.volume, phantom.masks)
    return builder.report(sections, provenance(phantom.volume), phantom.masks.missing)


def test_the_text_begins_and_ends_with_the_draft_label_and_contains_warnings(report):
    text = report.to_text()
    assert text.startswith(DRAFT_LABEL) and text.rstrip().endswith(DRAFT_LABEL)
    positions = [text.index(get_region(s.region).display_name.upper()) for s in report.sections]
    assert positions == sorted(positions)
    assert (
        "[The model identified this region as: Bones.]" in text and "[The text was cut off at the token limit.]" in text
    )
    assert "NOT DESCRIBED\n- Breast: " in text


def oblique(phantom) -> RegionMasks:
    bits = sitk.Image(phantom.masks.bits)
    bits.SetDirection((0.0, -1.0, 0.0, 0.8, 0.0, -0.6, 0.6, 0.0, 0.8))  # oblique and right-handed
    return RegionMasks(bits, "test", missing=phantom.masks.missing)


def left_handed(phantom) -> RegionMasks:
    return RegionMasks(sitk.Flip(phantom.masks.bits, [True, False, False]), "test", missing=phantom.masks.missing)


@pytest.mark.parametrize(
    "make_masks", [lambda p: p.masks, oblique, left_handed], ids=["axial", "oblique", "left-handed"]
)
def test_a_segmentation_round_trips_through_its_file(phantom, make_masks, tmp_path: Path):
    masks = make_masks(phantom)
    write_regions(masks, tmp_path / "regions.seg.nrrd")
    volume = sitk.Cast(masks.bits, sitk.sitkInt16)
    loaded = LabelMapSegmenter(tmp_path / "regions.seg.nrrd").segment(volume)
    assert loaded.present == masks.present
    for name in masks.present:
        np.testing.assert_array_equal(loaded.array(name), masks.array(name))


def test_the_segmentation_header_contains_names_colors_terminology_and_geometry(phantom, tmp_path: Path):
    write_regions(phantom.masks, tmp_path / "regions.seg.nrrd")
    data, header = nrrd.read(str(tmp_path / "regions.seg.nrrd"))
    assert header["space"] == "left-posterior-superior"
    np.testing.assert_allclose(header["space origin"], phantom.volume.GetOrigin())
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    layers = data if data.ndim == 4 else data[None]
    for number, name in enumerate(header[f"Segment{i}_ID"] for i in range(len(phantom.masks.present))):
        field = {key: header[f"Segment{number}_{key}"] for key in ("Name", "Color", "LabelValue", "Layer", "Tags")}
        region = get_region(name)
        assert field["Name"] == region.display_name
        np.testing.assert_allclose([255 * float(c) for c in field["Color"].split()], region.color, atol=0.01)
        assert f"~SCT^{region.snomed[0]}^{region.snomed[1]}~" in field["Tags"]
        voxels = layers[int(field["Layer"])] == int(field["LabelValue"])
        np.testing.assert_array_equal(voxels.T, phantom.masks.array(name))


@pytest.fixture(scope="module")
def located(phantom):
    return locate_planted(phantom)


@pytest.fixture(scope="module")
def marked(phantom, located) -> Report:
    sections = [generated(name, phantom.sections[name], name) for name in phantom.masks.present]
    builder = ReportBuilder(phantom.volume, phantom.masks, detected=located.findings)
    return builder.report(sections, provenance(phantom.volume), {})


def test_each_outlined_finding_is_a_segment_named_in_the_report(phantom, located, marked, tmp_path: Path):
    write_outlines(located.outlines, phantom.volume, tmp_path / "findings.seg.nrrd")
    data, header = nrrd.read(str(tmp_path / "findings.seg.nrrd"))
    ids = [header[key] for key in header if key.endswith("_ID")]
    named = [finding.segment for section in marked.sections for finding in section.findings if finding.segment]
    assert sorted(ids) == sorted(named) and len(ids) == len(set(ids)) > 2
    number = ids.index("lung.Lung nodule")
    assert header[f"Segment{number}_Name"] == "Lung nodule (lungs)"
    color = [255 * float(channel) for channel in header[f"Segment{number}_Color"].split()]
    assert min(np.subtract(color, get_region("lung").color)) > 10
    tags = header[f"Segment{number}_Tags"]
    assert "SCT^49755003^" in tags and "SCT^27925004^Nodule" in tags and "SCT^39607008^Lung" in tags
    layers = data if data.ndim == 4 else data[None]
    voxels = layers[int(header[f"Segment{number}_Layer"])] == int(header[f"Segment{number}_LabelValue"])
    (outline,) = [each for each in located.outlines if (each.region, each.label) == ("lung", "Lung nodule")]
    x, y, z = (slice(*map(int, pair)) for pair in np.reshape(header[f"Segment{number}_Extent"].split(), (3, 2)))
    assert voxels.sum() == outline.mask.sum() and (x.start, y.stop + 1, z.start) == (
        outline.box[2].start,
        outline.box[1].stop,
        outline.box[0].start,
    )


def test_overlapping_findings_are_stored_in_layers(phantom, located, tmp_path: Path):
    (first, *_) = located.outlines
    write_outlines([first, dataclasses.replace(first, label="Atelectasis")], phantom.volume, tmp_path / "f.nrrd")
    data, _ = nrrd.read(str(tmp_path / "f.nrrd"))
    assert data.ndim == 4 and (data[0] == data[1]).all() and data.max() == 1


def test_the_text_lists_findings_and_warns_about_disagreements(phantom, located):
    sections = [generated("lung", "No nodule. Fibrotic sequela in the left lower lobe.", "lung")]
    builder = ReportBuilder(phantom.volume, phantom.masks, detected=located.findings)
    report = builder.report(sections, provenance(phantom.volume), {})
    text = report.to_text()
    assert "  - Lung nodule, left lower lobe, 16 mm: very likely (90%)\n" in text
    assert "[The text denies lung nodule; the finding detector rates it very likely (90%).]" in text


@pytest.mark.parametrize("distance", [1.0, 3.0])
def test_the_out_of_distribution_warning_precedes_all_sections(marked, phantom, tmp_path: Path, distance):
    sections = tuple(dataclasses.replace(each, model_text_hidden=distance > 1.5) for each in marked.sections)
    report = dataclasses.replace(marked, sections=sections, out_of_distribution=OutOfDistribution(distance, 1.5))
    head = report.to_text().split("LUNGS")[0]
    assert (OUT_OF_DISTRIBUTION_WARNING in head) == (distance > 1.5)
    picture = picture_of(report, phantom, tmp_path / "preview.png")
    assert (color_share(picture[84:110], WARNING, slice(790, 1700)) > 100) == (distance > 1.5)


def test_the_text_lists_the_findings_of_each_section(report):
    assert any(section.listed_findings for section in report.sections), "the phantom's text mentions no findings"
    lines = [line for line in report.to_text().splitlines() if line.startswith("  - ")]
    assert len(lines) == sum(len(section.listed_findings) for section in report.sections)
    assert not any("denied" in line for line in lines)


def test_preview_marks_a_located_finding_in_all_three_slices(marked, phantom, tmp_path: Path):
    without = tuple(dataclasses.replace(section, findings=(), sentences=()) for section in marked.sections)
    ring = get_region("lung").bright_color
    sides = slice(20, 380), slice(420, 790)
    for report, least in ((dataclasses.replace(marked, sections=without), 0), (marked, 60)):
        picture = picture_of(report, phantom, tmp_path / "preview.png")
        parts = picture[84:550], picture[560:950, sides[0]], picture[560:950, sides[1]]
        shares = [color_share(part, ring, slice(0, 780)) for part in parts]
        assert all(share >= least for share in shares) and (least or max(shares) < 20), shares


def test_the_ring_is_centered_on_the_finding(phantom, marked):
    mark = next(mark for mark in marks_of(report_content(marked)) if mark.name == "Lung nodule")
    volume = sitk.DICOMOrient(phantom.volume, "LPS")
    z, y, x = (round(index) for index in mark.voxel(volume))
    bit = next(index for index, finding in enumerate(phantom.findings) if finding.label == "Lung nodule")
    assert sitk.DICOMOrient(phantom.finding_bits, "LPS")[x, y, z] >> bit & 1
    size, spacing = volume.GetSize(), volume.GetSpacing()
    shown = {0: (z, (1, y), (0, x)), 1: (y, (2, z), (0, x)), 2: (x, (2, z), (1, y))}
    for across, (index, (down, row), (right, column)) in shown.items():
        picture = Image.new("RGB", (round(size[right] * spacing[right]), round(size[down] * spacing[down])))
        draw_marks(picture, volume, size[::-1], [dataclasses.replace(mark, name="")], across, index)
        pixels = np.argwhere((np.asarray(picture) == mark.color).all(axis=-1))
        place = (row + 0.5) * spacing[down], (column + 0.5) * spacing[right]
        expected = picture.height - place[0] if across else place[0], place[1]  # superior is up
        np.testing.assert_allclose(pixels.mean(axis=0), expected, atol=3)


def test_a_diffuse_finding_has_a_cross_in_slices_near_its_point(phantom, marked):
    spot = next(mark for mark in marks_of(report_content(marked)) if mark.name == "Lung nodule")
    mark = dataclasses.replace(spot, name="", location=dataclasses.replace(spot.location, focal=False))
    volume = sitk.DICOMOrient(phantom.volume, "LPS")
    (sx, sy, sz), (nx, ny, _) = volume.GetSpacing(), volume.GetSize()
    z, y, x = (round(index) for index in mark.voxel(volume))
    drawn = {}
    for away in (0, 30):
        picture = Image.new("RGB", (round(nx * sx), round(ny * sy)))
        draw_marks(picture, volume, volume.GetSize()[::-1], [mark], 0, z + round(away / sz))
        drawn[away] = np.argwhere((np.asarray(picture) == mark.color).all(axis=-1))
    assert len(drawn[0]) > 50 and len(drawn[30]) == 0
    np.testing.assert_allclose(drawn[0].mean(axis=0), ((y + 0.5) * sy, (x + 0.5) * sx), atol=3)
    assert np.ptp(drawn[0], axis=0).max() < 25, "the mark is larger than a cross"


def test_writing_masks_without_any_region_raises_an_error_and_creates_no_file(phantom, tmp_path: Path):
    no_regions = RegionMasks.from_arrays({}, phantom.volume, segmenter="test")
    with pytest.raises(InputError, match="No region was found"):
        write_regions(no_regions, tmp_path / "regions.seg.nrrd")
    assert list(tmp_path.iterdir()) == []


def color_share(picture: np.ndarray, color: tuple[int, int, int], columns: slice) -> int:
    return int((np.abs(picture[:, columns].astype(int) - color).max(axis=-1) <= 3).sum())


def test_preview_shows_each_region_in_its_color_in_slices_and_beside_its_text(report, phantom, tmp_path: Path):
    write_preview(report, phantom.volume, phantom.masks, tmp_path / "preview.png")
    picture = np.asarray(Image.open(tmp_path / "preview.png").convert("RGB"))
    assert picture.shape[0] >= 900 and picture.shape[1] == 1720
    for name in phantom.masks.present:
        assert color_share(picture, get_region(name).color, slice(790, 840)) > 100, (
            f"{name} is not shown next to its text"
        )
    for name in ("lung", "heart", "bone", "abdomen", "mediastinum"):
        assert color_share(picture[:930], get_region(name).color, slice(0, 780)) > 50, (
            f"{name} is not shown in the slices"
        )


def test_preview_grows_with_the_text(report, phantom, tmp_path: Path):
    write_preview(report, phantom.volume, phantom.masks, tmp_path / "short.png")
    long = tuple(dataclasses.replace(s, text="A long sentence about this region. " * 30) for s in report.sections)
    longer = dataclasses.replace(report, sections=long)
    write_preview(longer, phantom.volume, phantom.masks, tmp_path / "long.png")
    heights = [Image.open(tmp_path / name).height for name in ("short.png", "long.png")]
    assert heights[1] > heights[0] + 500


def picture_of(report: Report, phantom, path: Path) -> np.ndarray:
    write_preview(report, phantom.volume, phantom.masks, path)
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_long_model_name_does_not_cover_the_draft_label(report, phantom, tmp_path: Path):
    named = dataclasses.replace(report, provenance=dataclasses.replace(report.provenance, model="a-long-name-" * 30))
    label = slice(0, 24 + int(ImageFont.load_default(26).getlength(DRAFT_LABEL)) + 8)
    short, long = (picture_of(r, phantom, tmp_path / "preview.png")[:64, label] for r in (report, named))
    np.testing.assert_array_equal(long, short)


def test_a_word_longer_than_a_line_is_wrapped_instead_of_clipped(report, phantom, tmp_path: Path):
    section = dataclasses.replace(report.sections[0], text="normal" * 200)
    looping = dataclasses.replace(report, sections=(section,))
    picture = picture_of(looping, phantom, tmp_path / "preview.png")
    margin = picture[84:, 1720 - 24 + 1 :]
    assert (margin == margin[0, 0]).all(), "the text extends into the right margin"


def test_the_report_folder_contains_json_text_and_preview(report, phantom, tmp_path: Path):
    write_report_folder(report, phantom.volume, phantom.masks, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"report.json", "report.txt", "preview.png"}
    assert parse_report((tmp_path / "report.json").read_text()) == report
    assert (tmp_path / "report.txt").read_text() == report.to_text()
