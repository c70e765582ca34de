"""Phantoms: synthetic chest CTs whose images, masks, findings and reports agree."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation, label

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS, LABELS, Status, extract_mentions
from reg2rg.phantom import FINDING_LABELS, PhantomCase, PhantomConfig, PlantedFinding, make_phantom, write_dataset
from reg2rg.phantom.body import Canvas, Physique, Surfaces, build_anatomy
from reg2rg.phantom.contact_sheet import draw_sheet
from reg2rg.phantom.findings import KINDS, sample_findings
from reg2rg.phantom.findings.bone_findings import THORACIC_SPINE_PARTS
from reg2rg.phantom.report import write_section
from reg2rg.phantom.report.wordings import wordings
from reg2rg.phantom.scanner import Scanner
from reg2rg.regions import REGION_NAMES

SEEDS = range(10)
LOBED = {kind.label for kind in KINDS if kind.region == "lung"}
FOCAL = ("Lung nodule", "Thyroid nodule", "Breast mass", "Lytic bone lesion", "Sclerotic bone lesion", "Liver cyst")
READ = set(ALL_LABELS)
"""Labels that the labeler can extract from text."""


@cache
def phantom(seed: int) -> PhantomCase:
    return make_phantom(seed)


@cache
def healthy(seed: int) -> PhantomCase:
    return make_phantom(seed, findings=[])


@cache
def female() -> int:
    return next(seed for seed in SEEDS if "breast" in phantom(seed).masks.present)


@cache
def with_kind(label: str) -> PhantomCase:
    """Return a female phantom with one randomly sampled finding of a kind."""
    cases = (sample_findings(np.random.default_rng(seed), female=True) for seed in range(10_000))
    finding = next(f for findings in cases for f in findings if f.label == label and (f.size_mm or 9) >= 8)
    return make_phantom(female(), findings=[finding])


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def planted(case: PhantomCase) -> list[tuple[PlantedFinding, np.ndarray]]:
    bits = array(case.finding_bits)
    return [(finding, bits >> index & 1 > 0) for index, finding in enumerate(case.findings)]


def in_mm(case: PhantomCase, mask: np.ndarray) -> np.ndarray:
    """Return the centers of a mask's voxels, (N, 3) in mm, LPS."""
    return np.argwhere(mask)[:, ::-1] * case.volume.GetSpacing() + case.volume.GetOrigin()


@cache
def surfaces_of(seed: int) -> Surfaces:
    """Return the surfaces of the healthy body of a seed."""
    return sampled_body(seed)[0]


def sampled_body(seed: int) -> tuple[Surfaces, Scanner, np.random.Generator]:
    """Return surfaces and scanner of a seed, and the generator of its body."""
    body, scan = (np.random.default_rng((seed, 0, stream)) for stream in (0, 3))
    physique = Physique.sample(body, "training")
    surfaces = Surfaces.sample(physique, body)
    return surfaces, Scanner.sample(physique, surfaces, "training", scan), body


def sections(count: int) -> list[tuple[str, list[PlantedFinding], str]]:
    """Return region, findings and text of every section of the given number of cases."""
    result = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        findings = sample_findings(rng, female=seed % 2 == 0)
        for region in REGION_NAMES:
            own = [finding for finding in findings if finding.region == region]
            result.append((region, own, write_section(region, own, rng)))
    return result


def test_the_same_seed_gives_the_same_phantom():
    first, second = make_phantom(7), make_phantom(7)
    for name in ("volume", "finding_bits"):
        assert np.array_equal(array(getattr(first, name)), array(getattr(second, name)))
    assert np.array_equal(array(first.masks.bits), array(second.masks.bits))
    assert (first.sections, first.findings) == (second.sections, second.findings)


def test_another_seed_or_population_gives_a_different_body_and_report():
    other = make_phantom(0, PhantomConfig(population="held-out"))
    for case in (phantom(1), other):
        assert not np.array_equal(array(phantom(0).masks.bits), array(case.masks.bits))
        assert phantom(0).sections != case.sections


