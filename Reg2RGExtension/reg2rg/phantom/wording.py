"""The phantoms' report language: sentences for findings and for their absence, and a reader of both.

The vocabulary is small on purpose (a small language model learns it); each statement has several wordings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reg2rg.phantom.kinds import ALL_LEVELS, FINDINGS, KINDS, SIDES, Finding, FindingKind

_EFFUSION_WORDS = {"small": 20.0, "moderate": 40.0, "large": 65.0}
_PLACES = {
    "upper": ("in both upper zones", "in the upper zones of both lungs", "with an upper zone predominance"),
    "lower": ("in both lower zones", "in the lower zones of both lungs", "with a lower zone predominance"),
    None: ("throughout both lungs", "diffusely in both lungs", "in all zones of both lungs"),
}

_PRESENT: dict[str, tuple[str, ...]] = {
    "Lung nodule": (
        "There is a {size} mm nodule in the {level} zone of the {side} lung.",
        "A nodule measuring {size} mm is seen in the {side} {level} lung zone.",
        "A solid nodule of {size} mm is present in the {level} zone of the {side} lung.",
        "In the {side} {level} zone a pulmonary nodule measuring {size} mm is noted.",
        "The {side} lung shows a {size} mm solid nodule in its {level} zone.",
    ),
    "Consolidation": (
        "Consolidation is seen in the {level} zone of the {side} lung.",
        "There is an area of consolidation in the {side} {level} lung zone.",
        "The {side} lung shows a consolidation with air bronchograms in its {level} zone.",
        "An airspace opacity consistent with consolidation is present in the {side} {level} zone.",
        "In the {level} zone of the {side} lung there is a patchy consolidation.",
    ),
    "Emphysema": (
        "Emphysema is seen {place}.",
        "Emphysematous changes are present {place}.",
        "There are areas of low attenuation consistent with emphysema {place}.",
        "Centrilobular emphysema is noted {place}.",
    ),
    "Peribronchial thickening": (
        "Peribronchial thickening is seen.",
        "There is diffuse thickening of the bronchial walls.",
        "The bronchial walls are thickened on both sides.",
        "Peribronchial thickening is present in the central airways.",
        "Bronchial wall thickening is noted bilaterally.",
    ),
    "Mucus plug": (
        "A mucus plug is seen in the {side} main bronchus.",
        "The {side} main bronchus is filled with mucus.",
        "There is a mucus plug occluding the {side} main bronchus.",
        "Mucus plugging of the {side} main bronchus is noted.",
    ),
    "Pleural effusion": (
        "There is a {amount} pleural effusion on the {side}.",
        "A {amount} {side} pleural effusion is seen.",
        "A {amount} amount of pleural fluid is present on the {side} side.",
        "The {side} pleural space contains a {amount} effusion.",
        "{Amount} {side} pleural effusion is noted.",
    ),
    "Pneumothorax": (
        "There is a {side} pneumothorax.",
        "A pneumothorax is seen on the {side}.",
        "The {side} pleural space contains air, consistent with pneumothorax.",
        "A {side} sided pneumothorax is present.",
    ),
    "Lymphadenopathy": (
        "There is an enlarged {side} mediastinal lymph node measuring {size} mm.",
        "Mediastinal lymphadenopathy is seen on the {side}, measuring {size} mm.",
        "A {size} mm lymph node is present on the {side} side of the mediastinum.",
        "Enlarged lymph nodes measuring up to {size} mm are noted in the {side} mediastinum.",
    ),
    "Arterial wall calcification": (
        "Calcification of the aortic wall is seen.",
        "There are calcified atherosclerotic plaques in the thoracic aorta.",
        "Atherosclerotic wall calcifications are present in the aorta.",
        "The wall of the thoracic aorta is calcified.",
        "Calcific plaques are noted in the aortic arch and descending aorta.",
    ),
    "Cardiomegaly": (
        "The heart is enlarged.",
        "Cardiomegaly is seen.",
        "There is cardiomegaly with an increased cardiothoracic ratio.",
        "The size of the heart is increased.",
        "An enlarged heart is noted.",
    ),
    "Pericardial effusion": (
        "There is a pericardial effusion.",
        "Pericardial effusion is seen around the heart.",
        "Fluid is present in the pericardial space.",
        "A pericardial effusion surrounds the heart.",
        "The pericardial space contains fluid.",
    ),
    "Coronary artery wall calcification": (
        "Calcifications of the coronary arteries are seen.",
        "There are calcified plaques in the coronary arteries.",
        "Coronary artery calcification is present.",
        "The coronary artery walls are calcified.",
        "Calcific coronary plaques are noted.",
    ),
    "Hiatal hernia": (
        "There is a hiatal hernia measuring {size} mm.",
        "A {size} mm hiatal hernia is seen at the lower end of the esophagus.",
        "A sliding hiatal hernia of {size} mm is present.",
        "At the esophageal hiatus a hernia measuring {size} mm is noted.",
    ),
    "Thyroid nodule": (
        "There is a {size} mm nodule in the {side} thyroid lobe.",
        "A hypodense nodule measuring {size} mm is seen in the {side} lobe of the thyroid.",
        "The {side} thyroid lobe contains a {size} mm nodule.",
        "A {size} mm hypodense nodule is present in the {side} lobe.",
    ),
    "Breast mass": (
        "There is a {size} mm mass in the {side} breast.",
        "A mass measuring {size} mm is seen in the {side} breast.",
        "The {side} breast contains a solid mass of {size} mm.",
        "A {size} mm solid lesion is present in the {side} breast.",
    ),
    "Lytic bone lesion": (
        "There is a lytic lesion in a vertebra of the {level} spine.",
        "A lytic lesion is seen in an {level} vertebral body.",
        "In the {level} part of the spine a vertebral body shows a lytic lesion.",
        "A destructive lytic lesion is present in the {level} spine.",
    ),
    "Rib fracture": (
        "There are rib fractures on the {side}.",
        "Healing fractures of several {side} ribs are seen.",
        "Multiple {side} rib fractures with callus are present.",
        "Several ribs on the {side} side are fractured.",
    ),
    "Liver cyst": (
        "There is a {size} mm cyst in the liver.",
        "A hepatic cyst measuring {size} mm is seen.",
        "The liver contains a cyst of {size} mm.",
        "A {size} mm hypodense cyst is present in the right lobe of the liver.",
    ),
    "Kidney stone": (
        "There is a stone in the {side} kidney.",
        "A calculus is seen in the {side} kidney.",
        "The {side} kidney contains a stone.",
        "A {side} renal calculus is present.",
        "A renal stone is noted on the {side}.",
    ),
}

_ABSENT: dict[str, tuple[str, ...]] = {
    "Lung nodule": ("No nodule is seen.", "There is no pulmonary nodule or mass.", "No suspicious nodule is detected."),
    "Consolidation": (
        "No consolidation is seen.",
        "There is no focal consolidation.",
        "Consolidation is not detected.",
    ),
    "Emphysema": ("There is no emphysema.", "No emphysematous change is seen.", "Emphysema is not observed."),
    "Peribronchial thickening": (
        "There is no peribronchial thickening.",
        "No bronchial wall thickening is seen.",
        "The bronchial walls are not thickened.",
    ),
    "Mucus plug": ("No mucus plug is seen.", "There is no mucus plugging.", "Mucus is not observed in the bronchi."),
    "Pleural effusion": (
        "No pleural effusion is seen.",
        "There is no pleural effusion.",
        "Pleural fluid is not detected.",
        "Pleural effusion is not observed.",
    ),
    "Pneumothorax": ("There is no pneumothorax.", "No pneumothorax is seen.", "Pneumothorax is not detected."),
    "Lymphadenopathy": (
        "No enlarged lymph nodes are seen.",
        "There is no mediastinal lymphadenopathy.",
        "Mediastinal lymph nodes are not enlarged.",
    ),
    "Arterial wall calcification": (
        "No calcification of the aortic wall is seen.",
        "There are no aortic calcifications.",
        "The aortic wall is not calcified.",
    ),
    "Cardiomegaly": ("The heart is not enlarged.", "There is no cardiomegaly.", "Cardiomegaly is not observed."),
    "Pericardial effusion": (
        "There is no pericardial effusion.",
        "No pericardial effusion is seen.",
        "Pericardial effusion is not detected.",
    ),
    "Coronary artery wall calcification": (
        "No coronary calcification is seen.",
        "There is no calcification of the coronary arteries.",
        "The coronary arteries are not calcified.",
    ),
    "Hiatal hernia": ("There is no hiatal hernia.", "No hiatal hernia is seen.", "Hiatal hernia is not detected."),
    "Thyroid nodule": ("No nodule is seen.", "There is no thyroid nodule.", "No thyroid nodule is detected."),
    "Breast mass": ("No mass is seen in either breast.", "There is no breast mass.", "No solid lesion is detected."),
    "Lytic bone lesion": (
        "No lytic lesion is seen.",
        "There is no lytic or destructive lesion.",
        "No lytic lesion is detected in the spine.",
    ),
    "Rib fracture": ("There is no rib fracture.", "No fracture of the ribs is seen.", "No rib fracture is detected."),
    "Liver cyst": ("No cyst is seen in the liver.", "There is no hepatic cyst.", "No liver cyst is detected."),
    "Kidney stone": ("No renal stone is seen.", "There is no stone in the kidneys.", "No renal calculus is detected."),
}

_NORMAL: dict[str, tuple[str, ...]] = {
    "lung": (
        "Both lungs are clear.",
        "The aeration of both lungs is normal.",
        "The lung parenchyma is normal on both sides.",
        "The lungs are well expanded and clear.",
    ),
    "trachea and bronchie": (
        "The trachea and both main bronchi are open.",
        "The trachea and main bronchi are patent.",
        "The central airways are patent.",
        "The trachea is in the midline and the main bronchi are open.",
    ),
    "pleura": (
        "The pleura is normal on both sides.",
        "The pleural surfaces are smooth.",
        "Both pleural spaces are free.",
        "The pleural spaces are normal.",
    ),
    "mediastinum": (
        "The mediastinum is normal.",
        "The mediastinal vessels are of normal width.",
        "The mediastinal contours are normal.",
        "The great vessels are of normal caliber.",
    ),
    "heart": (
        "The heart size is normal.",
        "The heart is of normal size and shape.",
        "The size and contours of the heart are normal.",
        "Heart chambers are of normal width.",
    ),
    "esophagus": (
        "The esophagus is normal.",
        "The esophagus is of normal caliber.",
        "The course and wall of the esophagus are normal.",
        "The esophageal wall is of normal thickness.",
    ),
    "thyroid": (
        "The thyroid gland is normal.",
        "Both thyroid lobes are of normal size.",
        "The thyroid is homogeneous and of normal size.",
        "The thyroid parenchyma is homogeneous.",
    ),
    "breast": (
        "Both breasts are normal.",
        "The breast tissue is symmetric.",
        "The breasts are unremarkable.",
        "The glandular tissue of both breasts is normal.",
    ),
    "bone": (
        "The bones are unremarkable.",
        "The bone structures are normal.",
        "Vertebral body heights are preserved.",
        "The ribs and the spine are intact.",
    ),
    "abdomen": (
        "The upper abdominal organs are normal.",
        "The liver, spleen and kidneys are normal.",
        "The upper abdomen is unremarkable.",
        "The liver and both kidneys have a normal appearance.",
    ),
}

_OTHERWISE = ("No other abnormality is seen.", "Otherwise unremarkable.", "There is no further abnormality.")


def write_section(region: str, findings: Sequence[Finding], rng: np.random.Generator) -> str:
    """The section of one region: its findings in the order of FINDINGS, else normal; then what is absent."""
    ordered = sorted(findings, key=lambda finding: FINDINGS.index(finding.label))
    sentences = [_state(finding, rng) for finding in ordered] or [_choose(_NORMAL[region], rng)]
    found = {finding.label for finding in ordered}
    rest = [_choose(_ABSENT[kind.label], rng) for kind in _kinds(region) if kind.label not in found]
    if found:
        rest.append(_choose(_OTHERWISE, rng))
    mentioned = rng.permutation(len(rest))[: 1 if found else 2]
    return " ".join(sentences + [rest[index] for index in sorted(mentioned)])


def _choose(sentences: Sequence[str], rng: np.random.Generator) -> str:
    return sentences[rng.integers(len(sentences))]


def _kinds(region: str) -> list[FindingKind]:
    return [kind for kind in KINDS if kind.region == region]


def _state(finding: Finding, rng: np.random.Generator) -> str:
    words = {"side": finding.side, "level": finding.level}
    if finding.label == "Emphysema":
        words["place"] = _choose(_PLACES[finding.level], rng)
    if finding.size_mm is not None:
        words["size"] = rounded_size(finding.size_mm)
        words["amount"] = effusion_word(finding.size_mm)
        words["Amount"] = words["amount"].capitalize()
    sentence = _choose(_PRESENT[finding.label], rng).format(**words)
    return re.sub(r"\ban (middle|lower)", r"a \1", sentence)


def rounded_size(size_mm: float) -> int:
    """A size as reports give it: in steps of 5 mm."""
    return int(5 * np.floor(size_mm / 5 + 0.5))


def effusion_word(thickness_mm: float) -> str:
    """Small, moderate or large: the word whose typical thickness is nearest."""
    return min(_EFFUSION_WORDS, key=lambda word: abs(_EFFUSION_WORDS[word] - thickness_mm))


@dataclass(frozen=True)
class Statement:
    """A finding as a text states it; ``size_mm`` of an effusion is the typical thickness of its word."""

    label: str
    side: str | None
    level: str | None
    size_mm: float | None


_KEYWORDS = {
    "Lung nodule": r"nodul",
    "Consolidation": r"consolidat|airspace opacit|infiltrat",
    "Emphysema": r"emphysem",
    "Peribronchial thickening": r"peribronchial|(bronchial|airway) walls?.*thick|thick\w*.*(bronch|airway)",
    "Mucus plug": r"mucus|mucous|mucoid",
    "Pleural effusion": r"effusion|fluid",
    "Pneumothorax": r"pneumothora",
    "Lymphadenopathy": r"lymph",
    "Arterial wall calcification": r"calcif|atheroscl",
    "Cardiomegaly": r"cardiomegaly|enlarged heart|(heart|cardiac)\b.*(enlarge|increase)|increased? (heart|cardiac)",
    "Pericardial effusion": r"effusion|fluid",
    "Coronary artery wall calcification": r"calcif",
    "Hiatal hernia": r"hernia",
    "Thyroid nodule": r"nodul",
    "Breast mass": r"mass|lesion|nodul",
    "Lytic bone lesion": r"lytic|destructi",
    "Rib fracture": r"fractur|callus",
    "Liver cyst": r"cyst",
    "Kidney stone": r"stone|calcul|nephrolith",
}
_DENIED_BEFORE = re.compile(r"\b(no|not|without|neither|nor|never|free of|absence of|negative for)\b")
_DENIED_AFTER = re.compile(r"\b(not|absent|excluded|normal)\b")
_CLAUSES = re.compile(r"[.;!?\n]+(?=\s|$)|\b(?:but|however|although|while|except)\b", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(mm|cm)\b")


def read_statements(region: str, text: str) -> list[Statement]:
    """The findings that a section of this region states, denied ones left out; the inverse of ``write_section``.

    Free text is read clause by clause with keywords, so wordings that the phantoms never use are mostly understood.
    """
    statements = []
    for clause in _CLAUSES.split(text.lower()):
        for kind in _kinds(region):
            match = re.search(_KEYWORDS[kind.label], clause)
            if match is None or _denied(clause, match):
                continue
            level = _only(ALL_LEVELS, clause) if kind.levels != (None,) else None
            side = _only(SIDES, clause) if kind.sided else None
            statements.append(Statement(kind.label, side, level, _size(kind, clause)))
    return statements


def _denied(clause: str, match: re.Match) -> bool:
    return bool(_DENIED_BEFORE.search(clause[: match.end()]) or _DENIED_AFTER.search(clause[match.end() :]))


def _only(words: Iterable[str], clause: str) -> str | None:
    """The one of the words that the clause has; None if it has none or several."""
    found = [word for word in words if re.search(rf"\b{word}\b", clause)]
    return found[0] if len(found) == 1 else None


def _size(kind: FindingKind, clause: str) -> float | None:
    if kind.label == "Pleural effusion":
        word = _only(_EFFUSION_WORDS, clause)
        return _EFFUSION_WORDS[word] if word else None
    match = _SIZE.search(clause) if kind.sizes else None
    if match is None:
        return None
    return float(match[1].replace(",", ".")) * (10 if match[2] == "cm" else 1)


def read_findings(region: str, text: str) -> set[tuple[str, str | None, str | None]]:
    """Label, side and level of every finding that a section of this region states."""
    return {(statement.label, statement.side, statement.level) for statement in read_statements(region, text)}
