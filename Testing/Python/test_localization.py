"""Localization of findings at the peaks of their finding maps, in volumes of any orientation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from perfect_detection import CONFIG, locate_planted

from reg2rg.benchmark.finding_groups import FOCAL_LABELS
from reg2rg.errors import Cancelled
from reg2rg.inference import DetectedRegion, locate_findings
from reg2rg.inference.localization import upsampled_mask
from reg2rg.phantom import make_phantom
from reg2rg.preprocessing import prepare
from reg2rg.report import Finding
from reg2rg.segmentation.masks import RegionMasks


def rotated_direction(degrees: float) -> tuple[float, ...]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_z, about_x = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return tuple((about_z @ about_x).reshape(-1))


DIRECTIONS = {
    "LPS": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "RAS": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "upside down": (1, 0, 0, 0, 1, 0, 0, 0, -1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
    "coronal, flipped": (-1, 0, 0, 0, 0, 1, 0, 1, 0),
    "oblique": rotated_direction(20),
}


@dataclasses.dataclass
class Spot:
    """A located finding, with the box and mask of its outline if it has one."""

    point_ras: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    focal: bool
    box: tuple[slice, ...] | None
    mask: np.ndarray | None


class Scan:
    """A volume of 0 HU that the lung fills except for a margin, with finding maps of planted findings."""

    def __init__(self, direction=DIRECTIONS["LPS"], size=(40, 32, 28), spacing=(1.5, 2.0, 2.5)) -> None:
        self.volume = sitk.GetImageFromArray(np.zeros(size[::-1], np.int16))
        self.volume.SetSpacing(spacing)
        self.volume.SetOrigin((-30.0, 12.0, 77.0))
        self.volume.SetDirection(direction)
        lung = np.zeros(size[::-1], bool)
        lung[3:-2, 4:-3, 2:-5] = True
        self.masks = RegionMasks.from_arrays({"lung": lung}, self.volume, segmenter="test")
        self.crop = prepare(self.volume, self.masks, CONFIG).crops["lung"]

    def map_of(self, planted: np.ndarray, grid: tuple[int, int, int] | None = None) -> torch.Tensor:
        """Return the finding map of ``planted`` (z, y, x): pooled to a grid over the crop, in model axes."""
        cropped = torch.tensor(self.crop.cut(planted.astype(np.float32)).copy())
        return cropped if grid is None else F.adaptive_avg_pool3d(cropped[None], grid)[0]

    def ball(self, voxel: tuple[int, int, int], radius_mm: float) -> np.ndarray:
        """Return an array that is 1 in a ball around a voxel (z, y, x) and 0 elsewhere."""
        steps = np.array(self.volume.GetSpacing()[::-1])[:, None, None, None]
        offsets = (np.indices(self.volume.GetSize()[::-1]) - np.reshape(voxel, (3, 1, 1, 1))) * steps
        return (np.square(offsets).sum(axis=0) <= radius_mm**2).astype(np.float32)

    def voxel_of(self, point_ras: tuple[float, float, float]) -> tuple[int, int, int]:
        right, anterior, superior = point_ras
        return self.volume.TransformPhysicalPointToIndex((-right, -anterior, superior))[::-1]

    def locate(self, values: torch.Tensor) -> Spot | None:
        detected = DetectedRegion((Finding("Lung nodule", 0.9),), {"Lung nodule": values})
        located = locate_findings({"lung": detected}, {"lung": self.crop}, self.masks)
        ((finding,), outlines) = located.findings["lung"], located.outlines
        if finding.location is None:
            assert not outlines
            return None
        (box, mask) = (outlines[0].box, outlines[0].mask) if outlines else (None, None)
        return Spot(finding.location.point_ras, finding.location.extent_mm, finding.location.focal, box, mask)


each_direction = pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)


@each_direction
def test_the_point_is_the_peak_voxel_of_the_map(direction) -> None:
    scan = Scan(direction)
    for voxel in ((5, 6, 4), (20, 9, 30), (25, 28, 3)):
        planted = np.zeros(scan.volume.GetSize()[::-1], np.float32)
        planted[voxel] = 0.9
        spot = scan.locate(scan.map_of(planted))
        assert scan.voxel_of(spot.point_ras) == voxel and spot.focal
        assert tuple(span.start for span in spot.box) == voxel and spot.mask.all() and spot.mask.size == 1


@each_direction
def test_on_a_coarse_grid_the_point_lies_in_the_planted_finding(direction) -> None:
    scan = Scan(direction)
    for voxel in ((9, 10, 10), (18, 20, 26)):
        planted = scan.ball(voxel, 7.0)
        spot = scan.locate(scan.map_of(planted, (9, 7, 8)))
        assert planted[scan.voxel_of(spot.point_ras)] == 1
        spot = scan.locate(scan.map_of(planted, (18, 14, 16)))
        found = np.zeros(planted.shape, bool)
        found[spot.box] = spot.mask
        assert 2 * (found * planted).sum() / (found.sum() + planted.sum()) > 0.8, "the Dice score is too low"


@each_direction
def test_the_extent_is_measured_along_the_patient_axes(direction) -> None:
    scan = Scan(direction)
    planted = np.zeros(scan.volume.GetSize()[::-1], np.float32)
    planted[10:14, 8:11, 6:26] = 1.0
    spot = scan.locate(scan.map_of(planted))
    corners = [(x, y, z) for x in (5.5, 25.5) for y in (7.5, 10.5) for z in (9.5, 13.5)]
    points = np.array([scan.volume.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners])
    assert spot.extent_mm == pytest.approx(np.ptp(points, axis=0), abs=0.06)


@each_direction
def test_upsampling_part_of_a_map_matches_upsampling_all_of_it(direction) -> None:
    crop = Scan(direction).crop
    values = torch.rand(7, 9, 5, generator=torch.Generator().manual_seed(1))
    full, shape = crop.to_volume(values), [span.stop - span.start for span in crop.box]
    part = (slice(2, 20), slice(0, 11), slice(13, shape[2]))
    oriented = crop.in_array_order(values).numpy()
    level = 0.5
    differing = upsampled_mask(oriented, level, shape, part) != (full[part] >= level)
    assert (np.abs(full[part][differing] - level) < 1e-5).all()


def test_the_outline_excludes_a_second_spot() -> None:
    scan = Scan()
    planted = np.maximum(scan.ball((9, 10, 10), 6.0), 0.8 * scan.ball((18, 22, 28), 6.0))
    spot = scan.locate(scan.map_of(planted, (16, 12, 12)))
    found = np.zeros(planted.shape, bool)
    found[spot.box] = spot.mask
    assert found[9, 10, 10] and not found[18, 22, 28]


def test_the_point_of_a_bent_finding_lies_inside_it() -> None:
    scan = Scan()
    planted = np.zeros(scan.volume.GetSize()[::-1], np.float32)
    planted[10:12, 8:24, 6] = planted[10:12, 8, 6:26] = planted[10:12, 23, 6:26] = 1.0
    spot = scan.locate(scan.map_of(planted))
    assert planted[scan.voxel_of(spot.point_ras)] == 1


def test_location_and_outline_stay_in_the_region() -> None:
    scan = Scan()
    lung = scan.masks.array("lung")
    lung[:, :, 20:25] = False
    scan.masks = RegionMasks.from_arrays({"lung": lung}, scan.volume, segmenter="test")
    planted = scan.ball((12, 14, 19), 6.0)
    spot = scan.locate(scan.map_of(planted, (16, 12, 12)))
    assert lung[scan.voxel_of(spot.point_ras)] and (~spot.mask | lung[spot.box]).all()
    outside = np.zeros_like(planted)
    outside[12, 14, 22] = 1
    assert scan.locate(scan.map_of(outside)) is None


def test_a_weak_map_gives_a_point_that_is_not_focal_and_no_outline() -> None:
    scan = Scan()
    planted = scan.ball((9, 10, 10), 7.0)
    spot = scan.locate(0.2 * scan.map_of(planted))
    assert not spot.focal and spot.mask is None and planted[scan.voxel_of(spot.point_ras)] == 1


def test_a_diffuse_map_is_not_focal_and_its_outline_covers_all_of_it() -> None:
    scan = Scan()
    planted = np.zeros(scan.volume.GetSize()[::-1], np.float32)
    planted[:, :13, :12] = planted[:, :, 25:] = 1
    planted[9, 10, 10] = 1.1
    spot = scan.locate(scan.map_of(planted) / 1.1)
    assert not spot.focal and scan.voxel_of(spot.point_ras) == (9, 10, 10)
    assert spot.mask.sum() == ((planted > 0) & scan.masks.array("lung")).sum()


def test_only_detected_findings_with_a_map_are_located() -> None:
    scan = Scan()
    values = scan.map_of(scan.ball((9, 10, 10), 7.0))
    nodule = Finding("Lung nodule", 0.8, "left", "upper", 12.0)
    undetected = dataclasses.replace(nodule, label="Atelectasis", probability=0.4)
    without_map = dataclasses.replace(nodule, label="Consolidation")
    detected = DetectedRegion((nodule, undetected, without_map), {"Lung nodule": values, "Atelectasis": values})
    located = locate_findings({"lung": detected}, {"lung": scan.crop}, scan.masks)
    findings = located.findings["lung"]
    assert [finding.location is not None for finding in findings] == [True, False, False]
    assert dataclasses.replace(findings[0], location=None, segment=None) == nodule
    assert findings[0].segment == "lung.Lung nodule"
    assert [(outline.region, outline.label) for outline in located.outlines] == [("lung", "Lung nodule")]
    with pytest.raises(Cancelled):
        locate_findings({"lung": detected}, {"lung": scan.crop}, scan.masks, lambda: True)


def test_in_phantoms_the_point_lies_in_the_planted_focal_finding() -> None:
    results = []
    for seed in (103, 110, 112, 114):
        phantom = make_phantom(seed)
        for region, findings in locate_planted(phantom).findings.items():
            for finding in findings:
                if finding.label not in FOCAL_LABELS:
                    continue  # for example a catheter, which is thinner than a grid cell of the map
                right, anterior, superior = finding.location.point_ras
                voxel = phantom.volume.TransformPhysicalPointToIndex((-right, -anterior, superior))
                bit = [f.label for f in phantom.findings].index(finding.label)
                results.append((region, finding.label, bool(phantom.finding_bits[voxel] >> bit & 1)))
    assert len(results) >= 5 and all(hit for *_, hit in results), results
