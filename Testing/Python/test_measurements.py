"""Measurements are true: on phantoms against known values, on real CTs against known facts, and silent otherwise."""

from __future__ import annotations

import csv
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import run_process

from reg2rg import DRAFT_LABEL
from reg2rg.measurements import (
    NOT_ASSESSED,
    Evidence,
    Measurement,
    ScanConditions,
    measure,
    measured_sentence,
    region_scalars,
    region_sentences,
    technique,
)
from reg2rg.measurements.abdomen import abdomen_measures
from reg2rg.measurements.chest_vessels import carina_slice
from reg2rg.measurements.conditions import check
from reg2rg.measurements.findings import axial_diameters
from reg2rg.measurements.measures import LOW_NOISE, MEASURES, SOFT_KERNEL, UNENHANCED, WHOLE_LUNGS
from reg2rg.measurements.scan import Scan, smoothed, smoothed_between
from reg2rg.phantom import PhantomCase, PhantomConfig, PlantedFinding, make_phantom
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.dataclass_io import from_plain, to_plain
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.morphology import components
from reg2rg.segmentation.structures import STRUCTURE_NAMES, Part, Structures, structure_label
from reg2rg.segmentation.structures_from_regions import find_structures, split_lungs
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume
from reg2rg.volumes.acquisition import AcquisitionTags
from reg2rg.volumes.geometry import image_like

FINE = PhantomConfig(size=(192, 192, 144))
TOLERANCES = {
    "lung_volume": 0.03,
    "liver_hu": 2.0,
    "spleen_hu": 2.0,
    "vertebra_hu_mean": 2.0,
    "trachea_coronal": 2.6,
    "trachea_sagittal": 2.6,
    "ascending_aorta": 2.0,
    "descending_aorta": 2.0,
    "pulmonary_artery": 2.0,
    "vertebra_height": 2.6,
}
"""Measure -> largest error: relative for volumes, HU for densities, about one voxel for lengths."""


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    return make_phantom(9_700_001, FINE, [PlantedFinding("Lung nodule", "lung", "left", "lower", 18)])


@pytest.fixture(scope="module")
def evidence(case: PhantomCase) -> Evidence:
    return measure(case.volume, case.structures, case.masks)


def one(evidence: Evidence, name: str, part: str = "") -> Measurement:
    """Return the only measurement of a measure and part."""
    (found,) = [m for m in evidence.measurements if m.measure == name and part in m.part]
    return found


def test_the_table_is_complete_and_names_a_source_for_every_cutoff() -> None:
    assert len(MEASURES) >= 30
    for row in MEASURES.values():
        assert row.label and (row.region in REGION_NAMES or row.id in ("finding_diameter", "finding_extent"))
        assert not row.cutoffs or row.source, row.id


def test_the_documentation_lists_every_measure_with_its_cutoffs_and_source(repository: Path) -> None:
    page = (repository / "docs" / "evidence.md").read_text(encoding="utf-8")
    for row in MEASURES.values():
        cutoffs = "; ".join(f"{cutoff.words(row.unit)}: {cutoff.adjective}" for cutoff in row.cutoffs)
        ending = f"| {', '.join(row.required)} | {', '.join(row.conditions)} | {cutoffs} | {row.source} |"
        assert any(row.label in line and line.endswith(ending) for line in page.splitlines()), row.id


@pytest.mark.parametrize("name", TOLERANCES)
def test_values_agree_with_those_that_the_phantom_was_made_with(case, evidence, name) -> None:
    found = [m for m in evidence.measurements if m.measure == name]
    assert found
    for measurement in found:
        key = f"lung_volume_{measurement.part.split()[0]}" if name == "lung_volume" else name
        truth = case.known_values[key]
        limit = TOLERANCES[name] * (truth if name == "lung_volume" else 1)
        assert measurement.value == pytest.approx(truth, abs=limit), measurement.name


