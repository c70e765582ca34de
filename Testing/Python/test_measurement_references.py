"""Measurements agree with other implementations: pyradiomics, TotalSegmentator's statistics and Comp2Comp's calcium."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from radiomics_shapes import SPACINGS, VALUES_FILE, make_shape
from scipy import ndimage

from reg2rg.measurements import Evidence, measure
from reg2rg.measurements.findings import axial_diameters
from reg2rg.measurements.heart import heart_measures
from reg2rg.measurements.scan import Scan
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.structures import Structures


def measured(image: sitk.Image, mask: np.ndarray, structure: str) -> tuple[Scan, Evidence]:
    """Return the scan and the evidence of an image with a single structure, segmented exactly."""
    structures = Structures.from_arrays({structure: mask}, image, method="test")
    masks = RegionMasks.from_arrays({"abdomen": mask, "heart": mask}, image, segmenter="test")
    return Scan.create(image, structures, masks), measure(image, structures, masks)


def value(evidence: Evidence, name: str) -> float | None:
    (found,) = [m for m in evidence.measurements if m.measure == name]
    return found.value


@pytest.mark.parametrize("name", SPACINGS)
def test_pyradiomics_finds_the_same_volume_densities_and_diameter(name: str) -> None:
    expected = json.loads(VALUES_FILE.read_text())[name]
    image, mask = make_shape(SPACINGS[name])
    scan, evidence = measured(image, mask, "liver")
    part = scan.structures.part("liver")
    assert part is not None
    densities = scan.values(part)
    found = {
        "Mean": densities.mean(),
        "Median": np.median(densities),
        "10Percentile": np.percentile(densities, 10),
        "90Percentile": np.percentile(densities, 90),
        "VoxelVolume": 1000 * (value(evidence, "organ_volume") or 0),
        "Maximum2DDiameterSlice": axial_diameters(scan, part).long_mm,
    }
    assert found == pytest.approx(expected, rel=1e-3)


def totalsegmentator_statistics(image: sitk.Image, mask: np.ndarray) -> tuple[float, float] | None:
    """Return volume (mm3) and mean intensity as TotalSegmentator's --statistics defines them.

    Masks that reach the outermost three voxels are left out.
    """
    inner = mask[3:-3, 3:-3, 3:-3]
    if inner.sum() < mask.sum():
        return None
    return mask.sum() * float(np.prod(image.GetSpacing())), float(sitk.GetArrayViewFromImage(image)[mask].mean())


@pytest.mark.parametrize("organ", ["liver", "spleen"])
def test_totalsegmentator_finds_the_same_volume_and_density(organ: str) -> None:
    image, mask = make_shape(SPACINGS["thick slices"])
    hu = sitk.GetArrayFromImage(image)
    hu[mask] = np.where(ndimage.binary_erosion(mask)[mask], 55, 20)  # the surface mixes with the fat around it
    blurred = sitk.GetImageFromArray(hu)
    blurred.SetSpacing((1.6, 1.6, 5.0))  # as large as an organ
    statistics = totalsegmentator_statistics(blurred, mask)
    assert statistics is not None
    volume, intensity = statistics
    _, evidence = measured(blurred, mask, organ)
    assert 1000 * (value(evidence, "organ_volume") or 0) == pytest.approx(volume, rel=1e-3)
    assert value(evidence, f"{organ}_hu") == 55 and intensity < 50, "the core is not biased by the surface"


def test_totalsegmentator_and_we_give_no_volume_of_a_cut_organ() -> None:
    image, mask = make_shape(SPACINGS["isotropic"])
    middle = mask.shape[0] // 2
    cut = image[:, :, middle:]
    assert totalsegmentator_statistics(cut, mask[middle:]) is None
    _, evidence = measured(cut, mask[middle:], "liver")
    assert value(evidence, "organ_volume") is None


def comp2comp_agatston(hu: np.ndarray, calcium: np.ndarray, pixel_mm2: float) -> float:
    """Return the Agatston score as Comp2Comp's aortic calcium pipeline defines it.

    In each slice, every face-connected lesion above 1 mm2 counts with its area times 1 to 4, for peaks from 130, 200,
    300 and 400 HU.
    """
    score = 0.0
    for plane, lesions in zip(hu, calcium, strict=True):
        labels, count = ndimage.label(lesions)
        for number in range(1, count + 1):
            area = float((labels == number).sum()) * pixel_mm2
            if area > 1:
                score += area * int(np.searchsorted([200, 300, 400], plane[labels == number].max(), side="right") + 1)
    return score


def test_comp2comp_finds_the_same_calcium_score_and_volume() -> None:
    spacing = (0.8, 0.8, 3.0)
    image, heart = make_shape(spacing)
    hu = np.full(heart.shape, 40, np.int16)
    middle = np.array(heart.shape) // 2
    for step, (peak, size) in enumerate([(135, 3), (199, 2), (200, 4), (310, 3), (400, 2), (1200, 5), (600, 1)]):
        z, y, x = middle + [step % 3 - 1, 0, 5 * (step - 3)]
        hu[z, y : y + size, x : x + size] = 130
        hu[z, y, x] = peak
    hu[~heart & (hu > 40)] = 40
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing)
    calcium = heart & (hu >= 130)
    scan, _ = measured(image, heart, "heart")
    # The bare readings: whether a scan without airways is quiet enough for calcium is another question.
    readings = {reading.measure: reading.value for reading in heart_measures(scan)}
    expected = comp2comp_agatston(hu, calcium, 0.64)
    assert expected > 50
    assert readings["heart_calcium_score"] == pytest.approx(expected, rel=1e-6)
    single = int(ndimage.label(calcium)[1])
    assert single == 7, "a lesion of one pixel (0.64 mm2) is among them and does not count"
    assert readings["heart_calcium_volume"] == pytest.approx((calcium.sum() - 1) * 0.64 * 3, rel=1e-6)
