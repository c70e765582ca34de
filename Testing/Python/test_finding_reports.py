"""The whole way with a model that has a finding head: what it sees gets into events, report and folder."""

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
def head_folder(tmp_path_factory: pytest.TempPathFactory):
    """A model folder whose finding head is sure of nodules, unsure of emphysema and sees nothing else.

    Its language model is the tiny one's; the head is not trained but for these biases.
    """

    def make(name: str, limit: float = 1e4) -> Path:
        taught = tiny_model()
        findings = FindingConfig(labels=LABELS, sided=(NODULE,), leveled=(NODULE,), sized=(NODULE,), cues=2)
        torch.manual_seed(1)
        model = Reg2RG(dataclasses.replace(taught.config, findings=findings))
        model.tokenizer = taught.tokenizer
        model.load_state_dict(taught.state_dict(), strict=False)
        with torch.no_grad():
            model.embedding_layer.finding_head.output_bias[:, 0] = torch.tensor([5.0, -0.4, -9.0])
            model.embedding_layer.finding_head.evidence_weight[:] = 0
            model.embedding_layer.finding_head.finding_map.logits.bias[1] += 5  # a nodule's map is not weak
            model.embedding_layer.ood_detector.validation_distances.fill_(limit)
        folder = tmp_path_factory.mktemp("heads") / name
        save_model(model.eval(), folder, card=f"# {name}")
        return folder

    return make


@pytest.fixture(scope="module")
def sure(head_folder) -> Path:
    return head_folder("sure")


@pytest.fixture
def run(phantom_files, sure, tmp_path: Path):
    """Runs the pipeline; gives the events and the report."""
    volume, regions = phantom_files

    def make(model: Path = sure, **fields):
        told = []
        fields = {"regions_file": regions, "device": "cpu", "max_new_tokens": 40, **fields}
        request = ReportRequest(volume=volume, output=tmp_path / "out", model=str(model), **fields)
        run_report(request, told.append)
        return told, parse_report((tmp_path / "out" / "report.json").read_text())

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


def test_findings_are_told_before_sections_and_sections_hold_them_as_the_report_does(run) -> None:
    told, report = run()
    (located,) = [event for event in told if isinstance(event, FindingsLocated)]
    first = min(index for index, event in enumerate(told) if isinstance(event, (SectionText, SectionWritten)))
    assert told.index(located) < first and located.file.endswith("findings.seg.nrrd")
    seen = {event.section["region"]: event.section for event in told if isinstance(event, SectionWritten)}
    assert json.loads(json.dumps(seen)) == {section.region: to_plain(section) for section in report.sections}


def test_a_text_that_does_not_say_what_the_head_is_sure_of_is_warned_about(run, tmp_path: Path) -> None:
    run()
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "lung nodule; the finding detector rates it very likely (9" in text


def test_an_unlike_volume_is_told_of_and_its_findings_do_not_look_sure(run, head_folder, tmp_path: Path) -> None:
    told, report = run(head_folder("strange", limit=1e-6))
    assert OUT_OF_DISTRIBUTION_WARNING in [e.message for e in told if isinstance(e, Notice)]
    assert report.out_of_distribution.detected
    assert not any(finding.calibrated for section in report.sections for finding in section.findings)
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "unlike the model's training data" in text and "likely (" not in text and "not calibrated" in text


def test_what_the_user_said_is_written_anew_and_kept(run) -> None:
    run()
    told, report = run(regions=("lung",), corrections={"lung": {NODULE: False}})
    (lung,) = report.sections
    assert {finding.label: finding.correction for finding in lung.findings} == {NODULE: False, EMPHYSEMA: None}
    (written,) = [event.section for event in told if isinstance(event, SectionWritten)]
    assert written["findings"][0]["correction"] is False


def test_a_correction_that_the_model_cannot_be_told_of_is_refused(run, tiny_model_folder: Path) -> None:
    with pytest.raises(InputError, match="does not know the finding 'Pneumothorax'; expected one of: Lung nodule"):
        run(corrections={"lung": {"Pneumothorax": True}})
    with pytest.raises(InputError, match="takes no corrections"):
        run(tiny_model_folder, corrections={"lung": {NODULE: True}})


def test_cues_can_be_left_out(run) -> None:
    told, silent, again = (
        run("phantom", use_cues=cues, regions=("lung",))[1].sections[0] for cues in (True, False, True)
    )
    assert told.sentences == again.sentences != silent.sentences, "how sure words are depends on all that it is told"
    _, report = run(use_cues=False)
    assert report.sections[0].findings[0].label == NODULE, "the head is asked all the same"


def test_outlines_of_an_earlier_report_do_not_stay_beside_one_that_has_none(run, tiny_model_folder, tmp_path) -> None:
    run()
    told, report = run(tiny_model_folder)
    assert not (tmp_path / "out" / "findings.seg.nrrd").exists()
    assert not any(isinstance(event, FindingsLocated) for event in told) and report.out_of_distribution is None
    assert {finding.source for section in report.sections for finding in section.findings} == {"text"}
