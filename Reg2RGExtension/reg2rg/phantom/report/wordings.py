"""Sections of a phantom's report, from the wordings in wordings.tsv."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from reg2rg.phantom.findings import KINDS, Finding, in_order

_FILE = Path(__file__).with_name("wordings.tsv")
_CHOICE = re.compile(r"\[([^\]]*)\]")
_LUNG_LABELS = {kind.label for kind in KINDS if kind.region == "lung"}
_DENIED_OF_NORMAL = (1, 3)
_DENIED_OF_ILL = (0, 2)
_REST_SHARE = 0.4


@lru_cache(maxsize=1)
def wordings() -> dict[tuple[str, str], tuple[str, ...]]:
    """The file's rows: (what a row is, what it is about) -> its sentences."""
    rows = defaultdict(list)
    for line in _FILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, about, text = line.split("\t")
            rows[kind, about].append(text)
    return {key: tuple(texts) for key, texts in rows.items()}


def write_section(region: str, findings: Sequence[Finding], rng: np.random.Generator) -> str:
    """The section of one region: its findings, else that it is normal; then some of what is absent."""
    ordered = in_order(findings)
    found = {finding.label for finding in ordered}
    absent = [kind.label for kind in KINDS if kind.region == region and kind.label not in found]
    sentences = [_state(finding, rng) for finding in ordered]
    if not found:
        sentences.append(_expand(_choose("normal", region, rng), rng))
    low, high = _DENIED_OF_ILL if found else _DENIED_OF_NORMAL
    count = min(int(rng.integers(low, high)), len(absent))
    denied = [absent[index] for index in rng.permutation(len(absent))[:count]]
    sentences += [_expand(_choose("absent", label, rng), rng) for label in denied]
    if found and rng.random() < _REST_SHARE:
        sentences.append(_choose("rest", region if ("rest", region) in wordings() else "any", rng))
    return " ".join(sentences)


def _choose(kind: str, about: str, rng: np.random.Generator) -> str:
    texts = wordings()[kind, about]
    return texts[rng.integers(len(texts))]


def _expand(text: str, rng: np.random.Generator) -> str:
    """One of the alternatives in each pair of brackets."""

    def pick(match: re.Match) -> str:
        options = match[1].split("|")
        return options[rng.integers(len(options))]

    return _CHOICE.sub(pick, text)


def _state(finding: Finding, rng: np.random.Generator) -> str:
    about = finding.label
    if about == "Fracture":
        about = "Rib fracture" if finding.side else "Vertebral fracture"
    place = _place(finding)
    words = {"side": finding.side, "level": finding.level, "severity": finding.severity}
    if finding.size_mm is not None:
        words["size"] = f"{finding.size_mm:.0f}"
    words["Severity"] = (finding.severity or "").capitalize()
    text = _expand(_choose("present", about, rng), rng)
    if place:
        text = text.replace("{place}", _choose("place", place, rng))
    text = text.format(**words)
    return re.sub(r"\b([Aa]) (?=8 |11 |18 |80 )", r"\1n ", text)


def _place(finding: Finding) -> str | None:
    """Which row of places a finding takes; None if its sentences name none."""
    side, level = finding.side, finding.level
    if finding.label in _LUNG_LABELS:
        number = "both" if side == "both" else "one"
        part = "lobe" if level else "lung"
        return f"{number} {part}{'s' if number == 'both' else ''}"
    if finding.region in ("pleura", "trachea and bronchie"):
        organ = "pleura" if finding.region == "pleura" else "bronchus"
        return f"{'both' if side == 'both' else 'one'} {organ}"
    if finding.region == "bone":
        return "rib" if side else "spine"
    if finding.label == "Lymphadenopathy":
        return f"station {side or 'none'}"
    return "one pleura" if finding.label == "Medical material" else None
