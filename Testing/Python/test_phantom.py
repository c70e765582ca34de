"""The phantoms: synthetic chests whose images, masks, findings and reports agree."""

from __future__ import annotations

import csv
import re
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation

from reg2rg.errors import InputError
from reg2rg.phantom import (
    FINDINGS,
    Finding,
    PhantomCase,
    PhantomConfig,
    make_phantom,
    read_findings,
    read_statements,
    write_dataset,
)
from reg2rg.phantom.findings import draw_findings
from reg2rg.phantom.kinds import KINDS
from reg2rg.phantom.wording import effusion_word, rounded_size, write_section
from reg2rg.regions import REGION_NAMES

SEEDS = range(16)


@cache
def phantom(seed: int) -> PhantomCase:
    return make_phantom(seed)


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def drawn_cases(count: int) -> list[tuple[list, np.random.Generator]]:
    cases = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        cases.append((draw_findings(rng, female=seed % 2 == 0), rng))
    return cases


def test_the_same_seed_gives_the_same_phantom():
    first, second = make_phantom(7), make_phantom(7)
    assert np.array_equal(array(first.volume), array(second.volume))
    assert np.array_equal(array(first.masks.bits), array(second.masks.bits))
    assert np.array_equal(array(first.finding_labels), array(second.finding_labels))
    assert (first.sections, first.findings) == (second.sections, second.findings)


def test_another_seed_gives_another_body_and_report():
    assert not np.array_equal(array(phantom(0).masks.bits), array(phantom(1).masks.bits))
    assert phantom(0).sections != phantom(1).sections


@pytest.mark.parametrize("seed", SEEDS)
def test_every_region_has_a_mask_and_a_section_and_only_male_phantoms_lack_the_breast(seed):
    case = phantom(seed)
    assert set(REGION_NAMES) - set(case.masks.present) <= {"breast"}
    assert tuple(case.sections) == case.masks.present
    assert set(case.masks.missing) <= {"breast"}


def test_both_sexes_occur():
    assert {"breast" in phantom(seed).masks.present for seed in SEEDS} == {True, False}


def middle(case: PhantomCase, region: str) -> np.ndarray:
    """Centre of mass of a region in mm (x, y, z), LPS."""
    index = np.argwhere(case.masks.array(region)).mean(axis=0)[::-1]
    return np.array(case.volume.TransformContinuousIndexToPhysicalPoint(index.tolist()))


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_lie_where_a_body_has_them(seed):
    case = phantom(seed)
    where = {region: middle(case, region) for region in case.masks.present}
    assert where["thyroid"][2] > where["trachea and bronchie"][2] > where["heart"][2] > where["abdomen"][2]
    assert where["heart"][0] > 5, "the heart lies on the left"
    assert where["heart"][1] < where["esophagus"][1], "the esophagus runs behind the heart"
    if "breast" in where:
        assert where["breast"][1] < where["heart"][1] - 20


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_overlap_only_as_in_a_body(seed):
    masks = phantom(seed).masks
    heart, lung, mediastinum = (masks.array(name) for name in ("heart", "lung", "mediastinum"))
    assert (heart & mediastinum).sum() > 0.95 * heart.sum()
    assert (masks.array("esophagus") & mediastinum).sum() > 0.4 * masks.array("esophagus").sum()
    for name in ("heart", "mediastinum", "pleura", "bone", "abdomen", "trachea and bronchie"):
        assert (masks.array(name) & lung).sum() <= 0.002 * lung.sum(), name


@pytest.mark.parametrize("seed", SEEDS)
def test_tissues_have_their_densities(seed):
    case = phantom(seed)
    hu = array(case.volume)
    healthy = np.isin(array(case.finding_labels), (0, FINDINGS.index("Cardiomegaly") + 1))
    for region, low, high in (("lung", -900, -650), ("heart", 20, 130), ("bone", 150, 500), ("thyroid", 70, 170)):
        assert low < np.median(hu[case.masks.array(region) & healthy]) < high, region
    assert -1030 < np.median(hu[:, :8, :]) < -970, "air surrounds the body"


@pytest.mark.parametrize("seed", SEEDS)
def test_each_finding_lies_in_its_region_on_its_side(seed):
    case = phantom(seed)
    labels = array(case.finding_labels)
    assert set(np.unique(labels)) - {0} <= {FINDINGS.index(finding.label) + 1 for finding in case.findings}
    for finding in case.findings:
        mask = labels == FINDINGS.index(finding.label) + 1
        region = binary_dilation(case.masks.array(finding.region), iterations=2)
        assert mask.sum() >= 10, finding
        assert (mask & region).sum() >= 0.95 * mask.sum(), finding
        if finding.side:
            assert (finding.center_mm[0] > 0) == (finding.side == "left"), finding


@pytest.mark.parametrize("seed", SEEDS)
def test_a_level_is_the_third_of_the_regions_height(seed):
    case = phantom(seed)
    for finding in case.findings:
        if finding.level:
            filled = np.flatnonzero(case.masks.array(finding.region).any(axis=(1, 2)))
            height = (case.volume.TransformPhysicalPointToIndex(finding.center_mm)[2] - filled[0]) / np.ptp(filled)
            assert ("lower", "middle", "upper")[min(int(height * 3), 2)] == finding.level, finding


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_a_planted_finding_changes_the_image_where_it_lies(kind):
    female = next(seed for seed in SEEDS if "breast" in phantom(seed).masks.present)
    size = float(np.mean(kind.sizes[0])) if kind.sizes else None
    finding = Finding(kind.label, kind.region, "left" if kind.sided else None, kind.levels[0], size)
    healthy, case = (make_phantom(female, findings=findings) for findings in ([], [finding]))
    before, after = (np.clip(array(one.volume), -1000, 200).astype(float) for one in (healthy, case))
    mask = array(case.finding_labels) == FINDINGS.index(kind.label) + 1
    assert not array(healthy.finding_labels).any() and case.findings[0].label == kind.label
    assert np.abs(after - before)[mask].mean() > 45


