"""The whole way from a volume to a report folder, and what is told on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from tiny_model import RECOGNISED, SENTENCES, tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import Cancelled, InputError
from reg2rg.pipeline import model_cache, progress
from reg2rg.pipeline import run as pipeline
from reg2rg.pipeline.events import Notice, Progress, RegionsFound, SectionText, SectionWritten, Stage
from reg2rg.pipeline.request import ReportRequest, SegmentRequest
from reg2rg.report import Report

FILES = ["preview.png", "regions.seg.nrrd", "report.json", "report.txt"]


@pytest.fixture
def request_of(phantom_files, tiny_model_folder: Path, tmp_path: Path):
    volume, regions = phantom_files

    def make(**fields) -> ReportRequest:
        fields = {"model": str(tiny_model_folder), "regions_file": regions, "device": "cpu", **fields}
        return ReportRequest(volume=volume, output=tmp_path / "out", **fields)

    return make


def test_a_volume_becomes_a_report_folder_and_nothing_else_is_left(request_of, tmp_path: Path) -> None:
    done = pipeline.run(request_of(seed=3, max_new_tokens=60), lambda event: None)
    assert done.folder == str(tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == FILES
    report = Report.from_json((tmp_path / "out" / "report.json").read_text())
    assert {section.text for section in report.sections} == {SENTENCES}
    assert [section.region for section in report.sections if section.grounded] == [RECOGNISED]
    assert list(report.without_section) == ["breast"]
    provenance = report.provenance
    assert (provenance.model, provenance.seed, provenance.max_new_tokens) == ("tiny", 3, 60)
    assert provenance.segmenter == "label map" and provenance.geometry.size == (128, 128, 96)
    assert set(provenance.seconds) == {"read", "segment", "prepare", "load", "write"}


def test_no_path_or_file_name_gets_into_the_report(request_of, tmp_path: Path, phantom_files) -> None:
    pipeline.run(request_of(), lambda event: None)
    for name in ("report.json", "report.txt"):
        text = (tmp_path / "out" / name).read_text()
        assert str(tmp_path) not in text and phantom_files[0].name not in text


def test_stages_come_in_order_and_each_runs_from_none_to_all(request_of) -> None:
    seen = []
    pipeline.run(request_of(), seen.append)
    progress = [event for event in seen if isinstance(event, Progress)]
    assert list(dict.fromkeys(event.stage for event in progress)) == list(Stage)
    for stage in Stage:
        fractions = [event.fraction for event in progress if event.stage is stage]
        assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)


def test_regions_are_told_with_a_readable_file_before_the_first_text(request_of) -> None:
    seen = []

    def listen(event) -> None:
        seen.append(event)
        if isinstance(event, RegionsFound):
            assert sitk.ReadImage(event.file).GetSize() == (128, 128, 96)

    pipeline.run(request_of(), listen)
    (found,) = [event for event in seen if isinstance(event, RegionsFound)]
    assert found.regions[:2] == ("lung", "trachea and bronchie") and list(found.missing) == ["breast"]
    assert seen.index(found) < min(
        i for i, event in enumerate(seen) if isinstance(event, (SectionText, SectionWritten))
    )


def test_each_section_grows_and_is_then_told_once_as_the_report_has_it(request_of, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TEXTS", 0.0)
    seen = []
    pipeline.run(request_of(), seen.append)
    texts = [event.text for event in seen if isinstance(event, SectionText) and event.region == "heart"]
    assert len(texts) > 5 and all(len(a) < len(b) for a, b in zip(texts, texts[1:], strict=False))
    assert all(SENTENCES.startswith(text) for text in texts)
    written = {event.section["region"]: event.section for event in seen if isinstance(event, SectionWritten)}
    assert len(written) == sum(isinstance(event, SectionWritten) for event in seen)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())["sections"]
    assert json.loads(json.dumps(written)) == {section["region"]: section for section in stored}


def test_a_growing_text_is_not_told_at_every_token(request_of) -> None:
    seen = []
    pipeline.run(request_of(), seen.append)
    assert 0 < sum(isinstance(event, SectionText) and event.region == "heart" for event in seen) <= 3


def test_a_text_cut_off_at_the_token_limit_is_told_and_marked(request_of) -> None:
    seen = []
    pipeline.run(request_of(max_new_tokens=12), seen.append)
    written = [event.section for event in seen if isinstance(event, SectionWritten)]
    assert len(written) == 9 and not any(section["complete"] for section in written)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_run_cancelled_in_any_stage_leaves_nothing(request_of, tmp_path: Path, stage: Stage) -> None:
    reached = []

    def listen(event) -> None:
        if isinstance(event, Progress) and event.stage is stage:
            reached.append(event)

    with pytest.raises(Cancelled):
        pipeline.run(request_of(), listen, lambda: bool(reached))
    assert list(tmp_path.iterdir()) == []
    assert len(reached) == 1


def test_a_cancelled_or_failed_run_leaves_the_earlier_report_as_it_was(
    request_of, tmp_path: Path, tiny_model_folder: Path
) -> None:
    damaged = shutil.copytree(tiny_model_folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"x")
    pipeline.run(request_of(), lambda event: None)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="damaged"):
        pipeline.run(request_of(model=str(damaged)), lambda event: None)
    with pytest.raises(Cancelled):
        pipeline.run(request_of(), lambda event: None, lambda: True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_a_missing_model_is_told_before_the_volume_is_read(request_of) -> None:
    seen = []
    with pytest.raises(InputError, match="nosuch"):
        pipeline.run(request_of(model="nosuch"), seen.append)
    assert seen == []


def test_the_model_is_kept_for_the_next_run(request_of) -> None:
    pipeline.run(request_of(), lambda event: None)
    hits = model_cache.loaded.cache_info().hits
    pipeline.run(request_of(), lambda event: None)
    assert model_cache.loaded.cache_info().hits == hits + 1


def test_regions_alone_can_be_written_into_a_file(phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    seen = []
    pipeline.segment(SegmentRequest(volume, tmp_path / "mine.seg.nrrd", regions_file=regions), seen.append)
    image = sitk.ReadImage(str(tmp_path / "mine.seg.nrrd"))
    names = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_Name")}
    assert {"Lungs", "Heart", "Esophagus"} < names
    assert [file.name for file in tmp_path.iterdir()] == ["mine.seg.nrrd"]
    assert any(isinstance(event, RegionsFound) for event in seen)


def test_regions_go_into_a_seg_nrrd_and_nothing_else(phantom_files, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seg.nrrd"):
        pipeline.segment(SegmentRequest(phantom_files[0], tmp_path / "mine.nii.gz"), lambda event: None)


def test_only_the_regions_asked_for_are_written_about(request_of, tmp_path: Path) -> None:
    told = []
    pipeline.run(request_of(only=("heart", "lung")), told.append)
    report = Report.from_json((tmp_path / "out" / "report.json").read_text())
    assert [section.region for section in report.sections] == ["lung", "heart"]
    assert report.without_section["bone"] == "not requested"
    assert len([event for event in told if isinstance(event, SectionWritten)]) == 2
    (found,) = [event for event in told if isinstance(event, RegionsFound)]
    assert "bone" in found.regions, "all regions are segmented all the same"


def test_a_region_written_alone_says_what_it_says_among_all(tmp_path: Path, repository: Path) -> None:
    volume, regions = repository / "Resources/Sample/ct.nrrd", repository / "Resources/Sample/regions.seg.nrrd"
    texts = {}
    for name, only in (("all", ()), ("one", ("heart",))):
        folder = tmp_path / name
        request = ReportRequest(volume=volume, regions_file=regions, output=folder, only=only, device="cpu")
        pipeline.run(request, lambda event: None)
        report = Report.from_json((folder / "report.json").read_text())
        texts[name] = {section.region: section.text for section in report.sections}
    assert texts["one"] == {"heart": texts["all"]["heart"]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"only": ["spleen"]}, "Unknown region 'spleen'"),
        ({"decoding": "beam"}, "No decoding is called 'beam'; expected auto, sequence, parallel"),
        ({"only": "heart"}, "expected a list of regions"),
        ({"only": [3]}, "expected a list of regions"),
    ],
)
def test_a_wrong_choice_of_regions_is_refused(fields, said) -> None:
    with pytest.raises(InputError, match=said):
        ReportRequest.from_dict({"volume": "ct.nrrd", "output": "out", **fields})


@pytest.fixture(scope="module")
def three_slots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, taught prompts of three regions."""
    folder = tmp_path_factory.mktemp("slots") / "three"
    save_model(tiny_model(slots=3), folder, card="# three")
    return folder


