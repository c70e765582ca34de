"""Silence: the draft for a volume unlike the training data consists of measurements; the model's text is hidden."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from perfect_detection import locate_planted
from test_exports import picture_of
from test_report import generated, provenance

import reg2rg
from reg2rg.errors import InputError
from reg2rg.exports.marks import marks_of
from reg2rg.exports.segmentation_nrrd import write_outlines
from reg2rg.labeler import split_sentences
from reg2rg.measurements import NOT_ASSESSED, Evidence, measure, region_sentences, with_findings
from reg2rg.phantom import PhantomCase, PlantedFinding, make_phantom
from reg2rg.phantom.case import PhantomConfig
from reg2rg.pipeline.events import Notice, SectionText, SectionWritten
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.report import (
    MODEL_TEXT_HIDDEN,
    OUT_OF_DISTRIBUTION_WARNING,
    OutOfDistribution,
    Report,
    ReportBuilder,
    draft_impression,
    finding_lines,
    load_report,
    parse_report,
    report_content,
)
from reg2rg.volumes.geometry import image_like

CLAIM = "A nodule of 16 mm is found in the left upper lobe."


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    nodule = PlantedFinding("Lung nodule", "lung", "left", "lower", 18)
    return make_phantom(302, PhantomConfig(size=(192, 192, 144)), [nodule])


@pytest.fixture(scope="module")
def evidence(case: PhantomCase) -> Evidence:
    return measure(case.volume, case.structures, case.masks)


@pytest.fixture(scope="module")
def make_report(case: PhantomCase, evidence: Evidence) -> Callable[..., Report]:
    """Return a function that builds a report of the lungs and the breast from a distance to the training data."""

    def make(distance: float, corrections: dict[str, dict[str, bool]] | None = None) -> Report:
        builder = ReportBuilder(
            case.volume,
            case.masks,
            detected=locate_planted(case).findings,
            evidence=evidence,
            out_of_distribution=OutOfDistribution(distance, 1.2),
            corrections=corrections,
        )
        texts = [generated("lung", CLAIM, "pleura", complete=False), generated("bone", "Normal.", "bone")]
        return builder.report(texts, provenance(case.volume), {})

    return make


def test_an_unlike_volume_is_described_by_measured_sentences_alone(make_report) -> None:
    silent, lung = make_report(3.0), make_report(3.0).section("lung")
    assert lung.model_text_hidden and lung.text == CLAIM, "the model's text is kept"
    assert lung.draft == " ".join(lung.measured) and "Lung volume, right lung: " in lung.draft
    assert silent.warnings == (OUT_OF_DISTRIBUTION_WARNING,) and lung.listed_findings == ()
    assert any(finding.detected for finding in lung.findings), "the model's findings are kept"
    assert parse_report(silent.to_json()) == silent


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda evidence: evidence["measurements"][0].update(measure="beauty"), "an unknown measure: 'beauty'"),
        (lambda evidence: evidence["measurements"][0].update(region="tail"), "Unknown region 'tail'"),
        (lambda evidence: evidence["conditions"].update(cut=["tail"]), "an unknown structure: 'tail'"),
        (lambda evidence: evidence["measurements"][0].update(value=float("nan")), "expected a finite number"),
    ],
)
def test_evidence_about_something_unknown_is_refused(make_report, change, expected: str) -> None:
    values = json.loads(make_report(3.0).to_json())
    change(values["evidence"])
    with pytest.raises(InputError, match=expected):
        parse_report(json.dumps(values))


def test_markup_in_a_measured_sentence_is_escaped(make_report) -> None:
    values = json.loads(make_report(3.0).to_json())
    for section in values["sections"]:
        section["measured"] = ["<script>alert(1)</script>"]
        del section["draft"]
    page = parse_report(json.dumps(values))._repr_html_()
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page


def test_a_familiar_volume_is_described_by_the_model_and_measured_beside(make_report) -> None:
    lung = make_report(1.0).section("lung")
    assert not lung.model_text_hidden and lung.draft == CLAIM
    assert lung.measured and lung.listed_findings


def test_a_region_without_measurements_is_not_called_normal(case, evidence) -> None:
    builder = ReportBuilder(
        case.volume, case.masks, evidence=Evidence(evidence.conditions, ()), out_of_distribution=OutOfDistribution(3, 1)
    )
    section = builder.section(generated("heart", "Normal.", "heart"))
    assert section.draft == NOT_ASSESSED


def test_plain_text_does_not_contain_hidden_text_or_warnings_about_it(make_report) -> None:
    text = make_report(3.0).to_text()
    assert CLAIM not in text and "Lung nodule" not in text and "identified this region as" not in text
    assert "TECHNIQUE\nSlices: " in text and "  = Lung volume, right lung: " in text
    assert CLAIM in make_report(1.0).to_text() and "  = Lung volume, right lung: " in make_report(1.0).to_text()


def test_html_folds_hidden_text_and_marks_it(make_report) -> None:
    page = make_report(3.0)._repr_html_()
    before, _, folded = page.partition("<details>")
    assert CLAIM not in before and MODEL_TEXT_HIDDEN.replace("'", "&#x27;") in folded and CLAIM in folded
    assert "<details>" not in make_report(1.0)._repr_html_()


@pytest.mark.slow
def test_the_preview_neither_marks_nor_names_hidden_findings(make_report, case, tmp_path: Path) -> None:
    assert marks_of(report_content(make_report(1.0))) and marks_of(report_content(make_report(3.0))) == []
    familiar = picture_of(make_report(1.0), case, tmp_path / "familiar.png")
    silent = picture_of(make_report(3.0), case, tmp_path / "silent.png")
    assert not np.array_equal(familiar[84:550, :780], silent[84:550, :780]), "no ring around the nodule"


def test_outlines_of_hidden_findings_are_marked(case, tmp_path: Path) -> None:
    outlines = locate_planted(case).outlines
    for in_draft in (True, False):
        write_outlines(outlines, case.masks.bits, tmp_path / "findings.seg.nrrd", in_draft=in_draft)
        header = (tmp_path / "findings.seg.nrrd").read_bytes()[:20_000]
        assert (b"Lung nodule (lungs, not in the draft)" in header) != in_draft


def test_a_finding_that_a_reviewer_marked_is_listed_in_any_case(make_report) -> None:
    lung = make_report(3.0, {"lung": {"Lung nodule": True}}).section("lung")
    assert [finding.label for finding in lung.listed_findings] == ["Lung nodule"]


def test_a_marked_finding_has_neither_side_nor_size_nor_place_from_hidden_text(make_report) -> None:
    silent = make_report(3.0, {"lung": {"Lung nodule": True}})
    assert finding_lines(silent.section("lung")) == ["Lung nodule: marked as present by the reviewer"]
    assert "  - Lung nodule: marked as present by the reviewer\n" in silent.to_text()
    assert "<li>Lung nodule: marked as present by the reviewer</li>" in silent._repr_html_().partition("<details>")[0]
    assert marks_of(report_content(silent)) == []
    (line,) = [
        line
        for line in finding_lines(make_report(1.0, {"lung": {"Lung nodule": True}}).section("lung"))
        if line.startswith("Lung nodule, left lower lobe, ")
    ]
    assert line.endswith("; marked as present by the reviewer")


@pytest.mark.slow
def test_regions_that_were_requested_but_not_found_are_not_replaced_by_all_others(tmp_path: Path) -> None:
    ct, regions = reg2rg.sample_case()
    lungs = tmp_path / "lungs.nii.gz"
    masks = reg2rg.segment(ct, regions_file=regions, progress=False)
    sitk.WriteImage(image_like(masks.array("lung").astype(np.uint8), sitk.ReadImage(str(ct))), str(lungs))
    with pytest.raises(InputError, match=r"None of the requested regions can be described \(Heart: .+\)"):
        reg2rg.generate_report(
            ct, tmp_path / "out", regions_file=lungs, mapping={"1": "lung"}, regions=("heart",), progress=False
        )
    assert not (tmp_path / "out").exists()


def test_the_impression_contains_measured_values_that_have_a_name_only(make_report) -> None:
    lung = make_report(3.0).section("lung")
    named = "Low-attenuation volume (-950 HU and below): 9.0%, which is emphysema by density (5% and more)."
    measured = [*lung.measured, named, NOT_ASSESSED]
    text = " ".join(measured)
    assert [text[start:end] for start, end in split_sentences(text)] == measured
    assert draft_impression([("lung", text)], measured) == f"Lungs: {named}"


def test_solid_findings_are_measured_at_their_own_edge(case, evidence) -> None:
    """The finding map is coarse, but the ruler is not."""
    measured = with_findings(evidence, case.volume, locate_planted(case).outlines, ("Lung nodule",))
    (nodule,) = [m for m in measured.of("lung") if m.measure == "finding_diameter"]
    assert nodule.part == "lung nodule" and not nodule.reserved and len(nodule.lines) == 2
    long, short = sorted((math.dist(line.start_ras, line.end_ras) for line in nodule.lines), reverse=True)
    assert long == pytest.approx(18, abs=1.9), "one voxel"
    assert nodule.value == pytest.approx((long + short) / 2, abs=0.1)


def test_a_finding_without_a_size_has_an_extent_that_the_text_does_not_state(case, evidence) -> None:
    measured = with_findings(evidence, case.volume, locate_planted(case).outlines, ())
    (extent,) = [m for m in measured.of("lung") if m.measure.startswith("finding")]
    assert extent.measure == "finding_extent" and extent.value is not None
    assert not any("Extent" in sentence for sentence in region_sentences(measured, "lung"))


@pytest.fixture(scope="module")
def unlike(tmp_path_factory) -> tuple[Path, Path]:
    """Return the sample case upside down, with the regions where they were."""
    ct, regions = reg2rg.sample_case()
    volume = sitk.ReadImage(str(ct))
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(volume)[::-1])
    flipped.CopyInformation(volume)
    path = tmp_path_factory.mktemp("unlike") / "ct.nrrd"
    sitk.WriteImage(flipped, str(path))
    return path, Path(regions)


@pytest.mark.slow
@pytest.mark.parametrize("regions", [(), ("lung",)], ids=["all regions", "one region"])
def test_the_check_is_about_the_whole_volume_and_hides_the_text_while_it_is_written(unlike, tmp_path, regions) -> None:
    ct, regions_file = unlike
    events = []
    run_report(
        ReportRequest(volume=ct, output=tmp_path / "out", regions_file=regions_file, regions=regions), events.append
    )
    assert not any(isinstance(event, SectionText) for event in events)
    assert any(isinstance(event, Notice) and event.message == OUT_OF_DISTRIBUTION_WARNING for event in events)
    sections = [event.section for event in events if isinstance(event, SectionWritten)]
    assert sections and all(section["model_text_hidden"] for section in sections)
    report = load_report(tmp_path / "out")
    values = json.loads(report.to_json())
    assert values["out_of_distribution"]["detected"]
    assert report.evidence is not None and not any(
        m.measure in ("finding_diameter", "finding_extent") for m in report.evidence.measurements
    )


@pytest.mark.slow
def test_the_distance_to_the_training_data_does_not_depend_on_the_requested_regions(unlike, tmp_path) -> None:
    ct, regions_file = unlike
    distances = set()
    for regions in ((), ("heart",)):
        report = reg2rg.generate_report(
            ct, tmp_path / "out", regions_file=regions_file, regions=regions, progress=False
        )
        distances.add(report.out_of_distribution)
    assert len(distances) == 1