def test_enriched_cases_have_more_findings_especially_rare_ones_and_some_have_none():
    def sampled_labels(enriched: bool) -> list[list[str]]:
        rngs = [np.random.default_rng(seed) for seed in range(2000)]
        return [[f.label for f in sample_findings(rng, female=True, enriched=enriched)] for rng in rngs]

    natural, enriched = (Counter(sum(cases, [])) for cases in (sampled_labels(False), sampled_labels(True)))
    gain = {label: enriched[label] / natural[label] for label in FINDING_LABELS}
    assert min(gain.values()) > 1 and gain["Pneumothorax"] > 1.5 * gain["Lung nodule"]
    assert 0.2 < np.mean([not case for case in sampled_labels(True)]) < 0.35


def test_enrichment_does_not_change_the_body_of_a_seed():
    config = PhantomConfig(size=(48, 48, 40))
    bodies = [make_phantom(3, dataclasses.replace(config, enriched=enriched), []) for enriched in (False, True)]
    assert np.array_equal(array(bodies[0].volume), array(bodies[1].volume))
    assert len(make_phantom(3, dataclasses.replace(config, enriched=True)).findings) > 2


@pytest.mark.parametrize("seed", SEEDS)
def test_every_region_has_a_mask_and_a_section_and_only_male_phantoms_lack_the_breast(seed):
    case = phantom(seed)
    assert set(REGION_NAMES) - set(case.masks.present) <= {"breast"}
    assert tuple(case.sections) == case.masks.present


def test_both_sexes_occur():
    assert {"breast" in phantom(seed).masks.present for seed in SEEDS} == {True, False}


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_have_plausible_relative_positions(seed):
    case = healthy(seed)
    where = {region: in_mm(case, case.masks.array(region)).mean(axis=0) for region in case.masks.present}
    assert where["thyroid"][2] > where["trachea and bronchie"][2] > where["heart"][2] > where["abdomen"][2]
    assert where["heart"][0] > 5, "the heart lies on the left"
    assert where["heart"][1] < where["esophagus"][1], "the esophagus runs behind the heart"
    if "breast" in where:
        assert where["breast"][1] < where["heart"][1] - 20


@pytest.mark.parametrize("seed", SEEDS)
def test_regions_overlap_only_where_anatomy_does(seed):
    masks = phantom(seed).masks
    heart, lung, mediastinum = (masks.array(name) for name in ("heart", "lung", "mediastinum"))
    assert (heart & mediastinum).sum() > 0.9 * heart.sum()
    assert (masks.array("esophagus") & mediastinum).sum() > 0.4 * masks.array("esophagus").sum()
    for name in ("heart", "mediastinum", "pleura", "bone", "abdomen"):
        assert (masks.array(name) & lung).sum() <= 0.002 * lung.sum(), name


@pytest.mark.parametrize("seed", SEEDS)
def test_tissues_have_realistic_densities(seed):
    case = healthy(seed)
    hu = array(case.volume)
    for region, low, high in (("lung", -900, -700), ("heart", 20, 150), ("bone", 150, 500), ("thyroid", 60, 170)):
        assert low < np.median(hu[case.masks.array(region)]) < high, region
    assert -1030 < np.median(hu[:, :8, :]) < -960, "air surrounds the body"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_body_has_a_sternum_lung_vessels_and_stomach_gas_and_lies_on_a_table(seed):
    case = healthy(seed)
    hu, mask = array(case.volume), case.masks.array
    heart, bone = (in_mm(case, mask(region)) for region in ("heart", "bone"))
    in_front = (bone[:, 1] < heart[:, 1].min()) & (np.abs(bone[:, 0] - np.median(bone[:, 0])) < 15)
    assert in_front.sum() > 50, "a sternum in front of the heart"
    assert 0.01 < (hu[mask("lung")] > -400).mean() < 0.25, "vessels"
    assert (hu[mask("abdomen")] < -500).mean() > 0.0005, "gas"
    matter, _ = label(hu > -700)
    below = (matter > 0) & (matter != np.bincount(matter[matter > 0]).argmax())
    assert (in_mm(case, below)[:, 1] > bone[:, 1].max()).sum() > 50, "a table behind the back"


