"""The container files, the Compose files, the configuration of Orthanc, and the commands on the page about them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import Run
from orthanc_server import running_orthanc

from reg2rg.cli.main import app
from reg2rg.drafts.orthanc import Orthanc
from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.tls import Certificates

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Resources" / "Deployment"
CONTAINER_FILES = ("Containerfile", "Containerfile.orthanc")
PAGE = ROOT / "docs" / "deployment.md"
SECRETS = ("mkdir", "password=", "echo")


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a container file and their arguments."""
    lines = (FOLDER / name).read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def parse(arguments: list[str]) -> dict[str, Any]:
    """Return the values of the options of a `reg2rg` command."""
    command = typer.main.get_command(app).commands[arguments[0]]
    return command.make_context(arguments[0], arguments[1:]).params


@pytest.mark.parametrize("name", CONTAINER_FILES)
def test_container_files_have_no_warnings_and_run_as_another_user_than_root(name: str) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed; make test installs it on Linux")
    finished = subprocess.run([program, FOLDER / name], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout
    (user,) = [argument for instruction, argument in instructions(name) if instruction == "USER"]
    assert int(user.partition(":")[0]) > 0


def test_all_files_of_the_package_are_copied_into_the_container() -> None:
    tomllib = pytest.importorskip("tomllib", reason="tomllib is new in Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml", "constraints.txt", project["project"]["readme"], *project["project"]["license-files"],
        *wheel["packages"], *wheel["force-include"],
    }  # fmt: skip
    copies = [argument.split()[:-1] for instruction, argument in instructions("Containerfile") if instruction == "COPY"]
    copied = {source for sources in copies for source in sources if not sources[0].startswith("--from")}
    assert all((ROOT / source).exists() for source in copied)
    assert all(any(Path(path).is_relative_to(source) for source in copied) for path in needed)
    ignored = (FOLDER / "Containerfile.dockerignore").read_text().split()
    assert {f"!{source}" for source in copied} == {line for line in ignored if line.startswith("!")}


def test_the_service_runs_without_privileges_and_reaches_only_orthanc(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    service = services["reg2rg"]
    assert service["networks"] == ["inside"] and "ports" not in service
    options = parse(shlex.split(service["command"]))
    urls = (options["orthanc"], options["to"])
    assert all(url.startswith("http://orthanc:8042") for url in urls) and str(options["output"]) == "/data"
    assert all(port.startswith("127.0.0.1:") for port in services["orthanc"]["ports"])
    _, program, *check = service["healthcheck"]["test"]
    assert program == "reg2rg" and parse(check)["health"] and parse(check)["output"] == options["output"]


def test_orthanc_runs_with_its_configuration_and_the_secrets_of_the_page(
    tmp_path: Path, reg2rg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = PAGE.read_text().splitlines()
    commands = [line for line in lines if line.startswith(SECRETS)]
    assert len(commands) == 4
    script = "\n".join(commands).replace("machine orthanc", "machine 127.0.0.1")
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    here = {"StorageDirectory", "IndexDirectory", "DicomPort", "HttpPort"}
    configuration = json.loads((FOLDER / "orthanc.json").read_text())
    settings = {name: value for name, value in configuration.items() if name not in here}
    settings |= json.loads((tmp_path / "secrets" / "users.json").read_text())
    with running_orthanc(tmp_path, **settings) as server:
        source = Orthanc(f"http://127.0.0.1:{server.http_port}", Certificates())
        with pytest.raises(Reg2RGError, match="refused access"):
            source.changes(0)
        monkeypatch.setenv("NETRC", str(tmp_path / "secrets" / "netrc"))
        assert source.changes(0).done
        for address in (server.node, server.dicomweb):
            assert reg2rg("send", "--echo", "--to", address).stdout == f"{address} answers.\n"


def test_the_commands_of_the_page_name_files_that_exist() -> None:
    text = PAGE.read_text()
    assert set(re.findall(r"-f (\S*Containerfile\S*)", text)) == {"Resources/Deployment/Containerfile"}
    assert all((FOLDER / name).is_file() for name in re.findall(r"-f (compose\S*\.yaml)", text))
    run = re.search(r"reg2rg (batch /archive .*)", text)
    assert str(parse(run[1].split())["output"]) == "/data"