@pytest.mark.parametrize(
    ("fields", "decoding"),
    [
        ({}, "one sequence for all regions of a prompt; greedy"),
        ({"decoding": "parallel"}, "regions in parallel from one prompt; greedy"),
        ({"sample": True}, "one sequence for all regions of a prompt; drawn by chance (top-k)"),
    ],
)
def test_the_report_says_how_it_was_written(request_of, three_slots, tmp_path: Path, fields, decoding) -> None:
    pipeline.run(request_of(model=str(three_slots), **fields), lambda event: None)
    report = Report.from_json((tmp_path / "out" / "report.json").read_text())
    assert report.provenance.decoding == decoding
    assert {section.text for section in report.sections} == {SENTENCES}


def test_a_model_not_trained_for_it_writes_in_parallel_with_a_notice(request_of, three_slots) -> None:
    for decoding, count in (("auto", 0), ("parallel", 1)):
        told = []
        pipeline.run(request_of(model=str(three_slots), decoding=decoding), told.append)
        notices = [event.message for event in told if isinstance(event, Notice)]
        assert len(notices) == count and all("not trained to write its regions in parallel" in n for n in notices)


def test_one_region_is_written_again_from_the_prompt_of_all(request_of, three_slots, tmp_path: Path) -> None:
    seconds = []
    for only in ((), ("heart",), ("heart",)):
        pipeline.run(request_of(model=str(three_slots), only=only), lambda event: None)
        report = Report.from_json((tmp_path / "out" / "report.json").read_text())
        seconds.append(report.provenance.seconds["write"])
    assert [(section.region, section.text) for section in report.sections] == [("heart", SENTENCES)]
    assert report.without_section["lung"] == "not requested"
    assert seconds[2] < seconds[0], "features and prompt were kept"


def test_the_model_is_forgotten_when_memory_is_wanted(request_of, tmp_path: Path) -> None:
    pipeline.run(request_of(), lambda event: None)
    kept = model_cache.loaded.cache_info().currsize
    model_cache.free_memory()
    assert (kept, model_cache.loaded.cache_info().currsize) == (1, 0)