def test_about_half_of_the_regions_are_normal_and_every_kind_is_drawn():
    drawn = [finding for findings, _ in drawn_cases(200) for finding in findings]
    assert {finding.label for finding in drawn} == set(FINDINGS)
    regions = {(seed, f.region) for seed, (findings, _) in enumerate(drawn_cases(200)) for f in findings}
    assert 0.48 < len(regions) / (200 * 9.5) < 0.58


def test_a_section_states_exactly_the_planted_findings():
    for findings, rng in drawn_cases(200):
        for region in REGION_NAMES:
            planted = {(f.label, f.side, f.level) for f in findings if f.region == region}
            text = write_section(region, [f for f in findings if f.region == region], rng)
            assert read_findings(region, text) == planted, text


def test_a_section_states_sizes_rounded_to_5_mm():
    for findings, rng in drawn_cases(200):
        for finding in findings:
            (statement,) = read_statements(finding.region, write_section(finding.region, [finding], rng))
            if finding.label == "Pleural effusion":
                assert abs(statement.size_mm - finding.size_mm) < 10
                assert effusion_word(statement.size_mm) == effusion_word(finding.size_mm)
            elif finding.size_mm:
                assert statement.size_mm == rounded_size(finding.size_mm)


@pytest.mark.parametrize(
    ("region", "text", "expected"),
    [
        ("lung", "No nodules, masses or consolidation.", set()),
        ("lung", "Nodules were not observed in the left upper zone.", set()),
        (
            "lung",
            "No emphysema; however, a 6 mm nodule is seen at the left base, lower lobe.",
            {("Lung nodule", "left", "lower")},
        ),
        ("heart", "Heart contour and size are normal. Pericardial effusion-thickening was not observed.", set()),
        ("heart", "Cardiomegaly without pericardial effusion.", {("Cardiomegaly", None, None)}),
        ("pleura", "Bilateral pleural effusion.", {("Pleural effusion", None, None)}),
        ("thyroid", "A nodule.", {("Thyroid nodule", None, None)}),
        ("lung", "", set()),
    ],
)
def test_free_text_is_read_with_its_denials(region, text, expected):
    assert read_findings(region, text) == expected


def test_the_vocabulary_is_small_and_sections_are_short():
    sections = [
        write_section(region, [f for f in findings if f.region == region], rng)
        for findings, rng in drawn_cases(300)
        for region in REGION_NAMES
    ]
    words = {word for text in sections for word in re.findall(r"[a-z]+|\d+", text.lower())}
    assert len(words) < 350
    lengths = [len(text.split()) for text in sections]
    assert 5 <= min(lengths) and max(lengths) <= 45
    assert not re.search(r"\ban (?![aeiou])", " ".join(sections))


def test_kinds_belong_to_regions_and_labels_fit_a_byte():
    assert {kind.region for kind in KINDS} == set(REGION_NAMES)
    assert len(set(FINDINGS)) == len(FINDINGS) < 255


def test_a_dataset_has_the_published_layout(tmp_path):
    names = write_dataset(tmp_path, "valid", [3, 4])
    assert names == ["valid_1_a_1", "valid_2_a_1"]
    volume = sitk.ReadImage(str(tmp_path / "valid_preprocessed/valid_1/valid_1a/valid_1_a_1.nii.gz"))
    heart = sitk.ReadImage(str(tmp_path / "valid_region_mask/seg_valid_1_a_1/heart.nii.gz"))
    labels = sitk.ReadImage(str(tmp_path / "valid_finding_labels/valid_1_a_1.nii.gz"))
    assert volume.GetSize() == heart.GetSize() == labels.GetSize()
    assert np.diag(np.array(volume.GetDirection()).reshape(3, 3)).tolist() == [-1, -1, 1]
    assert np.array_equal(array(volume), array(phantom(3).volume)[:, ::-1, ::-1])
    assert np.array_equal(array(heart) > 0, phantom(3).masks.array("heart")[:, ::-1, ::-1])
    assert (tmp_path / "valid_region_mask/seg_valid_1_a_1/trachea and bronchie.nii.gz").is_file()
    with (tmp_path / "radgenome_files/validation_region_report.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    first = {row["Anatomy"]: row["Sentence"] for row in rows if row["Volumename"] == "valid_1_a_1.nii.gz"}
    whole = first.pop("")
    assert first == phantom(3).sections
    assert all(text in whole for text in first.values())


def test_a_coarser_scan_shows_the_same_body():
    config = PhantomConfig(size=(64, 52, 56), spacing=(6.0, 6.0, 6.0))
    coarse = make_phantom(2, config)
    assert coarse.volume.GetSize() == (64, 52, 56)
    assert np.allclose(middle(coarse, "heart"), middle(phantom(2), "heart"), atol=3)


def test_a_male_phantom_cannot_be_given_a_breast_mass():
    male = next(seed for seed in SEEDS if "breast" in phantom(seed).masks.missing)
    with pytest.raises(InputError, match="is male"):
        make_phantom(male, findings=[Finding("Breast mass", "breast", "left", None, 20.0)])


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected one of train, valid"):
        write_dataset(tmp_path, "tests", [1])
