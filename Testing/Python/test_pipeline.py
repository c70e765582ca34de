"""The pipeline from a volume to a report folder, and the events it sends."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import SimpleITK as sitk
from tiny_model import RECOGNIZED, SENTENCES, tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import Cancelled, InputError
from reg2rg.pipeline import progress
from reg2rg.pipeline.events import Notice, Progress, RegionsFound, SectionText, SectionWritten, Stage
from reg2rg.pipeline.model_cache import MODEL_CACHE
from reg2rg.pipeline.request import ReportRequest, SegmentRequest
from reg2rg.pipeline.run import run_report, run_segmentation
from reg2rg.report import parse_report

FILES = ["preview.png", "regions.seg.nrrd", "report.json", "report.txt", "structures.seg.nrrd"]


@pytest.fixture
def make_request(phantom_files, tiny_model_folder: Path, tmp_path: Path):
    volume, regions = phantom_files

    def make(**fields) -> ReportRequest:
        fields = {"model": str(tiny_model_folder), "regions_file": regions, "device": "cpu", **fields}
        return ReportRequest(volume=volume, output=tmp_path / "out", **fields)

    return make


def test_a_run_writes_a_report_folder_and_leaves_no_other_files(make_request, tmp_path: Path) -> None:
    done = run_report(make_request(seed=3, max_new_tokens=60), lambda event: None)
    assert done.folder == str(tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == FILES
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert {section.text for section in report.sections} == {SENTENCES}
    assert [section.region for section in report.sections if section.grounded] == [RECOGNIZED]
    assert list(report.skipped_regions) == ["breast"]
    provenance = report.provenance
    assert (provenance.model, provenance.seed, provenance.max_new_tokens) == ("tiny", 3, 60)
    assert provenance.segmenter == "label map" and provenance.geometry.size == (128, 128, 96)
    assert set(provenance.stage_seconds) == {"read", "segment", "measure", "prepare", "load", "write"}
    assert report.evidence is not None and report.technique["Slices"]


def test_the_report_contains_no_path_or_file_name(make_request, tmp_path: Path, phantom_files) -> None:
    run_report(make_request(), lambda event: None)
    for name in ("report.json", "report.txt"):
        text = (tmp_path / "out" / name).read_text()
        assert str(tmp_path) not in text and phantom_files[0].name not in text


def test_stages_run_in_order_and_each_progresses_from_0_to_1(make_request) -> None:
    events = []
    run_report(make_request(), events.append)
    progress_events = [event for event in events if isinstance(event, Progress)]
    stages = [stage for stage in Stage if stage is not Stage.COMPARE]  # there is no prior CT
    assert list(dict.fromkeys(event.stage for event in progress_events)) == stages
    for stage in stages:
        fractions = [event.fraction for event in progress_events if event.stage is stage]
        assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)


def test_regions_are_sent_with_a_readable_file_before_the_first_text(make_request) -> None:
    events = []

    def listen(event) -> None:
        events.append(event)
        if isinstance(event, RegionsFound):
            assert sitk.ReadImage(event.file).GetSize() == (128, 128, 96)

    run_report(make_request(), listen)
    (found,) = [event for event in events if isinstance(event, RegionsFound)]
    assert found.regions[:2] == ("lung", "trachea and bronchie") and list(found.missing) == ["breast"]
    assert events.index(found) < min(
        i for i, event in enumerate(events) if isinstance(event, (SectionText, SectionWritten))
    )


def test_each_section_is_streamed_and_then_sent_once_as_stored_in_the_report(
    make_request, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TEXTS", 0.0)
    events = []
    run_report(make_request(), events.append)
    texts = [event.text for event in events if isinstance(event, SectionText) and event.region == "heart"]
    assert len(texts) > 5 and all(len(a) < len(b) for a, b in zip(texts, texts[1:], strict=False))
    assert all(SENTENCES.startswith(text) for text in texts)
    sections = {event.section["region"]: event.section for event in events if isinstance(event, SectionWritten)}
    assert len(sections) == sum(isinstance(event, SectionWritten) for event in events)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())["sections"]
    assert json.loads(json.dumps(sections)) == {section["region"]: section for section in stored}


def test_partial_texts_are_not_sent_for_every_token(make_request, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_TEXTS", 3600.0)
    events = []
    run_report(make_request(), events.append)
    assert sum(isinstance(event, SectionText) and event.region == "heart" for event in events) == 1


def test_a_text_cut_off_at_the_token_limit_is_marked_incomplete(make_request) -> None:
    events = []
    run_report(make_request(max_new_tokens=12), events.append)
    sections = [event.section for event in events if isinstance(event, SectionWritten)]
    assert len(sections) == 9 and not any(section["complete"] for section in sections)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.COMPARE])  # needs a prior CT
def test_a_run_canceled_in_any_stage_leaves_no_files(make_request, tmp_path: Path, stage: Stage) -> None:
    reached = []

    def listen(event) -> None:
        if isinstance(event, Progress) and event.stage is stage:
            reached.append(event)

    with pytest.raises(Cancelled):
        run_report(make_request(), listen, lambda: bool(reached))
    assert list(tmp_path.iterdir()) == []
    assert len(reached) == 1


def test_a_canceled_or_failed_run_leaves_the_earlier_report_unchanged(
    make_request, tmp_path: Path, tiny_model_folder: Path
) -> None:
    damaged = shutil.copytree(tiny_model_folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"x")
    run_report(make_request(), lambda event: None)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="damaged"):
        run_report(make_request(model=str(damaged)), lambda event: None)
    with pytest.raises(Cancelled):
        run_report(make_request(), lambda event: None, lambda: True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_a_missing_model_is_refused_before_the_volume_is_read(make_request) -> None:
    events = []
    with pytest.raises(InputError, match="nosuch"):
        run_report(make_request(model="nosuch"), events.append)
    assert events == []


def test_the_next_run_reuses_the_model(make_request, monkeypatch) -> None:
    generators = []
    load = MODEL_CACHE.load
    monkeypatch.setattr(MODEL_CACHE, "load", lambda key: generators.append(load(key)) or generators[-1])
    for _ in range(2):
        run_report(make_request(), lambda event: None)
    assert generators[0] is generators[1]


def test_segmentation_writes_the_regions_to_one_file(phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    events = []
    run_segmentation(
        SegmentRequest(volume=volume, output=tmp_path / "mine.seg.nrrd", regions_file=regions), events.append
    )
    image = sitk.ReadImage(str(tmp_path / "mine.seg.nrrd"))
    names = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_Name")}
    assert {"Lungs", "Heart", "Esophagus"} < names
    assert [file.name for file in tmp_path.iterdir()] == ["mine.seg.nrrd"]
    assert any(isinstance(event, RegionsFound) for event in events)


def test_segmentation_refuses_an_output_that_is_not_a_seg_nrrd_file(phantom_files, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seg.nrrd"):
        run_segmentation(SegmentRequest(volume=phantom_files[0], output=tmp_path / "mine.nii.gz"), lambda event: None)


def test_only_requested_regions_get_sections(make_request, tmp_path: Path) -> None:
    events = []
    run_report(make_request(regions=("heart", "lung")), events.append)
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert [section.region for section in report.sections] == ["lung", "heart"]
    assert report.skipped_regions["bone"] == "not requested"
    assert len([event for event in events if isinstance(event, SectionWritten)]) == 2
    (found,) = [event for event in events if isinstance(event, RegionsFound)]
    assert "bone" in found.regions, "all regions are segmented even if few are requested"


@pytest.mark.slow
def test_a_region_requested_alone_gets_the_same_text_as_in_a_full_report(tmp_path: Path, repository: Path) -> None:
    volume, regions = repository / "Resources/Sample/ct.nrrd", repository / "Resources/Sample/regions.seg.nrrd"
    texts = {}
    for name, requested in (("all", ()), ("one", ("heart",))):
        folder = tmp_path / name
        request = ReportRequest(volume=volume, regions_file=regions, output=folder, regions=requested, device="cpu")
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
        ({"mapping": {"1": "lung"}}, "needs the file whose labels it maps"),
        ({"corrections": {"Trachea and bronchi": {"Emphysema": True}}}, "'Emphysema' is not a finding of the region"),
        ({"corrections": {"heart": {"Liver cyst": True}}}, "expected one of: Medical material, Arterial wall"),
        ({"regions": [3]}, r"request.regions\[0\] is 3; expected a string"),
    ],
)
def test_an_invalid_request_is_refused(fields, message) -> None:
    with pytest.raises(InputError, match=message):
        ReportRequest.from_dict({"volume": "ct.nrrd", "output": "out", **fields})


def test_a_request_takes_the_names_that_are_shown_and_common_spellings() -> None:
    request = ReportRequest(
        volume=Path("ct.nrrd"),
        output=Path("out"),
        regions=("Lungs", "lung", "Airways"),
        regions_file=Path("labels.nrrd"),
        mapping={"1": "Trachea and bronchi"},
        corrections={"Lungs": {"lung nodule": True}, "lung": {"Emphysema": False}},
    )
    assert request.regions == ("lung", "trachea and bronchie") and request.mapping == {"1": "trachea and bronchie"}
    assert request.corrections == {"lung": {"Lung nodule": True, "Emphysema": False}}


@pytest.fixture(scope="module")
def three_slot_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny model trained on prompts of three regions, and return its folder."""
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
def test_the_report_records_how_it_was_decoded(
    make_request, three_slot_model, tmp_path: Path, fields, decoding
) -> None:
    run_report(make_request(model=str(three_slot_model), **fields), lambda event: None)
    report = parse_report((tmp_path / "out" / "report.json").read_text())
    assert report.provenance.decoding == decoding
    assert {section.text for section in report.sections} == {SENTENCES}


