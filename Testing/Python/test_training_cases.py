"""Training cases are made from seeds or from a folder in RadGenome's layout, and cached on disk."""

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
from reg2rg.training.case_cache import CaseCache, CaseIndices, case_bytes, prepare_all
from reg2rg.training.config import ModelSource, PhantomData, RadGenomeData, Stage, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.initialization import resolve_architecture
from reg2rg.training.radgenome import RadGenomeSource, read_texts, split_by_patient
from reg2rg.training.run import train
from reg2rg.training.samples import TrainingCase, text_targets

SCAN = PhantomConfig(size=(48, 48, 32))
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("radgenome")
    write_dataset(folder, "train", SEEDS, SCAN)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Return a folder of three phantoms that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "data"))


def reports(folder: Path) -> Path:
    return folder / "radgenome_files" / "train_region_report.csv"


def data(folder: Path, **fields: object) -> RadGenomeData:
    return RadGenomeData("radgenome", folder, **fields)


def add_rows(folder: Path, *rows: tuple[str, str, str]) -> None:
    with reports(folder).open("a", newline="") as stream:
        csv.writer(stream).writerows(rows)


def test_a_folder_yields_the_cases_that_were_written_to_it(folder: Path, smoke_config: ModelConfig):
    source = RadGenomeSource.from_config(data(folder))
    assert sorted(source.training) == ["train_1_a_1", "train_2_a_1", "train_3_a_1"] and source.notes == ()
    for number, seed in enumerate(SEEDS, start=1):
        phantom, case = make_phantom(seed, SCAN), source.make(f"train_{number}_a_1", smoke_config)
        assert {REGION_NAMES[s.region]: s.text for s in case.regions} == phantom.sections
        cells = {label for s in case.regions for label in np.unique(s.cells) if label}
        planted = {1 + smoke_config.findings.labels.index(finding.label) for finding in phantom.findings}
        assert cells <= planted and len(cells) >= 0.6 * len(planted), "on a coarse grid, some findings hide others"


def test_targets_follow_the_text(smoke_config: ModelConfig):
    text = "An 8 mm nodule in the left lung. A 14 mm nodule in the right upper lobe. Emphysema is possible. No opacity."
    labels, sides, levels, sizes = text_targets(text, "lung", smoke_config.findings)
    nodule, emphysema, opacity = (ALL_LABELS.index(label) for label in ("Lung nodule", "Emphysema", "Lung opacity"))
    assert (labels[nodule], labels[opacity], labels.sum(where=~np.isnan(labels))) == (1, 0, 1)
    assert np.isnan(labels[emphysema]), "an uncertain finding is neither present nor absent"
    assert (SIDES[sides[nodule]], LEVELS[levels[nodule]], sizes[nodule]) == ("right", "upper", 14), (
        "the largest finding counts"
    )
    others = np.arange(len(labels)) != nodule
    assert (sides[others] == -1).all() and (levels[others] == -1).all() and np.isnan(sizes[others]).all()


@pytest.mark.slow
def test_a_folder_without_finding_masks_trains_a_head_from_its_texts_and_a_second_run_continues_from_it(
    folder: Path, repository: Path, tmp_path: Path
):
    shutil.rmtree(folder / "train_finding_mask")
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    vision = Stage("vision", epochs=2, batch_size=1, grad_accum_steps=2, learning_rate=1e-3, log_every=1)
    text = Stage(
        "text",
        epochs=1,
        batch_size=1,
        grad_accum_steps=2,
        learning_rate=1e-2,
        warmup_steps=0,
        log_every=1,
        gradient_checkpointing=True,
    )
    config = dataclasses.replace(
        smoke, data=data(folder, validation_cases=1), stages=(vision, text), workers=0, cache=tmp_path / "cases"
    )
    model = train(config, tmp_path / "run", "cpu", print)
    vision_log, text_log = (
        json.loads((tmp_path / "run" / s / "history.json").read_text()) for s in ("1-vision", "2-text")
    )
    assert {name for row in vision_log for name in row if name.startswith("loss_")} == {
        "loss_labels", "loss_sides", "loss_levels", "loss_sizes"
    }, "there is no map loss without masks"  # fmt: skip
    assert max(row["step"] for row in vision_log) == 2 and max(row["step"] for row in text_log) == 1, (
        "a step takes two cases"
    )
    second_config = dataclasses.replace(config, model=ModelSource(init_from=str(model)), stages=(text,))
    again = train(second_config, tmp_path / "second", "cpu", print)
    first, second = (ModelFolder.open(path).load().state_dict() for path in (model, again))
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], second[name])}
    vision_names = [name for name in first if ".vision_encoder." in name]
    assert "lang_model" in changed and all(torch.equal(first[name], second[name]) for name in vision_names)
    card = (again / "MODEL_CARD.md").read_text()
    assert "Initial weights: those of the model smoke." in card and str(tmp_path) not in card


