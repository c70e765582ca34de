"""Training cases: from seeds, from a folder in RadGenome's layout with its quirks, and from the store of them."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from reg2rg.checkpoints import ModelFolder
from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS
from reg2rg.models.config import ModelConfig
from reg2rg.models.finding_head import LEVELS, SIDES
from reg2rg.phantom import PhantomConfig, make_phantom, write_dataset
from reg2rg.regions import REGION_NAMES
from reg2rg.training.case_cache import CaseNumbers, CaseStore, case_bytes
from reg2rg.training.config import FolderData, ModelSource, PhantomData, Stage, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.initialization import full_config
from reg2rg.training.radgenome import RadGenomeSource, read_texts, split_by_patient
from reg2rg.training.run import train
from reg2rg.training.samples import TrainingCase, targets_of_text

SCAN = PhantomConfig(size=(48, 48, 32))
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radgenome")
    write_dataset(folder, "train", SEEDS, SCAN)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A folder of three phantoms that a test may spoil."""
    return Path(shutil.copytree(written, tmp_path / "data"))


def reports(folder: Path) -> Path:
    return folder / "radgenome_files" / "train_region_report.csv"


def data(folder: Path, **fields: object) -> FolderData:
    return FolderData("radgenome", folder, **fields)


def add_rows(folder: Path, *rows: tuple[str, str, str]) -> None:
    with reports(folder).open("a", newline="") as stream:
        csv.writer(stream).writerows(rows)


def test_a_folder_gives_the_cases_that_were_written_into_it(folder: Path, smoke_config: ModelConfig):
    source = RadGenomeSource.of(data(folder))
    assert sorted(source.training) == ["train_1_a_1", "train_2_a_1", "train_3_a_1"] and source.notes == ()
    for number, seed in enumerate(SEEDS, start=1):
        phantom, case = make_phantom(seed, SCAN), source.make(f"train_{number}_a_1", smoke_config)
        assert {REGION_NAMES[s.region]: s.text for s in case.regions} == phantom.sections
        cells = {label for s in case.regions for label in np.unique(s.cells) if label}
        planted = {1 + smoke_config.findings.labels.index(finding.label) for finding in phantom.findings}
        assert cells <= planted and len(cells) >= 0.6 * len(planted), "on so coarse a grid findings cover others"


def test_targets_are_what_the_text_asserts(smoke_config: ModelConfig):
    text = "An 8 mm nodule in the left lung. A 14 mm nodule in the right upper lobe. Emphysema is possible. No opacity."
    labels, sides, levels, sizes = targets_of_text(text, "lung", smoke_config.findings)
    nodule, emphysema, opacity = (ALL_LABELS.index(label) for label in ("Lung nodule", "Emphysema", "Lung opacity"))
    assert (labels[nodule], labels[opacity], labels.sum(where=~np.isnan(labels))) == (1, 0, 1)
    assert np.isnan(labels[emphysema]), "what is left open is neither"
    assert (SIDES[sides[nodule]], LEVELS[levels[nodule]], sizes[nodule]) == ("right", "upper", 14), "the largest counts"
    others = np.arange(len(labels)) != nodule
    assert (sides[others] == -1).all() and (levels[others] == -1).all() and np.isnan(sizes[others]).all()


def test_a_folder_without_finding_masks_trains_a_head_from_its_texts_and_a_second_run_goes_on_from_it(
    folder: Path, repository: Path, tmp_path: Path
):
    shutil.rmtree(folder / "train_finding_mask")
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    vision = Stage("vision", epochs=2, batch=1, accumulate=2, rate=1e-3, log_every=1)
    text = Stage("text", epochs=1, batch=1, accumulate=2, rate=1e-2, warmup=0, log_every=1, gradient_checkpointing=True)
    config = dataclasses.replace(
        smoke, data=data(folder, validation_cases=1), stages=(vision, text), workers=0, cache=tmp_path / "cases"
    )
    model = train(config, tmp_path / "run", "cpu", print)
    seen, told = (json.loads((tmp_path / "run" / s / "history.json").read_text()) for s in ("1-vision", "2-text"))
    assert {name for row in seen for name in row if name.startswith("loss_")} == {
        "loss_labels", "loss_sides", "loss_levels", "loss_sizes"
    }, "no map without masks"  # fmt: skip
    assert max(row["step"] for row in seen) == 2 and max(row["step"] for row in told) == 1, "two cases are a step"
    on = dataclasses.replace(config, model=ModelSource(start=str(model)), stages=(text,))
    again = train(on, tmp_path / "second", "cpu", print)
    first, second = (ModelFolder.open(path).load().state_dict() for path in (model, again))
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], second[name])}
    vision_names = [name for name in first if ".vision_encoder." in name]
    assert "lang_model" in changed and all(torch.equal(first[name], second[name]) for name in vision_names)


