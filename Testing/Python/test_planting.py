"""Findings are planted into scans by means of their masks. A phantom stands in for a patient's scan here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist
from torch.utils.data import DataLoader

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.phantom import PlantedFinding, make_phantom
from reg2rg.phantom.findings import KINDS
from reg2rg.phantom.findings.nodule_shapes import directions, nodule_shapes
from reg2rg.planting import Host, HostEntry, PlantedCase, make_planted_case, open_host, read_host_list
from reg2rg.planting.augmentation import vary_body
from reg2rg.planting.grain import Grain
from reg2rg.planting.plant import PAINTERS, plant_findings
from reg2rg.planting.site import Site
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.morphology import dilated
from reg2rg.training.case_cache import CaseCache, CaseIndices
from reg2rg.training.config import MixedData, PhantomData, PlantedData
from reg2rg.training.datasets import open_source
from reg2rg.training.samples import IGNORED_CELL

UNKNOWN = ("Lung nodule", "Lymphadenopathy")

DENSITIES = {
    "Pleural effusion": (-5, 30),
    "Pneumothorax": (-1010, -960),
    "Consolidation": (-150, 60),
    "Liver cyst": (-15, 25),
    "Lytic bone lesion": (0, 90),
    "Sclerotic bone lesion": (500, 1000),
    "Pericardial effusion": (-80, 40),
    "Lymphadenopathy": (0, 75),
}
"""Finding -> range of the median HU of its voxels."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a healthy scan and a list of it and of another, held-out patient's."""
    folder = tmp_path_factory.mktemp("scans")
    sitk.WriteImage(make_phantom(12, findings=()).volume, str(folder / "a.nrrd"))
    sitk.WriteImage(make_phantom(13, findings=()).volume, str(folder / "b.nrrd"))
    unknown = ", ".join(UNKNOWN)
    (folder / "scans.yaml").write_text(
        f"- {{file: a.nrrd, patient: A, unknown: [{unknown}]}}\n- {{file: b.nrrd, patient: B, held_out: true}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def host(files: Path) -> Host:
    return open_host(read_host_list(files / "scans.yaml")[0], files)


@pytest.fixture(scope="module")
def case(host: Host) -> PlantedCase:
    return make_planted_case(3, host)


def finding(label: str, **fields: object) -> PlantedFinding:
    """Return a finding of a middling size on the right, in the lower lobe or spine where it has a level."""
    kind = next(kind for kind in KINDS if kind.label == label)
    sides = {side for _, side, _ in kind.locations}
    values: dict[str, object] = {"side": next((side for side in ("right", "both") if side in sides), None)}
    values["size_mm"] = float(np.mean(kind.sizes[:2])) if kind.sizes else None
    values["severity"] = kind.severities[-1] if kind.severities else None
    return PlantedFinding(label, kind.region, **(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("label", PAINTERS)
def test_a_planted_finding_changes_the_scan_where_its_mask_is_and_hardly_elsewhere(host: Host, label: str) -> None:
    site = Site(host)
    planted, bits = plant_findings(site, [finding(label)], (1,))
    assert [f.label for f in planted] == [label]
    mask = bits == 1
    change = np.abs(site.canvas.hu - site.original)
    assert np.median(change[mask]) > 25
    if label != "Pneumothorax":  # it also makes the lung behind it denser
        assert change[~dilated(mask, 9.0, site.spacing)].max(initial=0) < 400
        assert (change[~dilated(mask, 9.0, site.spacing)] > 25).mean() < 0.002
    if label in DENSITIES:
        low, high = DENSITIES[label]
        assert low < np.median(site.canvas.hu[mask]) < high


def test_a_finding_of_the_lung_lies_in_the_lung_of_its_side_and_lobe(host: Host) -> None:
    for level, low, high in (("upper", 0.45, 1.0), ("lower", 0.0, 0.72)):
        site = Site(host)
        (planted,), bits = plant_findings(site, [finding("Lung nodule", level=level, size_mm=12.0)], (2,))
        heights = np.flatnonzero(site.lungs["right"].any(axis=(1, 2)))
        z = np.argwhere(bits == 1).mean(axis=0)[0]
        assert low <= (z - heights[0]) / np.ptp(heights) <= high
        assert dilated(site.lungs["right"], 6.0, site.spacing)[bits == 1].all()
        assert planted.center_mm is not None and planted.center_mm[0] < 0, "x grows toward the patient's left"


def test_an_effusion_is_as_deep_as_its_size_says_and_lies_at_the_back(host: Host) -> None:
    site = Site(host)
    _, bits = plant_findings(site, [finding("Pleural effusion", size_mm=30.0)], (3,))
    mask = bits == 1
    depths = mask.sum(axis=1) * site.spacing[1]
    assert np.percentile(depths[depths > 0], 90) == pytest.approx(30, abs=7)
    lung = Site(host).lungs["right"]
    assert np.nonzero(mask)[1].mean() > np.nonzero(lung)[1].mean() + 10 / site.spacing[1]
    assert not (site.lungs["right"] & mask).any(), "what is filled is no longer lung"


def test_the_noise_of_a_planted_finding_is_the_noise_of_the_scan(host: Host) -> None:
    rng = np.random.default_rng(0)
    for strength, smoothing in ((12.0, 0.0), (25.0, 0.9)):
        noise = gaussian_filter(rng.normal(size=(60, 60, 60)), smoothing)
        scan = (40 + noise * strength / noise.std()).astype(np.float32)
        sampled = Grain.of_scan(scan).sample((40, 40, 40), rng)
        assert sampled.std() == pytest.approx(strength, rel=0.25)
        neighbors = [np.corrcoef(a[:, :, 1:].ravel(), a[:, :, :-1].ravel())[0, 1] for a in (scan, sampled)]
        assert neighbors[1] == pytest.approx(neighbors[0], abs=0.2)


def test_nodules_have_the_shapes_that_radiologists_outlined() -> None:
    shapes = nodule_shapes()
    assert len(shapes) == 800
    longest = [pdist((shape.radii[..., None] * directions()).reshape(-1, 3)).max() for shape in shapes[::20]]
    assert longest == pytest.approx([2.0] * 40, abs=0.02), "radii are relative to half the longest diameter"
    assert 0.7 < np.mean([shape.solid for shape in shapes]) < 0.95


def test_a_case_is_reproducible_and_its_twin_is_the_same_scan_without_the_findings(
    host: Host, case: PlantedCase
) -> None:
    again, twin = make_planted_case(3, host), make_planted_case(3, host, twin=True)
    assert case.findings == again.findings and case.sections == again.sections
    voxels, repeated, unplanted = (sitk.GetArrayFromImage(each.volume) for each in (case, again, twin))
    assert (voxels == repeated).all()
    assert case.findings and not twin.findings
    near = dilated(sitk.GetArrayFromImage(case.finding_bits) > 0, 15.0, case.volume.GetSpacing()[::-1])
    assert (voxels[~near] == unplanted[~near]).mean() > 0.98
    assert twin.host.volume.GetSize() == case.host.volume.GetSize()


def test_variation_keeps_masks_on_their_organs(host: Host) -> None:
    varied = vary_body(host, np.random.default_rng(5))
    before, after = (sitk.GetArrayFromImage(each.volume)[each.masks.array("lung")].mean() for each in (host, varied))
    assert after == pytest.approx(before, abs=40)
    assert (
        sitk.GetArrayFromImage(varied.volume).shape != sitk.GetArrayFromImage(host.volume).shape
    ) or not np.array_equal(sitk.GetArrayFromImage(varied.volume), sitk.GetArrayFromImage(host.volume))


@pytest.mark.slow
def test_what_a_scan_may_have_is_neither_present_nor_absent(files: Path, smoke_config: ModelConfig) -> None:
    assert smoke_config.findings is not None
    labels = smoke_config.findings.labels
    source = open_source(planted_data(files))
    for name in source.training[:4]:
        for sample in source.make(name, smoke_config).regions:
            for label in UNKNOWN:
                own = REGION_NAMES[sample.region] == ("lung" if label == "Lung nodule" else "mediastinum")
                value = sample.labels[labels.index(label)]
                assert np.isnan(value) if own and label in sample.unknown else value in (0, 1)
                assert own or label not in sample.unknown
            if sample.unknown and sample.cells is not None:
                assert (sample.cells == IGNORED_CELL).any()


def planted_data(files: Path, **fields: int) -> PlantedData:
    return PlantedData("planted", files, files / "scans.yaml", **({"cases": 2, "validation_cases": 1} | fields))


@pytest.mark.slow
def test_held_out_patients_are_validated_on_and_never_trained_on(
    files: Path, smoke_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    import reg2rg.training.datasets as datasets

    opened: list[HostEntry] = []
    open_once = datasets._open_host
    monkeypatch.setattr(datasets, "_open_host", lambda entry, folder: opened.append(entry) or open_once(entry, folder))
    source = open_source(planted_data(files))
    for name in source.training[:2]:
        source.make(name, smoke_config)
    assert {entry.patient for entry in opened} == {"A"}
    opened.clear()
    source.make(source.validation[0], smoke_config)
    assert {entry.patient for entry in opened} == {"B"}


def test_any_part_of_mixed_cases_is_mixed_like_the_whole(files: Path) -> None:
    mixed = MixedData("mixed", (PhantomData("phantoms", cases=30, validation_cases=3), planted_data(files, cases=5)))
    source = open_source(mixed)
    assert len(source.training) == 40 and len(source.validation) == 3 + 2
    for start in range(0, 40, 8):
        assert 1 <= sum(name.startswith("1.") for name in source.training[start : start + 8]) <= 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {file: a.nrrd, patient: A}\n- {file: b.nrrd, patient: A, held_out: true}", "some scans of A are held out"),
        ("- {file: a.nrrd, patient: A, unknown: [Nodul]}", "Unknown finding 'Nodul'"),
        ("file: a.nrrd", "is not a list of real CTs"),
        ("- {file: a.nrrd}", "patient"),
    ],
)
def test_a_faulty_list_of_scans_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "scans.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_host_list(tmp_path / "scans.yaml")


def test_a_listed_scan_that_does_not_exist_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "scans.yaml").write_text("- {file: a.nrrd, patient: A}")
    with pytest.raises(InputError, match=r"a\.nrrd does not exist"):
        open_source(PlantedData("planted", tmp_path, tmp_path / "scans.yaml", cases=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_listed_scan_that_cannot_be_read_ends_training_in_one_line_that_names_it(
    tmp_path: Path, smoke_config: ModelConfig, workers: int
) -> None:
    (tmp_path / "a.nrrd").write_text("not a scan")
    (tmp_path / "scans.yaml").write_text("- {file: a.nrrd, patient: A}")
    source = open_source(planted_data(tmp_path, validation_cases=0))
    cases = CaseCache(source, smoke_config, tmp_path)
    with pytest.raises(InputError) as error:
        list(DataLoader(CaseIndices(cases, cases.training), batch_size=None, num_workers=workers))
    assert str(error.value).startswith(f"{tmp_path / 'a.nrrd'} ") and "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "lists no CT for training; expected at least one that is not held out"),
        ("- {file: a.nrrd, patient: A, held_out: true}", "lists no CT for training"),
        (
            "- {file: a.nrrd, patient: A}",
            "holds out no CT for the 1 validation cases; expected at least one with held_out",
        ),
    ],
)
def test_training_and_validation_need_patients_of_their_own(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.nrrd").touch()
    (tmp_path / "scans.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_source(planted_data(tmp_path))