def test_a_cache_depends_on_the_code_and_the_wordings_of_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import reg2rg.phantom

    source = PhantomSource.from_config(PhantomData("phantoms", 1))
    before, copy = source.fingerprint(), tmp_path / "phantom"
    shutil.copytree(Path(reg2rg.phantom.__file__).parent, copy)
    monkeypatch.setattr(reg2rg.phantom, "__file__", str(copy / "__init__.py"))
    assert source.fingerprint() == before
    (copy / "report" / "wordings.tsv").open("a").write("#\n")
    assert source.fingerprint() != before


def test_patches_need_finding_masks_and_their_absence_leaves_the_run_folder_unused(
    folder: Path, repository: Path, tmp_path: Path
):
    assert RadGenomeSource.from_config(data(folder)).finding_masks
    shutil.rmtree(folder / "train_finding_mask")
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    stages = tuple(
        dataclasses.replace(stage, patch_size=(16, 16, 16)) for stage in smoke.stages if stage.kind == "vision"
    )
    with pytest.raises(InputError, match="no training case has a finding mask"):
        train(dataclasses.replace(smoke, data=data(folder), stages=stages), tmp_path / "run", "cpu", print)
    assert not (tmp_path / "run").exists(), "the corrected configuration can use it"


def test_rows_of_one_region_are_joined_and_repeated_texts_kept_once(folder: Path):
    before, _ = read_texts(reports(folder))
    add_rows(
        folder,
        ("train_1_a_1.nii.gz", "heart", "A second  sentence."),
        ("train_1_a_1.nii.gz", "heart", before["train_1_a_1"]["heart"]),
    )
    texts, notes = read_texts(reports(folder))
    assert texts["train_1_a_1"]["heart"] == before["train_1_a_1"]["heart"] + " A second sentence."
    assert notes == ["2 rows joined with another row of the same volume and region"]


def test_whole_reports_and_unknown_regions_are_left_out(folder: Path):
    add_rows(folder, ("train_1_a_1.nii.gz", "liver", "Normal."), ("train_1_a_1.nii.gz", "", "All is normal."))
    texts, notes = read_texts(reports(folder))
    assert set(texts["train_1_a_1"]) <= set(REGION_NAMES)
    assert notes == ["1 rows of the unknown region 'liver' left out"]


def test_texts_without_a_mask_or_a_volume_are_left_out_with_a_note(folder: Path, smoke_config: ModelConfig):
    (folder / "train_region_mask" / "seg_train_1_a_1" / "heart.nii.gz").unlink()
    shutil.rmtree(folder / "train_preprocessed" / "train_2")
    source = RadGenomeSource.from_config(data(folder))
    assert sorted(source.training) == ["train_1_a_1", "train_3_a_1"]
    assert "heart" not in {REGION_NAMES[s.region] for s in source.make("train_1_a_1", smoke_config).regions}
    assert "1 volumes with texts but without a file left out: train_2_a_1" in source.notes
    assert "1 regions with a text but without a mask left out: heart of train_1_a_1" in source.notes


def test_a_region_with_an_empty_mask_is_left_out_and_every_nonzero_value_is_inside(
    folder: Path, smoke_config: ModelConfig
):
    masks = folder / "train_region_mask" / "seg_train_1_a_1"
    whole = RadGenomeSource.from_config(data(folder)).make("train_1_a_1", smoke_config)
    for region, factor in (("heart", 0), ("lung", 255)):
        image = sitk.ReadImage(str(masks / f"{region}.nii.gz"))
        sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8) * factor, str(masks / f"{region}.nii.gz"))
    case = RadGenomeSource.from_config(data(folder)).make("train_1_a_1", smoke_config)
    left = {REGION_NAMES[s.region]: s for s in case.regions}
    assert set(left) == {REGION_NAMES[s.region] for s in whole.regions} - {"heart"}
    (lung,) = (s for s in whole.regions if REGION_NAMES[s.region] == "lung")
    assert np.array_equal(left["lung"].texture, lung.texture)


