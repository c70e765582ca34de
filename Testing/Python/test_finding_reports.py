"""The pipeline with a model that has a finding head: findings in events, report, and report folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import SimpleITK as sitk
import torch
from tiny_model import tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.models.config import FindingConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline.events import FindingsLocated, Notice, SectionText, SectionWritten
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.report import OUT_OF_DISTRIBUTION_WARNING, parse_report
from reg2rg.runtime.dataclass_io import to_plain

NODULE, EMPHYSEMA, MASS = LABELS = ("Lung nodule", "Emphysema", "Breast mass")


@pytest.fixture(scope="module")
def make_head_model(tmp_path_factory: pytest.TempPathFactory):
    """Return a function that saves a model which always detects nodules and never detects anything else.

    It rates emphysema slightly below the detection threshold. Its language model is that of the tiny model; its
    finding head is untrained except for these biases.
    """

    def make(name: str, limit: float = 1e4) -> Path:
        base = tiny_model()
        findings = FindingConfig(labels=LABELS, sided=(NODULE,), leveled=(NODULE,), sized=(NODULE,), cues=2)
        torch.manual_seed(1)
        model = Reg2RG(dataclasses.replace(base.config, findings=findings))
        model.tokenizer = base.tokenizer
        model.load_state_dict(base.state_dict(), strict=False)
        with torch.no_grad():
            model.embedding_layer.finding_head.output_bias[:, 0] = torch.tensor([5.0, -0.4, -9.0])
            model.embedding_layer.finding_head.evidence_weight[:] = 0
            model.embedding_layer.finding_head.finding_map.logits.bias[1] += 5  # strong enough for an outline
            model.embedding_layer.ood_detector.kinds[0].validation_distances.fill_(limit)
        folder = tmp_path_factory.mktemp("heads") / name
        save_model(model.eval(), folder, card=f"# {name}")
        return folder

    return make


@pytest.fixture(scope="module")
def confident_model(make_head_model) -> Path:
    return make_head_model("confident")


@pytest.fixture
def run(phantom_files, confident_model, tmp_path: Path):
    """Return a function that runs the pipeline and returns the events and the report."""
    volume, regions = phantom_files

    def make(model: Path = confident_model, **fields):
        events = []
        fields = {"regions_file": regions, "device": "cpu", "max_new_tokens": 40, **fields}
        request = ReportRequest(volume=volume, output=tmp_path / "out", model=str(model), **fields)
        run_report(request, events.append)
        return events, parse_report((tmp_path / "out" / "report.json").read_text())

    return make


def test_findings_are_in_the_report_and_their_segments_in_the_folder(run, tmp_path: Path) -> None:
    _, report = run()
    lung = next(section for section in report.sections if section.region == "lung")
    nodule, emphysema = lung.findings
    assert (nodule.label, nodule.detected, nodule.segment) == (NODULE, True, "lung.Lung nodule")
    assert (emphysema.label, emphysema.detected, emphysema.location) == (EMPHYSEMA, False, None)
    image = sitk.ReadImage(str(tmp_path / "out" / "findings.seg.nrrd"))
    ids = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_ID")}
    assert ids == {finding.segment for s in report.sections for finding in s.findings if finding.segment}
    assert not report.out_of_distribution.detected
    text = (tmp_path / "out" / "report.txt").read_text()
    assert f"  - {NODULE}, " in text and "very likely (9" in text


def test_findings_are_sent_before_sections_and_section_events_match_the_report(run) -> None:
    events, report = run()
    (located,) = [event for event in events if isinstance(event, FindingsLocated)]
    first = min(index for index, event in enumerate(events) if isinstance(event, (SectionText, SectionWritten)))
    assert events.index(located) < first and located.file.endswith("findings.seg.nrrd")
    sections = {event.section["region"]: event.section for event in events if isinstance(event, SectionWritten)}
    assert json.loads(json.dumps(sections)) == {section.region: to_plain(section) for section in report.sections}


def test_a_likely_finding_that_the_text_does_not_mention_gives_a_warning(run, tmp_path: Path) -> None:
    run()
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "lung nodule; the finding detector rates it very likely (9" in text


def test_an_out_of_distribution_volume_gives_a_notice_and_no_findings_in_the_text(
    run, make_head_model, tmp_path: Path
) -> None:
    events, report = run(make_head_model("out-of-distribution", limit=1e-6))
    assert OUT_OF_DISTRIBUTION_WARNING in [e.message for e in events if isinstance(e, Notice)]
    assert report.out_of_distribution.detected
    assert not any(finding.calibrated for section in report.sections for finding in section.findings)
    text = (tmp_path / "out" / "report.txt").read_text()
    assert OUT_OF_DISTRIBUTION_WARNING in text and NODULE not in text and "%)" not in text


def test_corrections_are_stored_in_the_rewritten_section(run) -> None:
    run()
    events, report = run(regions=("lung",), corrections={"lung": {NODULE: False}})
    (lung,) = report.sections
    assert {finding.label: finding.correction for finding in lung.findings} == {NODULE: False, EMPHYSEMA: None}
    (section,) = [event.section for event in events if isinstance(event, SectionWritten)]
    assert section["findings"][0]["correction"] is False


def test_a_correction_that_the_model_does_not_support_is_refused(run, tiny_model_folder: Path) -> None:
    with pytest.raises(InputError, match="does not know the finding 'Pneumothorax'; expected one of: Lung nodule"):
        run(corrections={"lung": {"Pneumothorax": True}})
    with pytest.raises(InputError, match="takes no corrections"):
        run(tiny_model_folder, corrections={"lung": {NODULE: True}})


@pytest.mark.slow
def test_cues_can_be_disabled(run) -> None:
    with_cues, without_cues, repeated = (
        run("phantom", use_cues=cues, regions=("lung",))[1].sections[0] for cues in (True, False, True)
    )
    assert with_cues.sentences == repeated.sentences != without_cues.sentences, "cues do not affect token probabilities"
    _, report = run(use_cues=False)
    assert report.sections[0].findings[0].label == NODULE, "the finding head was not run"


def test_a_report_without_outlines_removes_those_of_an_earlier_report(run, tiny_model_folder, tmp_path) -> None:
    run()
    events, report = run(tiny_model_folder)
    assert not (tmp_path / "out" / "findings.seg.nrrd").exists()
    assert not any(isinstance(event, FindingsLocated) for event in events) and report.out_of_distribution is None
    assert {finding.source for section in report.sections for finding in section.findings} == {"text"}
