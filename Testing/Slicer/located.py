"""A report as a model with a finding head makes it: that of the sample case, with findings that have a place."""

import json

import numpy as np
import slicer
from hands import arrayOfRegion, generate, moduleWidget, settle
from Reg2RGModuleLib import findingsDisplay, regionsGeometry, reportNode

NODULE, EFFUSION, HERNIA, CONSOLIDATION, BONE_LESION = (
    "Lung nodule",
    "Pleural effusion",
    "Hiatal hernia",
    "Consolidation",
    "Sclerotic bone lesion",
)
SEEN = (
    ("lung", NODULE, 0.87, True),  # in the text, too
    ("lung", CONSOLIDATION, 0.75, True),  # denied by the text
    ("pleura", EFFUSION, 0.55, False),  # in the text, too; no spot, but all over the region
    ("bone", BONE_LESION, 0.62, True),  # not in the text
)
"""Region, label, probability and whether it is a spot: what the head sees. The hernia of the text it does not see."""
TEXTS = {
    "lung": "A nodule of 20 mm is found in the left upper lobe. There is no consolidation.",
    "pleura": "There is a small pleural effusion on the left.",
    "esophagus": "A 32 mm hiatal hernia is present.",
    "bone": "The bones are unremarkable.",
}
"""Region -> its text, whatever the embedded model of the day writes."""
RADIUS_MM = 12.0


def makeReport():
    """The sample case's report with located findings, shown in the panel; returns its node."""
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    generate(panel)
    node = reportNode.reportNodes()[0]
    locate(node)
    reopen()
    return node


def reopen():
    """Let the panel read the report anew."""
    moduleWidget().panel.setParameters(None)
    moduleWidget().initializeParameterNode()
    settle()


def locate(node, familiar=True):
    """Put into a report what a finding head would have seen, and the segmentation of it beside the regions."""
    from reg2rg.report import SectionFinding
    from reg2rg.report.serialization import read
    from reg2rg.report.wording import disagreements

    document = json.loads(node.GetText())
    document["report"]["familiarity"] = {"distance": 1.0 if familiar else 9.0, "limit": 2.0, "familiar": familiar}
    volume, masks = reportNode.volumeOf(node), {}
    for section in document["report"]["sections"]:
        _retell(section, TEXTS.get(section["region"], section["text"]))
        document["sections"][section["region"]]["text"] = section["text"]
        for finding in section["findings"]:
            finding.update(probability=0.05, calibrated=familiar)
        for region, label, probability, focal in SEEN:
            if region == section["region"]:
                finding = _findingOf(section, label, familiar)
                point, mask = _ball(node, region, CONSOLIDATION == label)
                place = {"point_ras": point, "extent_mm": [2 * RADIUS_MM] * 3, "lobe": None, "focal": focal}
                claimed = finding["text"] == "present"
                finding.update(probability=probability, location=place, segment=f"{region}.{label}")
                finding["source"] = "both" if claimed else "head"
                masks[finding["segment"]] = mask
        findings = [read(SectionFinding, finding, "a finding") for finding in section["findings"]]
        section["disagreements"] = list(disagreements(section["region"], section["text"], findings))
    node.SetText(json.dumps(document))
    reportNode.setFindings(node, _segmentationOf(volume, masks))


def _retell(section, text):
    """Give a section a text, and the findings that a model without a finding head would have of it."""
    from reg2rg.report.build import link_findings
    from reg2rg.report.serialization import to_plain

    findings, sentences = link_findings(text, section["region"])
    section["text"] = text
    section["findings"], section["sentences"] = ([to_plain(part) for part in parts] for parts in (findings, sentences))


def _findingOf(section, label, familiar):
    known = next((finding for finding in section["findings"] if finding["label"] == label), None)
    if known is None:
        known = {
            "label": label,
            "text": None,
            "side": "left",
            "level": "lower",
            "size_mm": None,
            "calibrated": familiar,
            "said": None,
        }
        section["findings"].append(known)
    return known


def _ball(node, region, other):
    """A ball within a region, around its point or, if ``other``, around a voxel far from there: RAS and a mask."""
    segmentation, volume = reportNode.segmentationOf(node), reportNode.volumeOf(node)
    inside = np.argwhere(arrayOfRegion(segmentation, region, volume))
    toRas = slicer.util.arrayFromVTKMatrix(_ijkToRas(volume))
    points = inside[:, ::-1] @ toRas[:3, :3].T + toRas[:3, 3]
    point = np.array(regionsGeometry.pointInside(segmentation, region))
    distance = np.linalg.norm(points - point, axis=1)
    if other:
        point = points[np.argmin(np.abs(distance - 60.0))]
        distance = np.linalg.norm(points - point, axis=1)
    mask = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    mask[tuple(inside[distance <= RADIUS_MM].T)] = 1
    return [round(float(c), 2) for c in point], mask


def _ijkToRas(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def _segmentationOf(volume, masks):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "findings")
    node.SetAttribute(reportNode.ATTRIBUTE, "1")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for segmentId, mask in masks.items():
        node.GetSegmentation().AddEmptySegment(segmentId, segmentId.split(".")[1])
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segmentId, volume)
    findingsDisplay.prepare(node)
    return node
