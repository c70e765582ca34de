"""Measurements of the real CTs in ../shared: nothing that is visibly wrong is given without a failed condition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.measurements import Evidence, Measurement, measure, technique
from reg2rg.measurements.measures import THIN_SLICES
from reg2rg.segmentation.structures import Structures
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume


class RealCTs:
    """The evidence of the real CTs in ../shared, measured once each with the structures of the thresholds segmenter."""

    def __init__(self, shared: Path) -> None:
        self.folder = shared / "data"
        self.known: dict[str, tuple[Structures, Evidence]] = {}

    def structures(self, name: str) -> Structures:
        return self._measured(name)[0]

    def evidence(self, name: str) -> Evidence:
        return self._measured(name)[1]

    def _measured(self, name: str) -> tuple[Structures, Evidence]:
        if name not in self.known:
            volume = read_volume(self.folder / VOLUMES[name])
            masks = ThresholdSegmenter().segment(volume)
            structures = find_structures(volume, masks)
            self.known[name] = structures, measure(volume, structures, masks)
        return self.known[name]


VOLUMES = {
    **{name: f"real/{name}.nii.gz" for name in ("01", "02", "07", "08", "09", "16", "17", "18")},
    "dicom": "real/dicom/scout_and_ct_jpegls",
    "chest 1": "ct/chest_ct_01.nii.gz",
    "chest 2": "ct/chest_ct_02.nii.gz",
    "crop": "ct/heart_crop_contrast_ct.nii.gz",
}


@pytest.fixture(scope="module")
def real(shared: Path) -> RealCTs:
    return RealCTs(shared)


def given(evidence: Evidence, *names: str) -> list[Measurement]:
    """Return the measurements of some measures that have a value."""
    return [m for m in evidence.measurements if m.measure in names and m.value is not None]


@pytest.mark.slow
def test_the_sharp_kernel_of_a_pair_does_not_become_emphysema(real: RealCTs) -> None:
    sharp, soft = real.evidence("08"), real.evidence("09")
    assert sharp.conditions.sharp_kernel and soft.conditions.sharp_kernel is False
    for evidence in (sharp, soft):
        (share,) = given(evidence, "low_attenuation")
        assert share.value is not None and share.value < 1 and share.reserved and share.adjective is None
    by_threshold_alone = [evidence.conditions.low_attenuation_percent or 0 for evidence in (sharp, soft)]
    assert by_threshold_alone[0] > 10 and by_threshold_alone[1] < 1
    volumes = [[m.value for m in given(evidence, "lung_volume")] for evidence in (sharp, soft)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_contrast_is_recognized_and_gives_no_liver_bone_or_calcium_without_reservation(real: RealCTs, name) -> None:
    evidence = real.evidence(name)
    assert evidence.conditions.enhanced is (name in ("01", "07", "crop"))
    if evidence.conditions.enhanced:
        assert not given(evidence, "heart_calcium_volume", "heart_calcium_score")
        assert all(m.reserved for m in given(evidence, "liver_hu", "spleen_hu", "vertebra_hu", "vertebra_hu_mean"))


@pytest.mark.slow
def test_the_volume_of_the_lungs_is_that_of_a_reference_segmentation(real: RealCTs) -> None:
    reference = sitk.ReadImage(str(real.folder / "ct" / "chest_ct_02_lungs_reference.nii.gz"))
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(reference) > 200)
    expected = voxels * float(np.prod(reference.GetSpacing())) / 1000
    volumes = [m.value or 0 for m in given(real.evidence("chest 2"), "lung_volume")]
    assert len(volumes) == 2 and sum(volumes) == pytest.approx(expected, rel=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01", "02", "08", "09", "dicom", "chest 2"])
def test_whole_chests_give_at_least_10_measures_by_thresholds_alone(real: RealCTs, name: str) -> None:
    assert len({m.measure for m in real.evidence(name).measurements if m.value is not None}) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["07", "16", "17", "18", "crop"])
def test_partial_chests_give_no_volume_thirds_or_cardiothoracic_ratio(real: RealCTs, name: str) -> None:
    evidence = real.evidence(name)
    assert not given(evidence, "lung_volume", "low_attenuation_part", "cardiothoracic_ratio", "dense_lung_largest")
    assert all(m.reserved for m in given(evidence, "low_attenuation", "high_attenuation", "percentile_15"))


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_densities_of_thick_slices_are_reserved(real: RealCTs, name: str) -> None:
    thick = real.evidence(name).conditions.slice_spacing_mm > 3.05
    shares = given(real.evidence(name), "low_attenuation", "percentile_15")
    assert shares and all(THIN_SLICES in [c.name for c in m.conditions if c.met is False] for m in shares) is thick


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_heavy_calcification_is_seen_where_it_is_and_not_elsewhere(real: RealCTs, name: str) -> None:
    found = given(real.evidence(name), "heart_calcium_volume")
    if name == "dicom":
        (calcium,) = found
        assert calcium.value is not None and 1500 < calcium.value < 3000 and calcium.reserved
    else:
        assert sum(m.value or 0 for m in found) < 20


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_no_real_ct_gets_air_or_fluid_around_the_lung_or_an_adjective(real: RealCTs, name: str) -> None:
    evidence = real.evidence(name)
    assert not given(evidence, "pleural_air", "effusion_volume"), "estimated outlines miss them"
    assert [m.name for m in evidence.measurements if m.adjective] == []
    assert not given(evidence, "heart_volume", "vertebra_hu", "vertebra_height"), "outlines are estimated"


@pytest.mark.slow
def test_the_trachea_is_measured_above_the_carina_although_the_throat_is_in_view(real: RealCTs) -> None:
    coronal, sagittal = given(real.evidence("dicom"), "trachea_coronal", "trachea_sagittal")
    assert coronal.value == pytest.approx(16.6, abs=1) and sagittal.value == pytest.approx(21.5, abs=1)
    assert given(real.evidence("18"), "trachea_area") == [], "the carina is not in view"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02", "07", "09", "dicom"])
def test_vertebral_bodies_are_bone_in_front_of_the_canal(real: RealCTs, name: str) -> None:
    structures = real.structures(name)
    hu = sitk.GetArrayFromImage(read_volume(real.folder / VOLUMES[name]))
    medians = []
    for vertebra in structures.vertebrae:
        part = structures.part(vertebra)
        assert part is not None
        medians.append(float(np.median(hu[part.box][part.mask])))
    assert len(medians) >= 9 and np.percentile(medians, 10) > 80, "the canal has about 30 HU"


@pytest.mark.slow
def test_the_header_of_the_dicom_volume_agrees_with_the_image(real: RealCTs) -> None:
    words = technique(real.evidence("dicom").conditions)
    assert words["Kernel"] == "soft (header: SOFT)" and words["Tube voltage"] == "140 kV (header)"
    assert words["Slices"] == "3.27 mm apart, pixels of 0.98 mm (header: 3.75 mm thick)"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metal"), [("01", True), ("16", True), ("crop", True), ("08", False), ("09", False)])
def test_metal_of_the_table_and_cables_is_not_metal_in_the_patient(real: RealCTs, name: str, metal: bool) -> None:
    assert real.evidence(name).conditions.metal is metal
