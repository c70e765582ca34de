"""What a user says of findings: the engine, a real one with a small random model, writes the section again with it."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import slicer
from hands import generate, moduleWidget, settle, waitFor
from located import reopen
from Reg2RGModuleLib import regionsGeometry, reportNode
from Reg2RGModuleLib.findingWords import OFFERED

LABELS = tuple(label for label in OFFERED["lung"] if label != "Bronchiectasis")


SEEN = 3
"""How many of them the head sees, in every region."""
SHARPER = 10.0
"""A random finding map is weak everywhere; this much steeper it has a peak that is outlined."""


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, repository_folder):
    """A model folder: tiny, its words taught, its finding head random but for what it sees: the first labels."""
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
        head.output_bias[:, 0] = torch.where(torch.arange(len(LABELS)) < SEEN, 2.0, -4.0)
        head.evidence_weight[:] = 0
        head.map.logits.weight *= SHARPER
        head.map.logits.bias[0] = 0  # as likely as any finding, so that maps are not weak
    folder = tmp_path_factory.mktemp("model") / "head"
    save_model(model.eval(), folder, card="# head\n\nFor tests.\n")
    return folder


@pytest.fixture(scope="module")
def repository_folder():
    from conftest import REPOSITORY

    return REPOSITORY


@pytest.fixture(scope="module")
def fresh(model_folder):
    """The panel with a new report of the sample case by that model: its stored form."""
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
    panel.select("lung")
    yield panel
    if panel.run.active:
        panel.run.cancel()
        waitFor(lambda: not panel.run.active)


@pytest.fixture
def requests(panel):
    """What the engine is asked, on its way to it."""
    engine, asked = moduleWidget().logic.engine, []
    run = engine.run

    def listening(request):
        asked.append(request)
        run(request)

    engine.run = listening
    yield asked
    del engine.run


def node():
    return reportNode.reportNodes()[0]


def button(panel, region, words):
    card = panel.sections.card(region)
    found = [each for each in card.findChildren("QPushButton", "correctButton") if each.text == words]
    assert found, f"the card of the {region} has no button {words!r}"
    return found[0]


def correct(panel, region, words):
    button(panel, region, words).click()
    assert panel.run.active, panel.ui.messageLabel.text
    waitFor(lambda: not panel.run.active)
    settle()
    assert panel.ui.messageLabel.text == ""


def test_the_findings_of_a_run_are_a_segmentation_beside_the_regions(panel):
    review = reportNode.read(node())
    located = [finding for region in review.regions for finding in review.section(region)["findings"]]
    segments = {finding["segment"] for finding in located if finding["segment"]}
    assert segments
    assert set(regionsGeometry.segmentIds(reportNode.findingsOf(node()))) == segments
    assert reportNode.segmentationOf(node()) is not reportNode.findingsOf(node())
    for finding in located:
        if finding["segment"]:
            assert finding["segment"] in regionsGeometry.regionsAt(
                reportNode.findingsOf(node()), finding["location"]["point_ras"]
            )


def test_rejecting_a_finding_writes_its_section_again_with_that_said(panel, requests):
    label = rejectable(panel)
    before = reportNode.read(node())
    correct(panel, "lung", "Not there")
    assert [(each["only"], each["said"]) for each in requests] == [(["lung"], {"lung": {label: False}})]
    after = reportNode.read(node())
    assert after.said("lung") == {label: False}
    assert after.section("heart") == before.section("heart")
    assert panel.sections.current == "lung"
    assert_only_spots_are_shown(after)
    assert "you: not there" in lines(panel, "lung")[label]
    button(panel, "lung", "It is there")


def assert_only_spots_are_shown(review):
    display = reportNode.findingsOf(node()).GetDisplayNode()
    for region in review.regions:
        for finding in review.section(region)["findings"]:
            if finding["segment"]:
                assert display.GetSegmentVisibility(finding["segment"]) == finding["location"]["focal"]


def rejectable(panel):
    """Label of the first finding that the lung's card offers to reject."""
    from Reg2RGModuleLib import findingWords

    findings = reportNode.read(node()).section("lung")["findings"]
    return next(f["label"] for f in findings if findingWords.isListed(f) and findingWords.isClaimed(f))


def lines(panel, region):
    """Label -> text of the card's line about it."""
    texts = [
        each.text
        for each in panel.sections.card(region).findChildren("QLabel")
        if each.isVisibleTo(panel.ui.sectionsArea)
    ]
    return {label: text for label in LABELS for text in texts if f"{label}<" in text and "<small>" in text}


def test_undo_takes_a_correction_back(panel):
    before = reportNode.read(node())
    correct(panel, "lung", "Not there")
    panel.ui.undoButton.click()
    after = reportNode.read(node())
    assert after.said("lung") == {}
    assert after.section("lung") == before.section("lung")
    assert not any("you:" in line for line in lines(panel, "lung").values())


def test_what_was_said_before_is_said_again(panel, requests):
    label = rejectable(panel)
    correct(panel, "lung", "Not there")
    panel.ui.regenerateButton.click()
    waitFor(lambda: not panel.run.active)
    assert requests[-1]["said"] == {"lung": {label: False}}
    correct(panel, "lung", "It is there")
    assert requests[-1]["said"]["lung"][label] is True
    assert reportNode.read(node()).said("lung")[label] is True


def test_a_finding_that_the_section_lacks_can_be_added(panel, requests):
    panel.ui.addFindingButton.menu().aboutToShow.emit()
    offered = {action.text: action for action in panel.ui.addFindingButton.menu().actions()}
    listed = set(lines(panel, "lung"))
    missing = next(label for label in LABELS if label not in listed)
    offered[missing].trigger()
    waitFor(lambda: not panel.run.active)
    assert panel.ui.messageLabel.text == ""
    assert requests[-1]["said"] == {"lung": {missing: True}}
    assert "you: there" in lines(panel, "lung")[missing]


def test_what_the_model_cannot_be_told_is_refused_in_words_and_nothing_changes(panel):
    before = node().GetText()
    panel.correct("lung", "Bronchiectasis", True)
    waitFor(lambda: not panel.run.active)
    assert "cannot be told of Bronchiectasis" in panel.ui.messageLabel.text
    assert node().GetText() == before


def test_nothing_can_be_corrected_while_a_section_is_written(panel, requests):
    first = button(panel, "lung", "Not there")
    first.click()
    assert not button(panel, "lung", "Not there").isEnabled()
    assert not panel.ui.addFindingButton.isEnabled()
    panel.correct("lung", LABELS[0], True)
    assert len(requests) == 1
    waitFor(lambda: not panel.run.active)


def test_a_correction_survives_saving_the_scene_and_a_crash(panel):
    from Reg2RGModuleLib.review import Review

    label = rejectable(panel)
    correct(panel, "lung", "Not there")
    assert Review.fromJson(node().GetText()).said("lung") == {label: False}
    recovery = panel._recovery
    key = next(iter(recovery._folder.glob("*.review.json"))).name.removesuffix(".review.json")
    text, regions, findings = recovery.read(key)
    assert Review.fromJson(text).said("lung") == {label: False}
    assert regions.exists() and findings.exists()