def test_the_spacing_of_the_configuration_replaces_that_of_the_files(folder: Path, smoke_config: ModelConfig):
    given = RadGenomeSource.from_config(data(folder, spacing=(1.0, 1.0, 3.0))).make("train_1_a_1", smoke_config)
    own = RadGenomeSource.from_config(data(folder)).make("train_1_a_1", smoke_config)
    real = make_phantom(SEEDS[0], SCAN).volume.GetSpacing()
    for a, b in zip(given.regions, own.regions, strict=True):
        assert np.array_equal(a.texture, b.texture)
        np.testing.assert_allclose(a.voxel_mm / (1, 1, 3), b.voxel_mm / real, rtol=1e-5)


def test_no_patient_has_training_and_validation_volumes():
    volumes = [f"train_{patient}_{scan}_1" for patient in range(20) for scan in "ab"]
    training, validation = split_by_patient(volumes, 5)
    assert 5 <= len(validation) <= 6 and sorted(training + validation) == sorted(volumes)
    patients = [{volume.split("_")[1] for volume in part} for part in (training, validation)]
    assert not patients[0] & patients[1]
    assert split_by_patient(reversed(volumes), 5) == (training, validation)
    with pytest.raises(InputError, match="takes all 40 volumes; expected fewer"):
        split_by_patient(volumes, 40)


def test_a_folder_with_another_layout_is_refused(tmp_path: Path, folder: Path):
    with pytest.raises(InputError, match="train_region_report.csv cannot be read"):
        RadGenomeSource.from_config(data(tmp_path))
    reports(folder).write_text("Volume,Text\n")
    with pytest.raises(InputError, match="lacks the columns Volumename, Anatomy, Sentence"):
        RadGenomeSource.from_config(data(folder))


@pytest.mark.slow
def test_training_phantoms_can_be_enriched_and_validation_phantoms_are_not(smoke_config: ModelConfig):
    source = PhantomSource.from_config(
        PhantomData("phantoms", cases=2, validation_cases=2, validation_seed=2, enriched=True)
    )
    natural = PhantomSource.from_config(PhantomData("phantoms", cases=4))

    def findings(source: PhantomSource, names: Sequence[str]) -> list[float]:
        return [sum((s.labels == 1).sum() for s in source.make(name, smoke_config).regions) for name in names]

    assert sum(findings(source, source.training)) > sum(findings(natural, natural.training[:2]))
    assert findings(source, source.validation) == findings(natural, natural.training[2:])


def phantoms(cases: int = 2, validation_cases: int = 1) -> PhantomSource:
    return PhantomSource.from_config(PhantomData("phantoms", cases, validation_cases))


def same(one: TrainingCase, other: TrainingCase) -> bool:
    """Return whether two cases are equal in every field."""
    pairs = [(one.image, other.image)]
    for a, b in zip(one.regions, other.regions, strict=True):
        pairs += [(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)]
    return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in pairs)


def test_a_case_is_read_from_the_cache_as_it_was_made(smoke_config: ModelConfig, tmp_path: Path):
    source = phantoms()
    cases = CaseCache(source, smoke_config, tmp_path)
    assert (list(cases.training), list(cases.validation)) == ([0, 1], [2])
    made = source.make("0", smoke_config)
    assert same(cases[0], made) and same(CaseCache(source, smoke_config, tmp_path)[0], made)


def test_a_case_contains_the_scalars_that_its_model_reads(smoke_config: ModelConfig, tmp_path: Path):
    assert smoke_config.findings is not None
    findings = dataclasses.replace(smoke_config.findings, scalars=("volume", "low_attenuation"))
    config = dataclasses.replace(smoke_config, findings=findings)
    source = phantoms()
    cases = CaseCache(source, config, tmp_path)
    assert cases.folder != CaseCache(source, smoke_config, tmp_path).folder
    assert same(cases[0], source.make("0", config))
    lung = next(sample for sample in cases[0].regions if REGION_NAMES[sample.region] == "lung")
    assert lung.scalars.shape == (2, 2) and lung.scalars[0, 0] > 0.8 and (lung.scalars[:, 1] > 0).all()