@pytest.mark.slow
def test_at_least_20_values_are_given_with_exact_structures_and_10_with_thresholds(case, evidence) -> None:
    assert len({m.measure for m in evidence.measurements if m.value is not None}) >= 20
    masks = ThresholdSegmenter().segment(case.volume)
    estimated = measure(case.volume, find_structures(case.volume, masks), masks)
    assert len({m.measure for m in estimated.measurements if m.value is not None}) >= 10
    assert "estimated" in " ".join(one(estimated, "dense_lung").reservations)
    for name in ("heart_volume", "cardiothoracic_ratio"):
        assert one(estimated, name).text == "not given: outlines are estimated"


def test_the_axes_of_a_nodule_are_those_it_was_planted_with(case) -> None:
    mask = sitk.GetArrayFromImage(case.finding_bits) > 0
    z, y, x = (slice(0, size) for size in mask.shape)
    scan = Scan.create(case.volume, case.structures, case.masks)
    diameters = axial_diameters(scan, Part((z, y, x), mask))
    assert diameters.long_mm == pytest.approx(18, abs=2.6) and diameters.short_mm <= diameters.long_mm
    start, end = np.array(diameters.long_line.start_ras), np.array(diameters.long_line.end_ras)
    assert np.linalg.norm(end - start) == pytest.approx(diameters.long_mm, abs=0.05)


def images(case: PhantomCase) -> tuple[sitk.Image, sitk.Image]:
    return case.structures.labels, case.masks.bits


def with_images(case: PhantomCase, labels: sitk.Image, bits: sitk.Image) -> tuple[Structures, RegionMasks]:
    """Return the structures and masks of a phantom on another grid."""
    return replace(case.structures, labels=labels), replace(case.masks, bits=bits)


def test_emphysema_is_named_by_its_cutoff_only_if_every_condition_holds() -> None:
    finding = PlantedFinding("Emphysema", "lung", "both", None, None, "severe")
    case = make_phantom(9_700_005, replace(FINE, size=(128, 128, 128)), [finding])
    coarse = one(measure(case.volume, case.structures, case.masks), "low_attenuation")
    assert coarse.adjective is None and coarse.reservations == ("the kernel could not be judged",)
    smooth = sitk.Expand(case.volume, [2, 2, 1], sitk.sitkLinear)
    fine = [sitk.Expand(image, [2, 2, 1], sitk.sitkNearestNeighbor) for image in images(case)]
    named = one(measure(smooth, *with_images(case, *fine)), "low_attenuation")
    assert not named.reserved and named.adjective == "emphysema by density" and named.cutoff == "5% and more"
    sentence = measured_sentence(named)
    assert sentence is not None and sentence.endswith("which is emphysema by density (5% and more).")
    thick = [sitk.Shrink(image, [1, 1, 3]) for image in fine]
    reserved = one(measure(sitk.BinShrink(smooth, [1, 1, 3]), *with_images(case, *thick)), "low_attenuation")
    assert reserved.adjective is None and "slices are 8.3" in reserved.reservations[0]


@pytest.mark.slow
def test_fluid_is_measured_on_its_side_and_classed_by_depth_and_vertebrae_in_noise_are_within_2_hu() -> None:
    effusion = PlantedFinding("Pleural effusion", "pleura", "right", None, 30)
    case = make_phantom(9_700_017, replace(FINE, population="held-out"), [effusion])
    evidence = measure(case.volume, case.structures, case.masks)
    truth = case.known_values
    assert evidence.conditions.noise_hu > 35
    assert one(evidence, "vertebra_hu_mean").value == pytest.approx(truth["vertebra_hu_mean"], abs=2)
    assert one(evidence, "effusion_volume", "right").value == pytest.approx(truth["effusion_volume_right"], rel=0.03)
    assert one(evidence, "effusion_volume", "left").value == truth["effusion_volume_left"] == 0
    depth = one(evidence, "effusion_depth", "right")
    assert depth.value == pytest.approx(truth["effusion_depth_right"], abs=1) and "effusion_depth_left" not in truth
    assert depth.adjective == "small" and depth.lines