def test_parallel_decoding_with_a_model_not_trained_for_it_sends_a_notice(make_request, three_slot_model) -> None:
    for decoding, count in (("auto", 0), ("parallel", 1)):
        events = []
        run_report(make_request(model=str(three_slot_model), decoding=decoding), events.append)
        notices = [event.message for event in events if isinstance(event, Notice)]
        assert len(notices) == count and all("not trained for parallel decoding" in notice for notice in notices)


def test_rewriting_one_region_reuses_features_and_prompt(make_request, three_slot_model, tmp_path: Path) -> None:
    seconds = []
    for regions in ((), ("heart",), ("heart",)):
        run_report(make_request(model=str(three_slot_model), regions=regions), lambda event: None)
        report = parse_report((tmp_path / "out" / "report.json").read_text())
        seconds.append(report.provenance.stage_seconds["write"])
    assert [(section.region, section.text) for section in report.sections] == [("heart", SENTENCES)]
    assert report.skipped_regions["lung"] == "not requested"
    assert seconds[2] < seconds[0], "features and prompt were not reused"


def test_a_cleared_cache_releases_the_model(make_request, monkeypatch) -> None:
    generators = []
    load = MODEL_CACHE.load
    monkeypatch.setattr(MODEL_CACHE, "load", lambda key: generators.append(weakref.ref(load(key))) or load(key))
    run_report(make_request(), lambda event: None)
    assert generators[0]() is not None
    MODEL_CACHE.clear()
    assert generators[0]() is None