def test_a_cache_is_of_the_code_and_the_wordings_of_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import reg2rg.phantom

    source = PhantomSource.of(PhantomData("phantoms", 1))
    before, copy = source.fingerprint(), tmp_path / "phantom"
    shutil.copytree(Path(reg2rg.phantom.__file__).parent, copy)
    monkeypatch.setattr(reg2rg.phantom, "__file__", str(copy / "__init__.py"))
    assert source.fingerprint() == before
    (copy / "report" / "wordings.tsv").open("a").write("#\n")
    assert source.fingerprint() != before


def test_windows_around_findings_need_a_finding_mask_and_the_run_s_folder_stays_free(
    folder: Path, repository: Path, tmp_path: Path
):
    assert RadGenomeSource.of(data(folder)).finding_masks
    shutil.rmtree(folder / "train_finding_mask")
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    stages = tuple(dataclasses.replace(stage, window=(16, 16, 16)) for stage in smoke.stages if stage.kind == "vision")
    with pytest.raises(InputError, match="no training case has a finding mask"):
        train(dataclasses.replace(smoke, data=data(folder), stages=stages), tmp_path / "run", "cpu", print)
    assert not (tmp_path / "run").exists(), "the corrected config may have it"


def test_rows_of_one_region_are_joined_and_repeated_ones_told_once(folder: Path):
    before, _ = read_texts(reports(folder))
    add_rows(
        folder,
        ("train_1_a_1.nii.gz", "heart", "A second  sentence."),
        ("train_1_a_1.nii.gz", "heart", before["train_1_a_1"]["heart"]),
    )
    texts, notes = read_texts(reports(folder))
    assert texts["train_1_a_1"]["heart"] == before["train_1_a_1"]["heart"] + " A second sentence."
    assert notes == ["2 rows joined with another of the same volume and region"]


def test_whole_reports_and_names_that_are_no_region_are_left_out(folder: Path):
    add_rows(folder, ("train_1_a_1.nii.gz", "liver", "Normal."), ("train_1_a_1.nii.gz", "", "All is normal."))
    texts, notes = read_texts(reports(folder))
    assert set(texts["train_1_a_1"]) <= set(REGION_NAMES)
    assert notes == ["1 rows of 'liver', which is no region: left out"]


def test_texts_without_a_mask_or_a_volume_are_left_out_and_told(folder: Path, smoke_config: ModelConfig):
    (folder / "train_region_mask" / "seg_train_1_a_1" / "heart.nii.gz").unlink()
    shutil.rmtree(folder / "train_preprocessed" / "train_2")
    source = RadGenomeSource.of(data(folder))
    assert sorted(source.training) == ["train_1_a_1", "train_3_a_1"]
    assert "heart" not in {REGION_NAMES[s.region] for s in source.make("train_1_a_1", smoke_config).regions}
    assert "1 volumes have texts but no file (train_2_a_1): left out" in source.notes
    assert "1 regions have a text but no mask (heart of train_1_a_1): left out" in source.notes


def test_a_region_whose_mask_is_empty_is_left_out_and_other_numbers_than_one_are_inside(
    folder: Path, smoke_config: ModelConfig
):
    masks = folder / "train_region_mask" / "seg_train_1_a_1"
    whole = RadGenomeSource.of(data(folder)).make("train_1_a_1", smoke_config)
    for region, factor in (("heart", 0), ("lung", 255)):
        image = sitk.ReadImage(str(masks / f"{region}.nii.gz"))
        sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8) * factor, str(masks / f"{region}.nii.gz"))
    case = RadGenomeSource.of(data(folder)).make("train_1_a_1", smoke_config)
    left = {REGION_NAMES[s.region]: s for s in case.regions}
    assert set(left) == {REGION_NAMES[s.region] for s in whole.regions} - {"heart"}
    (lung,) = (s for s in whole.regions if REGION_NAMES[s.region] == "lung")
    assert np.array_equal(left["lung"].texture, lung.texture)


def test_spacing_that_the_files_do_not_say_is_that_of_the_config(folder: Path, smoke_config: ModelConfig):
    given = RadGenomeSource.of(data(folder, spacing=(1.0, 1.0, 3.0))).make("train_1_a_1", smoke_config)
    own = RadGenomeSource.of(data(folder)).make("train_1_a_1", smoke_config)
    real = make_phantom(SEEDS[0], SCAN).volume.GetSpacing()
    for a, b in zip(given.regions, own.regions, strict=True):
        assert np.array_equal(a.texture, b.texture)
        np.testing.assert_allclose(a.voxel_mm / (1, 1, 3), b.voxel_mm / real, rtol=1e-5)