def test_scans_vary_in_noise_contrast_and_field_of_view_and_bodies_in_arm_position():
    scans = [sampled_body(seed)[1] for seed in range(40)]
    assert max(scan.noise for scan in scans) > 1.5 * min(scan.noise for scan in scans)
    assert max(scan.blur for scan in scans) > 1.5 * min(scan.blur for scan in scans)
    assert {scan.round_view for scan in scans} == {scan.sharpen > 0 for scan in scans} == {True, False}
    physiques = [Physique.sample(np.random.default_rng((seed, 0, 0)), "training") for seed in range(40)]
    assert {physique.arms_up for physique in physiques} == {True, False}
    blood = [physique.blood_hu for physique in physiques]
    assert min(blood) < 60 and max(blood) > 120, "without and with contrast medium"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_a_planted_finding_changes_the_image_within_its_mask_and_lies_in_its_region(kind):
    case = with_kind(kind.label)
    ((finding, mask),) = planted(case)
    before, after = (np.clip(array(one.volume), -1000, 600).astype(float) for one in (healthy(female()), case))
    region = binary_dilation(case.masks.array(finding.region), iterations=2)
    change = np.abs(after - before)
    assert (finding.label, finding.region) == (kind.label, kind.region)
    assert change[mask].mean() > 25
    assert change[mask].mean() > 8 * change[~binary_dilation(mask, iterations=3)].mean()
    assert (mask & region).sum() >= 0.7 * mask.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_side_matches_the_mask(seed):
    case = phantom(seed)
    for finding, mask in planted(case):
        points = in_mm(case, mask)
        if finding.label == "Medical material":  # its side is that of the vein through which it enters
            points = points[np.linalg.norm(points - points[points[:, 2].argmin()], axis=1).argmax()][None]
        left = (points[:, 0] > 0).mean()
        low, high = {"left": (0.85, 1), "right": (0, 0.15), "both": (0.1, 0.9)}.get(finding.side, (0, 1))
        assert low <= left <= high, finding


@pytest.mark.parametrize("seed", SEEDS)
def test_the_level_matches_the_lobe_or_part_of_the_spine_that_holds_the_mask(seed):
    case, surfaces = phantom(seed), surfaces_of(seed)
    for finding, mask in planted(case):
        points = in_mm(case, mask)
        if finding.level and finding.label in LOBED:
            inside = surfaces.lobe(*points.T, finding.side, finding.level) < max(case.volume.GetSpacing())
            assert inside.mean() > 0.9, finding
        elif finding.level:
            low, high = np.array(THORACIC_SPINE_PARTS[finding.level]) * surfaces.physique.stretch
            assert low - 15 < points[:, 2].mean() < high + 15, finding


def test_lobes_partition_the_lung():
    case, surfaces = healthy(0), surfaces_of(0)
    points = in_mm(case, case.masks.array("lung"))
    lobes = [("right", "upper"), ("right", "middle"), ("right", "lower"), ("left", "upper"), ("left", "lower")]
    inside = np.array([surfaces.lobe(*points.T, side, level) < 0 for side, level in lobes])
    assert np.mean(inside.sum(axis=0) == 1) > 0.99
    assert all(0.05 < share < 0.4 for share in inside.mean(axis=1))


@pytest.mark.parametrize("name", FOCAL)
def test_the_size_is_the_longest_diameter_of_the_mask(name):
    case = with_kind(name)
    ((finding, mask),) = planted(case)
    points = in_mm(case, label(mask)[0] == 1)
    across = 2 * np.linalg.norm(points - points.mean(axis=0), axis=1).max()
    assert abs(across - finding.size_mm) <= 1.2 * max(case.volume.GetSpacing()), (finding, across)


def test_an_effusion_is_as_deep_as_its_size():
    case = make_phantom(1, findings=[PlantedFinding("Pleural effusion", "pleura", "left", None, 40.0, "moderate")])
    ((_, mask),) = planted(case)
    depth = mask.sum(axis=1).max() * case.volume.GetSpacing()[1]
    assert abs(depth - 40) < 8


def test_each_finding_has_its_own_mask_and_masks_may_overlap():
    both = [
        PlantedFinding("Emphysema", "lung", "both", None, None, "severe"),
        PlantedFinding("Mosaic attenuation pattern", "lung", "both"),
    ]
    masks = [mask for _, mask in planted(make_phantom(3, findings=both))]
    assert (masks[0] & masks[1]).any() and (masks[0] & ~masks[1]).any() and (masks[1] & ~masks[0]).any()


def test_finding_bits_follow_the_order_of_the_findings():
    for seed in SEEDS:
        case = phantom(seed)
        order = [FINDING_LABELS.index(finding.label) for finding in case.findings]
        assert order == sorted(set(order))
        assert int(np.bitwise_or.reduce(array(case.finding_bits), axis=None)) == (1 << len(order)) - 1
        for finding, mask in planted(case):
            assert np.allclose(finding.center_mm, in_mm(case, mask).mean(axis=0), atol=0.1)


