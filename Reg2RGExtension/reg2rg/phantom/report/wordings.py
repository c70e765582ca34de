"""Writing the sections of a phantom's report from the sentences in wordings.tsv."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from reg2rg.phantom.findings import KINDS, PlantedFinding, sort_findings

_FILE = Path(__file__).with_name("wordings.tsv")
_ALTERNATIVES = re.compile(r"\[([^\]]*)\]")
_LUNG_LABELS = {kind.label for kind in KINDS if kind.region == "lung"}
_DENIALS_IF_NORMAL = (1, 3)
_DENIALS_IF_ABNORMAL = (0, 2)
"""Range of the number of findings a section denies, upper bound excluded."""
_CLOSING_SHARE = 0.4
"""Fraction of abnormal sections that end with a sentence about the rest of the region."""


@lru_cache(maxsize=1)
def wordings() -> dict[tuple[str, str], tuple[str, ...]]:
    """Read wordings.tsv.

    Returns:
        (type of row, subject of row) -> its sentences or phrases, in the order of the file.
    """
    rows = defaultdict(list)
    for line in _FILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, subject, text = line.split("\t")
            rows[kind, subject].append(text)
    return {key: tuple(texts) for key, texts in rows.items()}


def write_section(region: str, findings: Sequence[PlantedFinding], rng: np.random.Generator) -> str:
    """Write the section of one region.

    It states the region's findings or, if there are none, that the region is normal. Then it denies some of the other
    findings the region can have.

    Args:
        region: name of the region.
        findings: findings of this region.
        rng: source of randomness for the wording.
    """
    ordered = sort_findings(findings)
    found = {finding.label for finding in ordered}
    absent = [kind.label for kind in KINDS if kind.region == region and kind.label not in found]
    sentences = [_state(finding, rng) for finding in ordered]
    if not found:
        sentences.append(_resolve(_choose("normal", region, rng), rng))
    low, high = _DENIALS_IF_ABNORMAL if found else _DENIALS_IF_NORMAL
    count = min(int(rng.integers(low, high)), len(absent))
    denied = [absent[index] for index in rng.permutation(len(absent))[:count]]
    sentences += [_resolve(_choose("absent", label, rng), rng) for label in denied]
    if found and rng.random() < _CLOSING_SHARE:
        sentences.append(_choose("rest", region if ("rest", region) in wordings() else "any", rng))
    return " ".join(sentences)


def _choose(kind: str, subject: str, rng: np.random.Generator) -> str:
    """Choose one of the sentences of a type and subject."""
    texts = wordings()[kind, subject]
    return texts[rng.integers(len(texts))]


def _resolve(text: str, rng: np.random.Generator) -> str:
    """Replace each bracketed list of alternatives with one of them."""

    def pick(match: re.Match[str]) -> str:
        options = match[1].split("|")
        return options[rng.integers(len(options))]

    return _ALTERNATIVES.sub(pick, text)


def _state(finding: PlantedFinding, rng: np.random.Generator) -> str:
    """Write a sentence that states a finding."""
    subject = finding.label
    if subject == "Fracture":
        subject = "Rib fracture" if finding.side else "Vertebral fracture"
    values = {
        "side": finding.side,
        "level": finding.level,
        "severity": finding.severity,
        "Severity": (finding.severity or "").capitalize(),
    }
    if finding.size_mm is not None:
        values["size"] = f"{finding.size_mm:.0f}"
    text = _resolve(_choose("present", subject, rng), rng)
    location = _location_subject(finding)
    if location:
        text = text.replace("{place}", _choose("place", location, rng))
    text = text.format(**values)
    return re.sub(r"\b([Aa]) (?=8 |11 |18 |80 )", r"\1n ", text)


def _location_subject(finding: PlantedFinding) -> str | None:
    """Return the subject of the "place" rows that locate a finding; None if its sentences name no place."""
    side, level = finding.side, finding.level
    if finding.label in _LUNG_LABELS:
        part = "lobe" if level else "lung"
        return f"both {part}s" if side == "both" else f"one {part}"
    if finding.region == "pleura":
        return "both pleurae" if side == "both" else "one pleura"
    if finding.region == "trachea and bronchie":
        return "both bronchi" if side == "both" else "one bronchus"
    if finding.region == "bone":
        return "rib" if side else "spine"
    if finding.label == "Lymphadenopathy":
        return f"station {side or 'none'}"
    return "one pleura" if finding.label == "Medical material" else None