def test_a_case_is_prepared_once(smoke_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, made = phantoms(), []
    make = PhantomSource.make

    def record_and_make(self: PhantomSource, name: str, config: ModelConfig) -> TrainingCase:
        made.append(name)
        return make(self, name, config)

    monkeypatch.setattr(PhantomSource, "make", record_and_make)
    cases = CaseCache(source, smoke_config, tmp_path)
    assert [CaseIndices(cases, cases.training)[i] for i in (0, 0, 1)] == [0, 0, 1]
    assert cases[0] and made == ["0", "1"]
    sizes = [file.stat().st_size for file in cases.folder.glob("*.safetensors")]
    assert max(sizes) <= 1.05 * case_bytes(smoke_config), "the estimated size is the actual size"


def test_another_preprocessing_has_another_cache(smoke_config: ModelConfig, tmp_path: Path):
    other = dataclasses.replace(
        smoke_config, preprocessing=dataclasses.replace(smoke_config.preprocessing, hu_max=300.0)
    )
    folders = {CaseCache(phantoms(), c, tmp_path).folder for c in (smoke_config, other)}
    assert len(folders) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_volume_is_named_and_not_counted_until_it_can_be_read(
    folder: Path, smoke_config: ModelConfig, tmp_path: Path, workers: int
):
    source = RadGenomeSource.from_config(data(folder, validation_cases=1))
    bad = source.training[0]
    file = folder / "train_preprocessed" / bad[:7] / f"{bad[:7]}a" / f"{bad}.nii.gz"
    content = file.read_bytes()
    file.write_bytes(content[:200])
    cases, messages = CaseCache(source, smoke_config, tmp_path / "cache"), []
    prepare_all(cases, workers, messages.append)
    assert len(cases.training) == 1 and len(cases.validation) == 1 and list(cases.problems) == [bad]
    (message,) = messages
    assert message.startswith(f"{bad} cannot be used and is left out: ") and "cannot be read" in message
    file.write_bytes(content)
    cases = CaseCache(source, smoke_config, tmp_path / "cache")
    prepare_all(cases, workers, messages.append)
    assert len(cases.training) == 2 and messages == [message]


def test_a_training_names_what_it_leaves_out_on_the_terminal(folder: Path, repository: Path, tmp_path: Path):
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    bad = RadGenomeSource.from_config(data(folder)).training[0]
    (folder / "train_preprocessed" / bad[:7] / f"{bad[:7]}a" / f"{bad}.nii.gz").write_bytes(b"")
    messages: list[str] = []

    def stop(message: str) -> None:
        messages.append(message)
        if "prepared cases are in" in message:
            raise KeyboardInterrupt

    config = dataclasses.replace(smoke, data=data(folder), workers=0)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", "cpu", stop)
    assert messages[-2].startswith(f"{bad} cannot be used") and messages[-1].startswith("2 training cases and 0 val")


def test_a_damaged_file_of_the_cache_is_made_again(smoke_config: ModelConfig, tmp_path: Path):
    cases = CaseCache(phantoms(), smoke_config, tmp_path)
    made = cases[0]
    (file,) = cases.folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    assert same(cases[0], made)
    file.write_bytes(b"")
    assert same(CaseCache(phantoms(), smoke_config, tmp_path)[0], made)


def test_a_source_without_a_usable_case_is_refused(folder: Path, smoke_config: ModelConfig, tmp_path: Path):
    for file in (folder / "train_preprocessed").rglob("*.nii.gz"):
        file.write_bytes(b"")
    cases = CaseCache(RadGenomeSource.from_config(data(folder)), smoke_config, tmp_path / "cache")
    with pytest.raises(InputError, match="None of the 3 training cases can be used. The first one, train_"):
        prepare_all(cases, 0, print)


def test_a_model_without_a_finding_head_needs_no_labels(tmp_path: Path):
    small = {"image_size": [32, 32, 4], "texture_size": [32, 32, 4], "mask_size": [32, 32, 16]}
    config = resolve_architecture(ModelSource(architecture={"preprocessing": small}), "published")
    case = CaseCache(phantoms(), config, tmp_path)[0]
    assert all(sample.cells is None and sample.labels.size == 0 for sample in case.regions)