def test_frequencies_are_uneven_and_every_kind_occurs_often_enough_to_learn():
    cases = [sample_findings(np.random.default_rng(seed), female=seed % 2 == 0) for seed in range(4000)]
    counts = {label: sum(f.label == label for case in cases for f in case) / len(cases) for label in FINDING_LABELS}
    assert min(counts.values()) > 0.028 and counts["Lung nodule"] > 5 * counts["Pneumothorax"]
    assert 0.26 < np.mean([not case for case in cases]) < 0.34
    assert max(len(case) for case in cases) == 8
    sizes = np.array([f.size_mm for case in cases for f in case if f.label == "Lung nodule"])
    assert sizes.min() <= 5 and sizes.max() >= 24 and np.mean(sizes < 15) > 0.6


def read(text: str, region: str) -> dict[str, tuple[str | None, str | None, float | None]]:
    """Return label -> side, level and size (mm) of the findings a section states."""
    result = {}
    for found in extract_mentions(text, region):
        if found.status is not Status.ABSENT:
            side = "both" if len(found.sides) == 2 else next(iter(found.sides), None)
            level = next(iter(found.levels & {"upper", "middle", "lower"}), None)
            assert found.label not in result, text
            result[found.label] = (side, level, found.size_mm)
    return result


def test_a_section_states_exactly_the_planted_findings():
    for region, findings, text in sections(300):
        expected = {f.label: (f.side, f.level, f.size_mm) for f in findings if f.label in READ}
        assert read(text, region) == expected, text


def test_sentences_are_well_formed_and_every_finding_has_several_wordings():
    used = " ".join(text for _, _, text in sections(300))
    assert not re.search(r"[{}\[\]|]|None|\ba [aeiou8]|\ba 1[18]\b|\ban [^aeiou81]| ,|\.\.", used)
    for kind in KINDS:
        subjects = ("Rib fracture", "Vertebral fracture") if kind.label == "Fracture" else (kind.label,)
        assert all(len(wordings()["present", name]) >= 3 for name in subjects)
        assert len(wordings()["absent", kind.label]) >= 2


def test_the_vocabulary_is_small_and_sections_are_short():
    texts = [text for _, _, text in sections(300)]
    assert len({word for text in texts for word in re.findall(r"[a-z]+|\d+", text.lower())}) < 350
    lengths = [len(text.split()) for text in texts]
    assert 3 <= min(lengths) and max(lengths) <= 80


def test_there_are_27_kinds_that_cover_all_regions_and_all_labels():
    assert {kind.region for kind in KINDS} == set(REGION_NAMES)
    assert len(set(FINDING_LABELS)) == len(FINDING_LABELS) == 27
    assert set(LABELS) <= set(FINDING_LABELS)


def painted(seed: int, size: tuple[int, int, int], spacing: tuple[float, float, float]) -> Canvas:
    """Return the body of a seed before the scanner adds blur and noise."""
    surfaces, scanner, body = sampled_body(seed)
    canvas = scanner.canvas(size, spacing)
    build_anatomy(canvas, surfaces.physique, surfaces, body)
    return canvas


def test_a_fine_grid_averaged_shows_the_same_body_as_a_coarse_grid():
    fine = painted(2, (104, 104, 60), (0.7, 0.7, 1.0)).hu
    coarse = painted(2, (26, 26, 20), (2.8, 2.8, 3.0)).hu
    averaged = fine.reshape(20, 3, 26, 4, 26, 4).mean(axis=(1, 3, 5))
    assert np.corrcoef(averaged.ravel(), coarse.ravel())[0, 1] > 0.99
    assert abs(averaged - coarse).mean() < 20
    assert abs(averaged.mean() - coarse.mean()) < 8


def test_a_cropped_field_of_view_reports_only_the_findings_inside_it():
    findings = [PlantedFinding("Kidney stone", "abdomen", "left", None, 12.0), PlantedFinding("Cardiomegaly", "heart")]
    case = make_phantom(4, PhantomConfig(size=(90, 90, 40), spacing=(1.5, 1.5, 2.5)), findings)
    assert [finding.label for finding in case.findings] == ["Cardiomegaly"]
    assert "abdomen" not in case.sections or "stone of" not in case.sections["abdomen"]
    assert case.volume.GetSize() == (90, 90, 40) and case.volume.GetSpacing() == (1.5, 1.5, 2.5)


