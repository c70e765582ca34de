"""Exports as files: names, drafts, hostile text, and the command line."""

from __future__ import annotations

import dataclasses
import html.parser
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run, error_line
from markdown_it import MarkdownIt
from reports_under_review import reviewed_report, signed_report, stored_report

from reg2rg import generate_report
from reg2rg.about import DRAFT_LABEL, SIGNED_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.formats import FORMATS, export_report
from reg2rg.exports.report_folder import staged_report
from reg2rg.pipeline.request import MeasureRequest, SegmentRequest
from reg2rg.pipeline.run import run_measurement, run_segmentation
from reg2rg.report import REPORT_FILES, Report, addendum, load_report, report_content

TEXT_FORMATS = ("text", "markdown")

HOSTILE = (
    "<script>alert(1)</script> <b>bold</b> &amp; [link](javascript:alert(1)) **strong** `code` # heading\n"
    "- item\n1. one\n\x1b[31mred\x00 | a | b |\n---\n" + "word " * 20_000
)


@pytest.fixture(scope="module")
def report() -> Report:
    return stored_report()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, report) -> Path:
    """Return a report folder with a draft."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_draft_says_so_in_its_text_and_in_its_name(report, name, tmp_path):
    path = export_report(report, name, tmp_path / "chest")
    assert path == tmp_path / f"chest-draft{FORMATS[name].extension}"
    assert path.read_text(encoding="utf-8").replace("\\", "").count(DRAFT_LABEL) == 2
    assert export_report(reviewed_report(report), name, tmp_path / "my draft").stem == "my draft"


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_signed_report_names_its_signer_and_is_not_called_a_draft(report, name, tmp_path):
    path = export_report(signed_report(report), name, tmp_path / f"chest{FORMATS[name].extension}")
    text = path.read_text(encoding="utf-8").replace("\\", "")
    assert path.stem == "chest" and text.count(SIGNED_LABEL) == 2 and DRAFT_LABEL not in text
    assert "Signed by Dr. Ана Müller, " in text


def test_a_report_that_was_changed_after_it_was_signed_is_not_exported(report, tmp_path):
    changed = dataclasses.replace(signed_report(report), skipped_regions={})
    with pytest.raises(InputError, match="changed after"):
        export_report(changed, "text", tmp_path / "chest")
    assert list(tmp_path.iterdir()) == []


def test_control_characters_are_replaced_in_every_text_of_the_content(report):
    hostile = dataclasses.replace(
        reviewed_report(report, lung=HOSTILE), skipped_regions={"bone": "a\x07b", "breast": "a\u202eb"}
    )
    content = report_content(hostile)
    assert not any(character < " " and character not in "\n\t" for character in repr(content) + hostile.to_text())
    assert {("bone", "a\ufffdb"), ("breast", "a\ufffdb")} <= set(
        content.skipped
    ) and "\ufffd[31mred\ufffd" in content.sections[0].text


def test_hostile_text_is_text_in_markdown(report, tmp_path):
    path = export_report(reviewed_report(report, lung=HOSTILE), "markdown", tmp_path / "chest")
    page = MarkdownIt("commonmark").enable("table").render(path.read_text(encoding="utf-8"))
    tags, words = set(), []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert not attributes
            tags.add(tag)

        def handle_data(self, data):
            words.extend(data.split())

    Reader().feed(page)
    assert tags == {"p", "h1", "h2", "ul", "li", "em", "strong", "blockquote", "hr"}
    assert " ".join(HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").split()) in " ".join(words)


@pytest.fixture(scope="module")
def drafted(tmp_path_factory, phantom_files) -> Path:
    """Return a report folder that a run of the engine wrote."""
    volume, regions = phantom_files
    folder = tmp_path_factory.mktemp("drafted") / "out"
    generate_report(volume, folder, regions_file=regions, regions=("lung",), progress=False)
    return folder


@pytest.mark.slow
def test_a_saved_report_folder_contains_the_review_and_all_that_the_run_wrote(drafted, phantom_files, tmp_path):
    signed = signed_report(load_report(drafted), lung="A nodule.")
    export_report(signed, "folder", tmp_path / "saved", phantom_files[0])
    assert {file.name for file in (tmp_path / "saved").iterdir()} == {file.name for file in drafted.iterdir()}
    saved = load_report(tmp_path / "saved")
    assert saved == signed and np.array_equal(saved.masks.bits, load_report(drafted).masks.bits)
    assert (tmp_path / "saved" / "report.txt").read_text(encoding="utf-8") == signed.to_text()
    assert (tmp_path / "saved" / "preview.png").read_bytes() != (drafted / "preview.png").read_bytes()


@pytest.mark.slow
def test_the_commands_on_the_page_run_as_written(
    reg2rg: Run, repository: Path, drafted, phantom_files, tmp_path, monkeypatch
):
    page = (repository / "docs" / "review.md").read_text(encoding="utf-8")
    commands = re.findall("^reg2rg (.*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drafted, "out")
    sitk.WriteImage(sitk.ReadImage(str(phantom_files[0])), "ct.nii.gz")
    export_report(signed_report(load_report(drafted)), "folder", Path("reports/one"))
    for command in commands:
        finished = reg2rg(*shlex.split(command))
        assert finished.returncode == 0, finished.stderr
        assert Path(finished.stdout.splitlines()[-1]).is_file()
    written = {"chest-draft.md", "chest-draft.html", "stats"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "ct.nii.gz", "reports", *written}


@pytest.mark.slow
def test_a_signed_report_is_overwritten_neither_by_an_export_nor_by_a_run(drafted, phantom_files, tmp_path):
    signed = signed_report(load_report(drafted))
    export_report(signed, "folder", tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    for write in (
        lambda: export_report(addendum(signed), "folder", tmp_path),
        lambda: export_report(load_report(drafted), "folder", tmp_path),
        lambda: generate_report(phantom_files[0], tmp_path, regions_file=phantom_files[1], progress=False),
    ):
        with pytest.raises(InputError, match="contains a report signed by 'Dr. Ана Müller', which stays"):
            write()
    assert (tmp_path / "report.json").read_bytes() == before
    assert export_report(signed, "folder", tmp_path) == tmp_path, "the same report can be saved again"


def test_no_file_of_a_signed_report_is_overwritten_by_a_command_that_writes_files(report, phantom_files, tmp_path):
    signed = signed_report(report)
    export_report(signed, "folder", tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    segmentation = SegmentRequest(volume=phantom_files[0], output=tmp_path / "regions.seg.nrrd")
    for write in (
        lambda: run_segmentation(segmentation, lambda event: None),
        lambda: export_report(signed, "fhir", tmp_path / "report.json", phantom_files[0]),
        lambda: export_report(signed, "text", tmp_path / "report"),
    ):
        with pytest.raises(InputError, match="contains a report signed by"):
            write()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert export_report(signed, "text", tmp_path / "chest").is_file(), "other files may be next to it"


def test_a_report_that_is_signed_while_it_is_made_again_stays(report, tmp_path):
    export_report(report, "folder", tmp_path)
    with (
        pytest.raises(InputError, match="contains a report signed by"),
        staged_report(tmp_path, REPORT_FILES) as staging,
    ):
        (staging / "report.json").write_text("new")
        export_report(signed_report(report), "folder", tmp_path)
    assert load_report(tmp_path).signed


@pytest.mark.parametrize("damage", ["changed", "cut off", "of a later version"])
def test_a_report_that_cannot_be_read_is_not_overwritten(report, phantom_files, tmp_path, damage):
    signed, file = signed_report(report).to_json(), tmp_path / "report.json"
    text = {
        "changed": signed.replace("Dr. Ана", "Dr. Eve"),
        "cut off": signed[:1000],
        "of a later version": signed.replace('"schema_version": ', '"schema_version": 99'),
    }[damage]
    assert text != signed
    file.write_text(text, encoding="utf-8")
    volume, regions = phantom_files
    options = {"regions_file": regions, "regions": ("lung",)}
    measurement = MeasureRequest(volume=volume, output=tmp_path, **options)
    for write in (
        lambda: export_report(report, "folder", tmp_path),
        lambda: generate_report(volume, tmp_path, progress=False, **options),
        lambda: run_measurement(measurement, lambda event: None),
    ):
        with pytest.raises(InputError, match="cannot be read and may be signed, so it stays; choose another folder"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"] and file.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_a_ct_that_the_report_was_not_made_from_is_refused(drafted, phantom_files, tmp_path):
    other = sitk.ReadImage(str(phantom_files[0]))[:, :, 1:]
    sitk.WriteImage(other, str(tmp_path / "other.nrrd"))
    with pytest.raises(InputError, match="is not the CT from which this report was made"):
        export_report(load_report(drafted), "folder", tmp_path / "saved", tmp_path / "other.nrrd")
    assert not (tmp_path / "saved").exists()


def test_an_unknown_format_is_refused_with_the_known_ones(report, tmp_path):
    with pytest.raises(InputError, match="Unknown format 'fax'; expected one of: folder, text, markdown"):
        export_report(report, "fax", tmp_path / "chest")


@pytest.mark.parametrize("path", [Path("/"), Path(), Path("..")])
def test_a_path_without_a_name_is_refused(report, path):
    with pytest.raises(InputError, match="is not the name of something to write"):
        export_report(report, "text", path)


def test_the_command_line_exports_a_report_folder(reg2rg: Run, folder, tmp_path):
    finished = reg2rg("export", folder, "--format", "markdown", "-o", tmp_path / "out" / "chest.md")
    assert finished.stdout == f"{tmp_path / 'out' / 'chest-draft.md'}\n"
    assert (tmp_path / "out" / "chest-draft.md").is_file()


def test_the_help_lists_every_format(reg2rg: Run):
    text = "".join(reg2rg("export", "--help").stdout.split())
    assert all("".join(f"{each.name}({each.label})".split()) in text for each in FORMATS.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "fax", "-o", "x"], "Unknown format 'fax'"),
        (["--format", "text", "-o", "x", "--ct", "missing.nii"], "missing.nii does not exist"),
    ],
)
def test_a_failed_export_gives_one_line(reg2rg: Run, folder, arguments, message):
    assert message in error_line(reg2rg("export", folder, *arguments), 2)


def test_a_folder_without_a_report_cannot_be_exported(reg2rg: Run, tmp_path):
    assert "not a report folder" in error_line(reg2rg("export", tmp_path, "--format", "text", "-o", tmp_path / "x"), 2)
