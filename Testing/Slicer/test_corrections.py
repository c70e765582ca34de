"""Corrections: the real engine, with a small random model, regenerates a section with the user's corrections."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import slicer
from hands import arrayOfRegion, generate, moduleWidget, settle, waitFor
from located import reopen
from Reg2RGModuleLib import regionsGeometry, reportNode, segmentationFile
from Reg2RGModuleLib.findingText import LABELS_BY_REGION
from Reg2RGModuleLib.review import Review

LABELS = tuple(label for label in LABELS_BY_REGION["lung"] if label != "Bronchiectasis")

DETECTED = 3
"""Number of labels, from the first on, that the finding head detects in every region."""
MAP_SCALE = 10.0
"""A random finding map is weak everywhere. Scaled by this factor, it has a peak that is outlined."""


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, repository_folder):
    """Save a tiny model whose finding head is random except that it detects the first labels; return its folder."""
    sys.path.insert(0, str(repository_folder / "Testing" / "Python"))
    import torch
    from tiny_model import tiny_model

    from reg2rg.checkpoints.saving import save_model
    from reg2rg.models.config import FindingConfig
    from reg2rg.models.reg2rg import Reg2RG

    taught = tiny_model()
    findings = FindingConfig(LABELS, sided=LABELS, leveled=LABELS, sized=LABELS[:1], width=16, cues=2)
    torch.manual_seed(1)
    model = Reg2RG(dataclasses.replace(taught.config, findings=findings))
    model.load_state_dict(taught.state_dict(), strict=False)
    model.tokenizer = taught.tokenizer
    head = model.embedding_layer.finding_head
    with torch.no_grad():
        head.output_bias[:, 0] = torch.where(torch.arange(len(LABELS)) < DETECTED, 2.0, -4.0)
        head.evidence_weight[:] = 0
        head.finding_map.logits.weight *= MAP_SCALE
        head.finding_map.logits.bias[0] = 0  # a neutral prior, so that maps are not weak
    folder = tmp_path_factory.mktemp("model") / "head"
    save_model(model.eval(), folder, card="# head\n\nFor tests.\n")
    return folder


@pytest.fixture(scope="module")
def repository_folder():
    from conftest import REPOSITORY

    return REPOSITORY


@pytest.fixture(scope="module")
def fresh(model_folder):
    """Generate a report for the sample case with that model, and return the stored review."""
    slicer.mrmlScene.Clear(0)
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    panel.inputs.parameters.model = str(model_folder)
    generate(panel)
    assert panel.ui.messageLabel.text == ""
    yield reportNode.reportNodes()[0].GetText()
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def panel(fresh):
    node().SetText(fresh)
    reopen()
    panel = moduleWidget().panel
    panel.navigation.select("lung")
    yield panel
    if run().active:
        run().cancel()
        waitForEnd()


@pytest.fixture
def requests(panel):
    """Record the requests that the engine receives."""
    engine, received = moduleWidget().logic.engine, []
    original = engine.run

    def recording(request):
        received.append(request)
        original(request)

    engine.run = recording
    yield received
    del engine.run


def run():
    return moduleWidget().logic.run


def waitForEnd():
    waitFor(lambda: not run().active)


def node():
    return reportNode.reportNodes()[0]


def button(panel, region, text):
    card = panel.sections.card(region)
    found = [button for button in card.findChildren("QPushButton", "correctButton") if button.text == text]
    assert found, f"the card of the {region} has no button {text!r}"
    return found[0]


def correct(panel, region, text):
    button(panel, region, text).click()
    assert run().active, panel.ui.messageLabel.text
    waitForEnd()
    settle()
    assert panel.ui.messageLabel.text == ""


def first_present_label():
    """Return the label of the first finding in the lung's card that can be marked as absent."""
    section = reportNode.read(node()).section("lung")
    return next(finding.label for finding in section.listed_findings if finding.present)


def rows(panel, region):
    """Return the text of each finding's row in a card, by label."""
    texts = [
        label.text
        for label in panel.sections.card(region).findChildren("QLabel")
        if label.isVisibleTo(panel.ui.sectionsArea)
    ]
    return {label: text for label in LABELS for text in texts if f"{label}<" in text and "<small>" in text}


def test_located_findings_have_a_segmentation_separate_from_the_regions(panel):
    review = reportNode.read(node())
    findings = [finding for section in review.report.sections for finding in section.findings if finding.segment]
    assert findings
    segmentation = reportNode.findingsOf(node())
    assert set(regionsGeometry.segmentIds(segmentation)) == {finding.segment for finding in findings}
    assert reportNode.segmentationOf(node()) is not segmentation
    for finding in findings:
        assert finding.segment in regionsGeometry.regionsAt(segmentation, finding.location.point_ras)


