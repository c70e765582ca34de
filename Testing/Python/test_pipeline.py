"""The whole way from a volume to a report folder, and what is told on it."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import SimpleITK as sitk
from tiny_model import RECOGNISED, SENTENCES, tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import Cancelled, InputError
from reg2rg.pipeline import progress
from reg2rg.pipeline.events import Notice, Progress, RegionsFound, SectionText, SectionWritten, Stage
from reg2rg.pipeline.model_cache import MODEL_CACHE
from reg2rg.pipeline.request import ReportRequest, SegmentRequest
from reg2rg.pipeline.run import run_report, run_segmentation
from reg2rg.report import parse_report

FILES = ["preview.png", "regions.seg.nrrd", "report.json", "report.txt"]


@pytest.fixture
def request_of(phantom_files, tiny_model_folder: Path, tmp_path: Path):
    volume, regions = phantom_files

    def make(**fields) -> ReportRequest:
        fields = {"model": str(tiny_model_folder), "regions_file": regions, "device": "cpu", **fields}
        return ReportRequest(volume=volume, output=tmp_path / "out", **fields)

    return make


def test_a_volume_becomes_a_report_folder_and_nothing_else_is_left(request_of, tmp_path: Path) -> None:
    done = run_report(request_of(seed=3, max_new_tokens=60), lambda event: None)
    assert done.folder == str(tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == FILES
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert {section.text for section in report.sections} == {SENTENCES}
    assert [section.region for section in report.sections if section.grounded] == [RECOGNISED]
    assert list(report.skipped_regions) == ["breast"]
    provenance = report.provenance
    assert (provenance.model, provenance.seed, provenance.max_new_tokens) == ("tiny", 3, 60)
    assert provenance.segmenter == "label map" and provenance.geometry.size == (128, 128, 96)
    assert set(provenance.stage_seconds) == {"read", "segment", "prepare", "load", "write"}


def test_no_path_or_file_name_gets_into_the_report(request_of, tmp_path: Path, phantom_files) -> None:
    run_report(request_of(), lambda event: None)
    for name in ("report.json", "report.txt"):
        text = (tmp_path / "out" / name).read_text()
        assert str(tmp_path) not in text and phantom_files[0].name not in text


def test_stages_come_in_order_and_each_runs_from_none_to_all(request_of) -> None:
    seen = []
    run_report(request_of(), seen.append)
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

    run_report(request_of(), listen)
    (found,) = [event for event in seen if isinstance(event, RegionsFound)]
    assert found.regions[:2] == ("lung", "trachea and bronchie") and list(found.missing) == ["breast"]
    assert seen.index(found) < min(
        i for i, event in enumerate(seen) if isinstance(event, (SectionText, SectionWritten))
    )


def test_each_section_grows_and_is_then_told_once_as_the_report_has_it(request_of, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TEXTS", 0.0)
    seen = []
    run_report(request_of(), seen.append)
    texts = [event.text for event in seen if isinstance(event, SectionText) and event.region == "heart"]
    assert len(texts) > 5 and all(len(a) < len(b) for a, b in zip(texts, texts[1:], strict=False))
    assert all(SENTENCES.startswith(text) for text in texts)
    written = {event.section["region"]: event.section for event in seen if isinstance(event, SectionWritten)}
    assert len(written) == sum(isinstance(event, SectionWritten) for event in seen)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())["sections"]
    assert json.loads(json.dumps(written)) == {section["region"]: section for section in stored}


def test_a_growing_text_is_not_told_at_every_token(request_of) -> None:
    seen = []
    run_report(request_of(), seen.append)
    assert 0 < sum(isinstance(event, SectionText) and event.region == "heart" for event in seen) <= 3


def test_a_text_cut_off_at_the_token_limit_is_told_and_marked(request_of) -> None:
    seen = []
    run_report(request_of(max_new_tokens=12), seen.append)
    written = [event.section for event in seen if isinstance(event, SectionWritten)]
    assert len(written) == 9 and not any(section["complete"] for section in written)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_run_cancelled_in_any_stage_leaves_nothing(request_of, tmp_path: Path, stage: Stage) -> None:
    reached = []

    def listen(event) -> None:
        if isinstance(event, Progress) and event.stage is stage:
            reached.append(event)

    with pytest.raises(Cancelled):
        run_report(request_of(), listen, lambda: bool(reached))
    assert list(tmp_path.iterdir()) == []
    assert len(reached) == 1


def test_a_cancelled_or_failed_run_leaves_the_earlier_report_as_it_was(
    request_of, tmp_path: Path, tiny_model_folder: Path
) -> None:
    damaged = shutil.copytree(tiny_model_folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"x")
    run_report(request_of(), lambda event: None)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="damaged"):
        run_report(request_of(model=str(damaged)), lambda event: None)
    with pytest.raises(Cancelled):
        run_report(request_of(), lambda event: None, lambda: True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_a_missing_model_is_told_before_the_volume_is_read(request_of) -> None:
    seen = []
    with pytest.raises(InputError, match="nosuch"):
        run_report(request_of(model="nosuch"), seen.append)
    assert seen == []


def test_the_model_is_kept_for_the_next_run(request_of, monkeypatch) -> None:
    generators = []
    load = MODEL_CACHE.load
    monkeypatch.setattr(MODEL_CACHE, "load", lambda key: generators.append(load(key)) or generators[-1])
    for _ in range(2):
        run_report(request_of(), lambda event: None)
    assert generators[0] is generators[1]


def test_regions_alone_can_be_written_into_a_file(phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    seen = []
    run_segmentation(
        SegmentRequest(volume=volume, output=tmp_path / "mine.seg.nrrd", regions_file=regions), seen.append
    )
    image = sitk.ReadImage(str(tmp_path / "mine.seg.nrrd"))
    names = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_Name")}
    assert {"Lungs", "Heart", "Esophagus"} < names
    assert [file.name for file in tmp_path.iterdir()] == ["mine.seg.nrrd"]
    assert any(isinstance(event, RegionsFound) for event in seen)


def test_regions_go_into_a_seg_nrrd_and_nothing_else(phantom_files, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seg.nrrd"):
        run_segmentation(SegmentRequest(volume=phantom_files[0], output=tmp_path / "mine.nii.gz"), lambda event: None)


def test_only_the_regions_asked_for_are_written_about(request_of, tmp_path: Path) -> None:
    told = []
    run_report(request_of(regions=("heart", "lung")), told.append)
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert [section.region for section in report.sections] == ["lung", "heart"]
    assert report.skipped_regions["bone"] == "not requested"
    assert len([event for event in told if isinstance(event, SectionWritten)]) == 2
    (found,) = [event for event in told if isinstance(event, RegionsFound)]
    assert "bone" in found.regions, "all regions are segmented all the same"


def test_a_region_written_alone_says_what_it_says_among_all(tmp_path: Path, repository: Path) -> None:
    volume, regions = repository / "Resources/Sample/ct.nrrd", repository / "Resources/Sample/regions.seg.nrrd"
    texts = {}
    for name, only in (("all", ()), ("one", ("heart",))):
        folder = tmp_path / name
        request = ReportRequest(volume=volume, regions_file=regions, output=folder, regions=only, device="cpu")
        run_report(request, lambda event: None)
        report = parse_report((folder / "report.json").read_text())
        texts[name] = {section.region: section.text for section in report.sections}
    assert texts["one"] == {"heart": texts["all"]["heart"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"regions": ["spleen"]}, "spleen"),
        ({"decoding": "beam"}, "Unknown decoding 'beam'; expected one of: auto, sequence, parallel"),
        ({"regions": "heart"}, "request.regions is 'heart'; expected a list"),
        ({"regions": [3]}, r"request.regions\[0\] is 3; expected a string"),
    ],
)
def test_an_invalid_request_is_refused(fields, message) -> None:
    with pytest.raises(InputError, match=message):
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
        ({}, "one text for all regions of a prompt; greedy"),
        ({"decoding": "parallel"}, "one text per region, in parallel from one prompt; greedy"),
        ({"do_sample": True}, "one text for all regions of a prompt; random sampling (top-k)"),
    ],
)
def test_the_report_says_how_it_was_written(request_of, three_slots, tmp_path: Path, fields, decoding) -> None:
    run_report(request_of(model=str(three_slots), **fields), lambda event: None)
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert report.provenance.decoding == decoding
    assert {section.text for section in report.sections} == {SENTENCES}


def test_a_model_not_trained_for_it_writes_in_parallel_with_a_notice(request_of, three_slots) -> None:
    for decoding, count in (("auto", 0), ("parallel", 1)):
        told = []
        run_report(request_of(model=str(three_slots), decoding=decoding), told.append)
        notices = [event.message for event in told if isinstance(event, Notice)]
        assert len(notices) == count and all("not trained for parallel decoding" in n for n in notices)


def test_one_region_is_written_again_from_the_prompt_of_all(request_of, three_slots, tmp_path: Path) -> None:
    seconds = []
    for only in ((), ("heart",), ("heart",)):
        run_report(request_of(model=str(three_slots), regions=only), lambda event: None)
        report = parse_report((tmp_path / "out" / "report.json").read_text())
        seconds.append(report.provenance.stage_seconds["write"])
    assert [(section.region, section.text) for section in report.sections] == [("heart", SENTENCES)]
    assert report.skipped_regions["lung"] == "not requested"
    assert seconds[2] < seconds[0], "features and prompt were kept"


def test_a_cleared_cache_releases_the_model(request_of, monkeypatch) -> None:
    generators = []
    load = MODEL_CACHE.load
    monkeypatch.setattr(MODEL_CACHE, "load", lambda key: generators.append(weakref.ref(load(key))) or load(key))
    run_report(request_of(), lambda event: None)
    assert generators[0]() is not None
    MODEL_CACHE.clear()
    assert generators[0]() is None