def test_the_true_values_of_an_effusion_and_the_pulmonary_trunk_do_not_depend_on_the_grid() -> None:
    effusion = PlantedFinding("Pleural effusion", "pleura", "right", None, 40)
    coarse, fine = (make_phantom(9_700_007, PhantomConfig(size), [effusion]) for size in ((80, 80, 60), (128, 128, 96)))
    for name in ("effusion_volume_right", "effusion_depth_right", "pulmonary_artery"):
        assert coarse.known_values[name] == pytest.approx(fine.known_values[name], rel=0.03), name
    assert fine.known_values["effusion_depth_right"] == pytest.approx(22, abs=2), "40 mm of about 180 mm"


@pytest.mark.slow
@pytest.mark.parametrize(("label", "name"), [("Pleural effusion", "effusion_volume"), ("Pneumothorax", "pleural_air")])
def test_estimated_outlines_do_not_deny_fluid_or_air_that_they_miss(label: str, name: str) -> None:
    size, severity = (50.0, None) if label == "Pleural effusion" else (None, "moderate")
    finding = PlantedFinding(label, "pleura", "right", None, size, severity)
    case = make_phantom(9_700_002, replace(FINE, size=(128, 128, 96)), [finding])
    assert (one(measure(case.volume, case.structures, case.masks), name, "right").value or 0) > 100
    masks = ThresholdSegmenter().segment(case.volume)
    estimated = measure(case.volume, find_structures(case.volume, masks), masks)
    assert [m.text for m in estimated.measurements if m.measure == name] == ["not given: outlines are estimated"] * 2


def test_a_cut_chest_gets_no_lung_volume_and_says_why(case) -> None:
    part = (slice(None), slice(None), slice(40, 100))
    structures = replace(case.structures, labels=case.structures.labels[part])
    bits = case.masks.bits[part]
    masks = RegionMasks.from_bits(
        sitk.GetArrayFromImage(bits), frozenset(REGION_NAMES), bits, segmenter=case.masks.segmenter
    )
    found = one(measure(case.volume[part], structures, masks), "lung_volume", "right")
    assert found.value is None and found.text == "not given: the lungs are only partly in view"
    evidence = measure(case.volume[part], structures, masks)
    thirds = [m for m in evidence.measurements if m.measure == "low_attenuation_part" and "third" in m.part]
    assert len(thirds) == 6 and all(third.value is None for third in thirds), "thirds of what is in view are no thirds"
    assert one(evidence, "cardiothoracic_ratio").value is None and one(evidence, "dense_lung").value is None
    assert next(c for c in found.conditions if c.name == WHOLE_LUNGS).met is False