def test_marking_a_finding_as_absent_regenerates_its_section(panel, requests):
    label = first_present_label()
    before = reportNode.read(node())
    correct(panel, "lung", "Mark as absent")
    assert [(request["regions"], request["corrections"]) for request in requests] == [
        (["lung"], {"lung": {label: False}})
    ]
    after = reportNode.read(node())
    assert after.corrections("lung") == {label: False}
    assert after.section("heart") == before.section("heart")
    assert panel.sections.current == "lung"
    assert_only_focal_findings_are_visible(after)
    assert "marked as absent" in rows(panel, "lung")[label]
    button(panel, "lung", "Mark as present")


def assert_only_focal_findings_are_visible(review):
    display = reportNode.findingsOf(node()).GetDisplayNode()
    for section in review.report.sections:
        for finding in section.findings:
            if finding.segment:
                assert display.GetSegmentVisibility(finding.segment) == finding.location.focal


def test_undo_reverts_a_correction(panel):
    before = reportNode.read(node())
    correct(panel, "lung", "Mark as absent")
    panel.ui.undoButton.click()
    after = reportNode.read(node())
    assert after.corrections("lung") == {}
    assert after.section("lung") == before.section("lung")
    assert not any("marked as" in row for row in rows(panel, "lung").values())


def test_regenerating_a_section_keeps_its_corrections(panel, requests):
    label = first_present_label()
    correct(panel, "lung", "Mark as absent")
    panel.ui.regenerateButton.click()
    waitForEnd()
    assert requests[-1]["corrections"] == {"lung": {label: False}}
    correct(panel, "lung", "Mark as present")
    assert requests[-1]["corrections"]["lung"][label] is True
    assert reportNode.read(node()).corrections("lung")[label] is True


def test_a_finding_that_the_section_does_not_list_can_be_added(panel, requests):
    panel.ui.addFindingButton.menu().aboutToShow.emit()
    offered = {action.text: action for action in panel.ui.addFindingButton.menu().actions()}
    listed = set(rows(panel, "lung"))
    missing = next(label for label in LABELS if label not in listed)
    offered[missing].trigger()
    waitForEnd()
    assert panel.ui.messageLabel.text == ""
    assert requests[-1]["corrections"] == {"lung": {missing: True}}
    assert "marked as present" in rows(panel, "lung")[missing]


def test_a_correction_that_the_model_does_not_support_is_refused_and_changes_nothing(panel):
    before = node().GetText()
    panel.run.correct("lung", "Bronchiectasis", True)
    waitForEnd()
    assert "Bronchiectasis" in panel.ui.messageLabel.text
    assert node().GetText() == before


def test_nothing_can_be_corrected_while_a_section_is_being_written(panel, requests):
    button(panel, "lung", "Mark as absent").click()
    assert not button(panel, "lung", "Mark as absent").isEnabled()
    assert not panel.ui.addFindingButton.isEnabled()
    panel.run.correct("lung", LABELS[0], True)
    assert len(requests) == 1
    waitForEnd()


def test_a_correction_is_stored_in_the_scene_and_for_recovery(panel):
    label = first_present_label()
    correct(panel, "lung", "Mark as absent")
    assert Review.fromJson(node().GetText()).corrections("lung") == {label: False}
    recovery = panel.recovery
    key = next(iter(recovery.folder.glob("*.review.json"))).name.removesuffix(".review.json")
    stored = recovery.read(key)
    assert Review.fromJson(stored.review).corrections("lung") == {label: False}
    assert stored.regions.exists() and stored.findings.exists()


def test_recovery_stores_the_findings_of_a_regenerated_section(panel):
    correct(panel, "lung", "Mark as absent")
    recovery = panel.recovery
    key = next(iter(recovery.folder.glob("*.review.json"))).name.removesuffix(".review.json")
    stored = segmentationFile.load(recovery.read(key).findings, reportNode.volumeOf(node()), "stored")
    findings = reportNode.findingsOf(node())
    volume = reportNode.volumeOf(node())
    try:
        for segmentId in regionsGeometry.segmentIds(findings):
            expected = arrayOfRegion(findings, segmentId, volume)
            assert (arrayOfRegion(stored, segmentId, volume) == expected).all(), segmentId
    finally:
        slicer.mrmlScene.RemoveNode(stored)