def test_small_shapes_keep_their_volume():
    canvas = Canvas((16, 16, 16), (3, 3, 4), (-24, -24, -32))
    for radius in (1.0, 2.0, 4.0, 9.0):
        volume = canvas.ellipsoid((0.7, 0.4, 0.2), radius).coverage.sum() * 36
        assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.15)


def test_a_data_set_has_the_published_layout_and_lists_the_findings(tmp_path):
    config = PhantomConfig(size=(48, 48, 40))
    assert write_dataset(tmp_path, "valid", [3, 7], config) == ["valid_1_a_1", "valid_2_a_1"]
    case = make_phantom(7, config)
    volume = sitk.ReadImage(str(tmp_path / "valid_preprocessed/valid_2/valid_2a/valid_2_a_1.nii.gz"))
    heart = sitk.ReadImage(str(tmp_path / "valid_region_mask/seg_valid_2_a_1/heart.nii.gz"))
    bits = sitk.ReadImage(str(tmp_path / "valid_finding_mask/valid_2_a_1.nii.gz"))
    assert np.diag(np.array(volume.GetDirection()).reshape(3, 3)).tolist() == [-1, -1, 1]
    for image, expected in ((volume, array(case.volume)), (bits, array(case.finding_bits))):
        assert np.array_equal(array(image), expected[:, ::-1, ::-1])
    assert np.array_equal(array(heart) > 0, case.masks.array("heart")[:, ::-1, ::-1])
    assert (tmp_path / "valid_region_mask/seg_valid_2_a_1/trachea and bronchie.nii.gz").is_file()

    texts = {row["Anatomy"]: row["Sentence"] for row in rows(tmp_path, "region_report")}
    whole_grid = texts.pop("")
    assert texts == case.sections and all(text in whole_grid for text in texts.values())
    listed = [(row["Label"], row["Side"], row["Level"], row["Severity"]) for row in rows(tmp_path, "findings")]
    assert listed == [(f.label, f.side or "", f.level or "", f.severity or "") for f in case.findings]
    assert [row["Bit"] for row in rows(tmp_path, "findings")] == [str(bit) for bit in range(len(case.findings))]


def rows(folder, table: str) -> list[dict[str, str]]:
    with (folder / f"radgenome_files/validation_{table}.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["Volumename"] == "valid_2_a_1.nii.gz"]


def test_a_contact_sheet_shows_every_volume():
    sheet = np.asarray(draw_sheet([("one", phantom(0).volume), ("two", phantom(1).volume)]))
    halves = np.array_split(sheet, 2, axis=1)
    assert all(half.std() > 20 for half in halves) and not np.array_equal(*halves)


def test_a_male_phantom_cannot_be_given_a_breast_mass():
    male = next(seed for seed in SEEDS if "breast" in phantom(seed).masks.missing)
    with pytest.raises(InputError, match="is male and cannot have breast findings"):
        make_phantom(male, findings=[PlantedFinding("Breast mass", "breast", "left", None, 20.0)])


def test_two_findings_with_the_same_label_are_refused():
    twice = [PlantedFinding("Cardiomegaly", "heart"), PlantedFinding("Cardiomegaly", "heart")]
    with pytest.raises(InputError, match="at most one per label"):
        make_phantom(0, findings=twice)


@pytest.mark.parametrize(
    ("finding", "missing"),
    [
        (PlantedFinding("Lung nodule", "lung", "left", "upper"), "size"),
        (PlantedFinding("Lung nodule", "lung", None, "upper", 9.0), "side"),
        (PlantedFinding("Lung opacity", "lung"), "side"),
        (PlantedFinding("Lytic bone lesion", "bone", size_mm=12.0), "side or a level"),
    ],
)
def test_a_finding_without_the_details_needed_to_plant_it_is_refused(finding, missing):
    with pytest.raises(InputError, match=f"{finding.label}.* without a {missing}"):
        make_phantom(0, PhantomConfig(size=(16, 16, 16)), [finding])


def test_an_unknown_split_or_population_is_refused(tmp_path):
    with pytest.raises(InputError, match="Unknown split 'tests'; expected one of: train, valid"):
        write_dataset(tmp_path, "tests", [1])
    with pytest.raises(InputError, match="Unknown population 'test'; expected one of: training, held-out"):
        PhantomConfig(population="test")