def test_validation_volumes_are_of_other_patients():
    volumes = [f"train_{patient}_{scan}_1" for patient in range(20) for scan in "ab"]
    training, validation = split_by_patient(volumes, 5)
    assert 5 <= len(validation) <= 6 and sorted(training + validation) == sorted(volumes)
    patients = [{volume.split("_")[1] for volume in part} for part in (training, validation)]
    assert not patients[0] & patients[1]
    assert split_by_patient(reversed(volumes), 5) == (training, validation)
    with pytest.raises(InputError, match="expected some to train on"):
        split_by_patient(volumes, 40)


def test_a_folder_of_another_layout_is_refused_in_words(tmp_path: Path, folder: Path):
    with pytest.raises(InputError, match="train_region_report.csv cannot be read"):
        RadGenomeSource.of(data(tmp_path))
    reports(folder).write_text("Volume,Text\n")
    with pytest.raises(InputError, match="lacks the columns Volumename, Anatomy, Sentence"):
        RadGenomeSource.of(data(folder))


def test_training_phantoms_can_be_enriched_those_for_validation_are_as_in_life(smoke_config: ModelConfig):
    source = PhantomSource.of(PhantomData("phantoms", cases=4, validation_cases=4, validation_seed=4, enriched=True))
    natural = PhantomSource.of(PhantomData("phantoms", cases=8))

    def told(source: PhantomSource, names: Sequence[str]) -> list[float]:
        return [sum((s.labels == 1).sum() for s in source.make(name, smoke_config).regions) for name in names]

    assert sum(told(source, source.training)) > sum(told(natural, natural.training[:4]))
    assert told(source, source.validation) == told(natural, natural.training[4:])


def phantoms(cases: int = 2, validation_cases: int = 1) -> PhantomSource:
    return PhantomSource.of(PhantomData("phantoms", cases, validation_cases))


def same(one: TrainingCase, other: TrainingCase) -> bool:
    """Whether two cases hold the same in every field."""
    pairs = [(one.image, other.image)]
    for a, b in zip(one.regions, other.regions, strict=True):
        pairs += [(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)]
    return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in pairs)


def test_a_case_comes_back_from_the_store_as_it_was_made(smoke_config: ModelConfig, tmp_path: Path):
    source = phantoms()
    store = CaseStore(source, smoke_config, tmp_path)
    assert (list(store.training), list(store.validation)) == ([0, 1], [2])
    made = source.make("0", smoke_config)
    assert same(store[0], made) and same(CaseStore(source, smoke_config, tmp_path)[0], made)


def test_a_case_is_made_once(smoke_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, made = phantoms(), []
    make = PhantomSource.make
    monkeypatch.setattr(PhantomSource, "make", lambda self, *words: made.append(words[0]) or make(self, *words))
    store = CaseStore(source, smoke_config, tmp_path)
    assert [CaseNumbers(store, store.training)[i] for i in (0, 0, 1)] == [0, 0, 1]
    assert store[0] and made == ["0", "1"]
    sizes = [file.stat().st_size for file in store.folder.glob("*.safetensors")]
    assert max(sizes) <= 1.05 * case_bytes(smoke_config), "what is announced of the disk is what is taken"


def test_cases_of_another_preprocessing_are_others(smoke_config: ModelConfig, tmp_path: Path):
    other = dataclasses.replace(
        smoke_config, preprocessing=dataclasses.replace(smoke_config.preprocessing, hu_max=300.0)
    )
    folders = {CaseStore(phantoms(), c, tmp_path).folder for c in (smoke_config, other)}
    assert len(folders) == 2


def test_a_volume_that_cannot_be_read_is_replaced_and_named(folder: Path, smoke_config: ModelConfig, tmp_path: Path):
    source = RadGenomeSource.of(data(folder))
    bad = source.training[0]
    file = folder / "train_preprocessed" / bad[:7] / f"{bad[:7]}a" / f"{bad}.nii.gz"
    file.write_bytes(file.read_bytes()[:200])
    store = CaseStore(source, smoke_config, tmp_path / "cache")
    assert CaseNumbers(store, store.training)[0] == 1
    (problem,) = store.problems().items()
    assert problem[0] == bad and "cannot be read" in problem[1]


def test_a_source_with_nothing_usable_is_refused(folder: Path, smoke_config: ModelConfig, tmp_path: Path):
    for file in (folder / "train_preprocessed").rglob("*.nii.gz"):
        file.write_bytes(b"")
    store = CaseStore(RadGenomeSource.of(data(folder)), smoke_config, tmp_path / "cache")
    with pytest.raises(InputError, match="None of the 3 cases can be used"):
        store.prepare(0)


def test_a_published_model_without_a_finding_head_needs_no_labels(tmp_path: Path):
    small = {"image_size": [32, 32, 4], "texture_size": [32, 32, 4], "mask_size": [32, 32, 16]}
    config = full_config(ModelSource(architecture={"preprocessing": small}), "published")
    case = CaseStore(phantoms(), config, tmp_path)[0]
    assert all(sample.cells is None and sample.labels.size == 0 for sample in case.regions)