@pytest.mark.parametrize("cut", ["round", "blank"])
def test_lungs_that_end_at_padding_are_cut(case, cut: str) -> None:
    hu = sitk.GetArrayFromImage(case.volume)
    if cut == "blank":
        hu[: len(hu) // 3] = -1024
    else:
        y, x = np.ogrid[: hu.shape[1], : hu.shape[2]]
        hu[:, (y - hu.shape[1] / 2) ** 2 + (x - hu.shape[2] / 2) ** 2 > (0.3 * hu.shape[1]) ** 2] = -1024
    volume = image_like(hu, case.volume)
    masks = ThresholdSegmenter().segment(volume)
    found = measure(volume, find_structures(volume, masks), masks)
    assert {"right lung", "left lung"} <= set(found.conditions.cut)


def test_lungs_cut_by_a_round_field_of_view_alone_are_cut(case) -> None:
    hu, labels, bits = (sitk.GetArrayFromImage(image) for image in (case.volume, *images(case)))
    y, x = np.ogrid[: hu.shape[1], : hu.shape[2]]
    outside = (y - hu.shape[1] / 2) ** 2 + (x - hu.shape[2] / 2) ** 2 > (0.3 * hu.shape[1]) ** 2
    hu[:, outside], labels[:, outside], bits[:, outside] = -1024, 0, 0
    volume = image_like(hu, case.volume)
    found = measure(volume, *with_images(case, image_like(labels, volume), image_like(bits, volume)))
    whole = measure(case.volume, case.structures, case.masks)
    assert {"right lung", "left lung"} <= set(found.conditions.cut)
    assert not {"right lung", "left lung"} & set(whole.conditions.cut)


def test_without_a_pleura_nothing_is_said_about_air_and_fluid_around_the_lungs(case) -> None:
    bits = sitk.GetArrayFromImage(case.masks.bits)
    masks = RegionMasks.from_bits(bits, frozenset({"lung"}), case.masks.bits, segmenter="label map")
    found = measure(case.volume, find_structures(case.volume, masks), masks)
    for name in ("effusion_volume", "pleural_air"):
        assert all(m.text == "not given: the pleura was not found" for m in found.measurements if m.measure == name)


def test_nothing_found_in_a_given_pleura_is_stated_for_this_outline_only(evidence) -> None:
    for name in ("effusion_volume", "pleural_air"):
        assert one(evidence, name, "left").text == "0 mL (within the outline of the pleura)"


def test_shifted_hu_are_seen_in_the_air_of_the_trachea(case, evidence) -> None:
    assert one(evidence, "low_attenuation").conditions[-1].met
    shifted = one(measure(case.volume - 60, case.structures, case.masks), "low_attenuation")
    assert shifted.adjective is None and any("the air in the trachea has -10" in r for r in shifted.reservations)


def test_contrast_medium_is_seen_in_the_blood_and_withholds_calcium_and_adjectives(case) -> None:
    hu = sitk.GetArrayFromImage(case.volume)
    for name in ("aorta", "heart"):
        part = case.structures.part(name)
        assert part is not None
        hu[part.box][part.mask] += 250
    evidence = measure(with_values(case, hu), case.structures, case.masks)
    assert evidence.conditions.enhanced
    assert one(evidence, "heart_calcium_volume").value is None
    for name in ("liver_hu", "vertebra_hu_mean"):
        assert one(evidence, name).reserved and one(evidence, name).adjective is None


def conditions(**changes) -> ScanConditions:
    plain = dict.fromkeys(("noise_hu", "noise_correlation", "blood_hu", "lung_hu", "low_attenuation_percent"))
    seen = {"slice_spacing_mm": 2.5, "pixel_spacing_mm": 0.7, "cut": (), "metal": False, "padded": False}
    return ScanConditions(**{**plain, **seen, **changes})


@pytest.mark.parametrize("name", [LOW_NOISE, SOFT_KERNEL, UNENHANCED])
def test_noise_kernel_and_contrast_that_are_unknown_are_not_assumed_to_be_harmless(name: str) -> None:
    """Only the lungs of a scan with a sharp kernel, without its trachea, must not become emphysema."""
    assert check(name, conditions(), ("lungs",), False).met is False
    known = conditions(noise_hu=12.0, noise_correlation=0.8, blood_hu=40.0)
    assert check(name, known, ("lungs",), False).met is True


@pytest.mark.parametrize(("blood", "enhanced"), [(65, False), (66, None), (100, None), (101, True)])
def test_blood_between_plain_and_enhanced_is_uncertain_and_reserved_like_contrast_medium(blood: int, enhanced) -> None:
    seen = conditions(blood_hu=float(blood))
    assert seen.enhanced is enhanced and check(UNENHANCED, seen, ("heart",), False).met is (enhanced is False)
    uncertain = f"the blood may contain contrast medium ({blood} HU)"
    assert (technique(seen)["Contrast"] == f"uncertain: {uncertain}") is (enhanced is None)
    assert (check(UNENHANCED, seen, ("heart",), False).reason == uncertain) is (enhanced is None)


def test_the_technique_names_everything_that_was_seen() -> None:
    seen = conditions(
        noise_hu=14.2,
        noise_correlation=0.6,
        blood_hu=38.0,
        lung_hu=-650.0,
        cut=("lung", "heart", "bone", "abdomen", "heart", "right lung", "lung_right", "liver", "vertebra_1"),
        metal=True,
        padded=True,
    )
    assert technique(seen) == {
        "Slices": "2.5 mm apart, pixels of 0.7 mm",
        "Noise": "14 HU (tracheal air)",
        "Kernel": "soft",
        "Contrast": "no contrast medium in the blood (blood 38 HU)",
        "Inspiration": "the lungs are not fully inflated (median -650 HU)",
        "Only partly in view": "heart, right lung, liver",
        "In view": "metal",
        "Padding": "the corners of the image were not scanned",
    }
    assert technique(conditions()) == {"Slices": "2.5 mm apart, pixels of 0.7 mm"}


def test_the_header_stands_beside_what_the_image_shows_and_disagreement_is_told() -> None:
    tags = AcquisitionTags("LUNG", 120, 3.75, "OMNIPAQUE 350")
    agreeing = technique(conditions(noise_correlation=0.1, blood_hu=240.0, tags=tags))
    assert agreeing["Slices"].endswith("(header: 3.75 mm thick)") and agreeing["Tube voltage"] == "120 kV (header)"
    assert agreeing["Kernel"] == "sharp (header: LUNG)"
    assert agreeing["Contrast"] == "contrast medium in the blood (blood 240 HU; header: OMNIPAQUE 350)"
    other = technique(conditions(noise_correlation=0.6, blood_hu=38.0, tags=tags))
    assert other["Kernel"] == "soft in the image, although the header says LUNG (sharp)"
    assert other["Contrast"].endswith("(blood 38 HU), although the header names OMNIPAQUE 350")
    unseen = technique(conditions(tags=tags))
    assert unseen["Kernel"] == unseen["Contrast"].replace("OMNIPAQUE 350", "LUNG")
    assert unseen["Kernel"] == "not judged by the image (header: LUNG)"


def test_tags_of_a_header_change_no_measurement(case, evidence) -> None:
    tagged = sitk.Image(case.volume)
    tagged.SetMetaData("0018|1210", "LUNG")
    tagged.SetMetaData("0018|0010", "OMNIPAQUE")
    again = measure(tagged, case.structures, case.masks)
    assert again.measurements == evidence.measurements
    assert again.conditions.tags == AcquisitionTags(kernel="LUNG", contrast_agent="OMNIPAQUE")


def with_values(case: PhantomCase, hu: np.ndarray) -> sitk.Image:
    """Return an image with new values on the grid of a phantom."""
    image = sitk.GetImageFromArray(hu)
    image.CopyInformation(case.volume)
    return image


def test_metal_counts_within_the_body_only(case, evidence) -> None:
    assert not evidence.conditions.metal
    hu = sitk.GetArrayFromImage(case.volume)
    hu[60:66, 1:7, 1:7] = 3000  # a cable beside the patient
    assert not measure(with_values(case, hu), case.structures, case.masks).conditions.metal
    middle = np.array(hu.shape) // 2
    hu[middle[0] : middle[0] + 3, middle[1] : middle[1] + 3, middle[2] : middle[2] + 3] = 3000
    conditions = measure(with_values(case, hu), case.structures, case.masks).conditions
    assert conditions.metal and technique(conditions)["In view"] == "metal"


def test_an_estimated_heart_does_not_deny_calcium(case) -> None:
    hu = with_calcium(case)
    hu[hu == 500] = 40
    exact = one(measure(with_values(case, hu), case.structures, case.masks), "heart_calcium_volume")
    assert exact.value == 0
    structures = replace(case.structures, approximate=frozenset({"heart"}))
    estimated = one(measure(with_values(case, hu), structures, case.masks), "heart_calcium_volume")
    assert estimated.text == "not given: none was found, but outlines are estimated"


def measure_on_grid_of(volume: sitk.Image, case: PhantomCase) -> Evidence:
    """Measure a volume with the structures of a phantom, whose voxels get the size of the volume's."""
    labels, bits = sitk.Image(case.structures.labels), sitk.Image(case.masks.bits)
    for image in (labels, bits):
        image.CopyInformation(volume)
    return measure(volume, *with_images(case, labels, bits))


def with_calcium(case: PhantomCase, noise_hu: float = 0.0) -> np.ndarray:
    """Return a phantom's values with a calcified lesion of 3 x 3 x 1 voxels within the heart."""
    part = case.structures.part("heart")
    assert part is not None
    hu = sitk.GetArrayFromImage(case.volume)
    heart = hu[part.box]
    heart[part.mask] = 40 + np.random.RandomState(3).normal(0, noise_hu, part.mask.sum())
    z, y, x = (int(c) for c in np.argwhere(part.mask).mean(axis=0))
    heart[z, y : y + 3, x : x + 3] = 500
    return hu


def test_calcium_is_measured_unless_noise_looks_like_it(case) -> None:
    found = one(measure(with_values(case, with_calcium(case)), case.structures, case.masks), "heart_calcium_volume")
    assert found.value == pytest.approx(9 * np.prod(case.volume.GetSpacing()), rel=1e-6)
    ordinal = one(measure(case.volume, case.structures, case.masks), "coronary_calcium_class")
    assert ordinal.value is None and ordinal.text == "not given: the coronary arteries are not segmented"
    assert "ungated" in found.label
    noisy = measure(with_values(case, with_calcium(case, 40)), case.structures, case.masks)
    refused = one(noisy, "heart_calcium_volume")
    assert refused.value is None and refused.text.endswith("HU in the heart looks like calcium")


def test_bone_that_an_estimated_heart_includes_is_not_calcium(case) -> None:
    hu = with_calcium(case)
    lesion = hu == 500
    arrays = {name: case.masks.array(name) for name in case.masks.present}
    arrays["bone"] = arrays["bone"] | np.roll(lesion, 2, axis=1)  # a rib beside the lesion
    masks = RegionMasks.from_arrays(arrays, case.volume, segmenter="test")
    assert one(measure(with_values(case, hu), case.structures, masks), "heart_calcium_volume").value == 0


def test_slices_above_4_mm_and_large_pixels_give_no_calcium_and_reserve_the_trachea(case) -> None:
    coarse = with_values(case, with_calcium(case))
    coarse.SetSpacing((2.5, 2.5, 4.5))
    evidence = measure_on_grid_of(coarse, case)
    refused = one(evidence, "heart_calcium_volume")
    assert refused.text == "not given: slices are 4.5 mm apart; pixels are 2.5 mm wide"
    assert one(evidence, "trachea_coronal").reservations == ("pixels are 2.5 mm wide",)


def test_slices_of_8_mm_are_reserved(case) -> None:
    coarse = sitk.Image(case.volume)
    coarse.SetSpacing((1.0, 1.0, 8.0))
    evidence = measure_on_grid_of(coarse, case)
    names = ("low_attenuation", "percentile_15", "high_attenuation", "trachea_ratio", "ascending_aorta")
    found = [m for m in evidence.measurements if m.measure in (*names, "vertebra_height") and m.value is not None]
    assert {m.measure for m in found} >= set(names)
    assert all("slices are 8 mm apart" in m.reservations for m in found)
    assert one(evidence, "heart_calcium_volume").value is None


def test_the_kernel_is_judged_by_the_size_of_the_pixels() -> None:
    assert conditions(noise_correlation=0.45).sharp_kernel
    assert not conditions(noise_correlation=0.45, pixel_spacing_mm=1.5).sharp_kernel
    assert conditions(noise_correlation=0.3, pixel_spacing_mm=1.5).sharp_kernel
    assert conditions().sharp_kernel is None


def test_the_carina_is_where_the_longest_tube_divides() -> None:
    lumen = np.zeros((60, 20, 40), bool)
    lumen[54:, 8:12, 14:26] = True  # the throat
    lumen[50:54, 8:12, 14:18] = lumen[50:54, 8:12, 22:26] = True  # divides around the larynx
    lumen[20:50, 8:12, 14:26] = True  # the trachea
    lumen[10:20, 8:12, 8:16] = lumen[16:20, 8:12, 24:32] = True  # its bronchi, of which one runs out of the slices
    lumen[5:10, 6:9, 8:12] = lumen[5:10, 11:14, 12:16] = True
    whole = (slice(0, 60), slice(0, 20), slice(0, 40))
    assert carina_slice(Part(whole, lumen)) == 20
    tube = np.zeros_like(lumen)
    tube[:, 8:12, 14:26] = True
    assert carina_slice(Part(whole, tube)) is None


def test_corners_with_a_single_value_are_padding(case, evidence) -> None:
    assert not evidence.conditions.padded
    hu = sitk.GetArrayFromImage(case.volume)
    size = hu.shape[1]
    rows, columns = np.indices(hu.shape[1:])
    hu[:, np.hypot(rows - size / 2, columns - size / 2) > size / 2] = -1024
    assert measure(with_values(case, hu), case.structures, case.masks).conditions.padded


def test_the_orientation_of_the_volume_changes_nothing(case, evidence) -> None:
    turned = [sitk.DICOMOrient(image, "PIR") for image in (case.volume, case.structures.labels, case.masks.bits)]
    structures, masks = replace(case.structures, labels=turned[1]), replace(case.masks, bits=turned[2])
    again = measure(turned[0], structures, masks)
    assert [(m.name, m.value) for m in again.measurements] == [(m.name, m.value) for m in evidence.measurements]


def test_evidence_survives_json(evidence) -> None:
    assert from_plain(Evidence, json.loads(json.dumps(to_plain(evidence))), "evidence") == evidence


def test_a_region_without_measurements_is_not_assessed_rather_than_normal(evidence) -> None:
    assert region_sentences(evidence, "breast") == (NOT_ASSESSED,)
    text = " ".join(sentence for region in REGION_NAMES for sentence in region_sentences(evidence, region))
    assert "normal" not in text.lower() and "not given" not in text


def test_lungs_that_touch_are_cut_between_the_sides() -> None:
    lungs = np.zeros((12, 20, 60), bool)
    lungs[:, 4:16, 5:28] = lungs[:, 4:16, 32:55] = True
    lungs[5:7, 8:10, 28:32] = True
    right, left = split_lungs(lungs)
    assert np.array_equal(right | left, lungs) and not (right & left).any()
    assert right[:, :, :28].sum() == lungs[:, :, :28].sum() and left[:, :, 32:].sum() == lungs[:, :, 32:].sum()


def test_several_stones_in_a_kidney_have_different_keys() -> None:
    labels, hu = np.zeros((8, 24, 24), np.uint8), np.full((8, 24, 24), 30, np.int16)
    labels[1:7, 2:22, 2:22] = structure_label("kidney_left")
    hu[3, 5:9, 5:9] = hu[3, 15:22, 15:22] = 600
    volume, bits = sitk.GetImageFromArray(hu), sitk.GetImageFromArray(np.zeros(hu.shape, np.uint16))
    scan = Scan.create(volume, Structures(sitk.GetImageFromArray(labels), "test"), RegionMasks(bits, "test"))
    stones = [reading for reading in abdomen_measures(scan) if reading.measure == "kidney_stone"]
    assert [stone.part for stone in stones] == ["left kidney, 1 of 2", "left kidney, 2 of 2"]
    assert (stones[0].value or 0) > (stones[1].value or 0) > 3


def test_a_lung_on_one_side_of_the_spine_is_not_split_into_two() -> None:
    lung = np.zeros((12, 20, 60), bool)
    lung[:, 4:16, 5:28] = True
    right, left = split_lungs(lung, spine_column=30.0)
    assert np.array_equal(right, lung) and not left.any()
    right, left = split_lungs(lung[:, :, ::-1], spine_column=30.0)
    assert np.array_equal(left, lung[:, :, ::-1]) and not right.any()


@pytest.mark.slow
def test_the_command_writes_table_csv_picture_and_structures(phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    finished = run_process("measure", volume, "-o", tmp_path / "out", "--regions", regions)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[0] == DRAFT_LABEL
    assert finished.stdout.splitlines()[-1] == str(tmp_path / "out")
    assert "Lung volume, right lung" in finished.stdout and "Technique: " in finished.stdout
    content = json.loads((tmp_path / "out" / "measurements.json").read_text())
    assert content["disclaimer"] == DRAFT_LABEL and len(content["measurements"]) > 20
    with (tmp_path / "out" / "measurements.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["measure"] for row in table] == [m["measure"] for m in content["measurements"]]
    assert (tmp_path / "out" / "measurements.png").read_bytes().startswith(b"\x89PNG")
    header = sitk.ReadImage(str(tmp_path / "out" / "structures.seg.nrrd"))
    ids = [header.GetMetaData(key) for key in header.GetMetaDataKeys() if key.endswith("_ID")]
    assert {"lung_right", "lung_left", "heart"} <= set(ids) <= set(STRUCTURE_NAMES)


def test_scalars_of_a_region_are_scaled_and_say_how_far_they_are_known(case, evidence) -> None:
    names = ("volume", "mean_hu", "low_attenuation", "liver_hu")
    volume, density, emphysema, liver = region_scalars(names, "lung", case.volume, case.masks, evidence)
    mask = case.masks.array("lung")
    milliliters = mask.sum() * np.prod(case.volume.GetSpacing()) / 1000
    hu = sitk.GetArrayFromImage(case.volume)[mask]
    assert volume == pytest.approx((np.log10(1 + milliliters) / 4, 1), abs=1e-5)
    assert density == pytest.approx((hu[hu > -1024].mean() / 1000, 1), abs=1e-4)
    measured = one(evidence, "low_attenuation")
    assert measured.value is not None
    assert emphysema == pytest.approx((measured.value / 100, 0.5 if measured.reserved else 1), abs=1e-5)
    assert tuple(liver) == (0, 0), "the liver belongs to another region"
    assert region_scalars(names, "abdomen", case.volume, case.masks, evidence)[3, 1] > 0


@pytest.mark.slow
def test_the_descending_aorta_is_found_by_its_contrast_medium_and_only_then() -> None:
    case = make_phantom(609, PhantomConfig(size=(160, 160, 128)))
    evidence = measure(case.volume, find_structures(case.volume, case.masks), case.masks)
    descending, ascending = one(evidence, "descending_aorta"), one(evidence, "ascending_aorta")
    assert descending.value == pytest.approx(
        case.known_values["descending_aorta"], abs=1.5 * case.volume.GetSpacing()[0]
    )
    assert descending.reserved and ascending.value is None
    plain = make_phantom(303, PhantomConfig(size=(128, 128, 96)))
    assert measure(plain.volume, plain.structures, plain.masks).conditions.enhanced is False
    assert find_structures(plain.volume, plain.masks).part("aorta") is None


@pytest.mark.slow
def test_the_aorta_of_real_cts_is_found_in_those_with_contrast_medium(shared: Path) -> None:
    found = {}
    for number in ("01", "07", "02", "16"):
        volume = read_volume(shared / f"data/real/{number}.nii.gz")
        nothing = RegionMasks.from_arrays({}, volume, segmenter="none")
        part = find_structures(volume, nothing).part("aorta")
        found[number] = part is not None
    assert found == {"01": True, "07": True, "02": False, "16": False}


def test_smoothing_slab_by_slab_finds_the_same_voxels_as_smoothing_the_whole() -> None:
    values = np.random.default_rng(0).integers(-1000, 400, (90, 20, 24)).astype(np.int16)
    spacing = (1.0, 0.8, 0.7)
    whole = smoothed(values, 1.5, spacing)
    found = smoothed_between(values, 1.5, spacing, -350.0, -250.0)
    assert found.any() and not found.all()
    assert np.array_equal(found, (whole >= -350.0) & (whole <= -250.0))


def test_labeling_components_needs_little_more_than_their_labels() -> None:
    mask = np.zeros((100, 100, 100), bool)
    mask[10:40, 10:90, 10:90] = mask[50:52, 20:30, 20:30] = True
    tracemalloc.start()
    try:
        labels, sizes = components(mask)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes.tolist() == [30 * 80 * 80, 2 * 10 * 10] and np.array_equal(labels > 0, mask)
    assert peak < 8 * mask.size  # counting the labels of the whole array would need 12 bytes per voxel
