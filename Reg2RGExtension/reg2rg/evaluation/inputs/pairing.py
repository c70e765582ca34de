"""Pairing of predictions with their references, at the level of reports or of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.predictions import (
    DroppedItem,
    Level,
    PairedPredictions,
    RawCase,
    RawPredictions,
    Text,
    TextPair,
    count_reasons,
)
from reg2rg.evaluation.inputs.published_format import plain_text, sections_by_region
from reg2rg.regions import REGION_NAMES

_TextsByRegion = Mapping[str | None, tuple[str | None, str | None]]
"""Region, or None for the whole report -> reference and prediction."""


def pair_texts(source: RawPredictions, level: Level | None = None) -> PairedPredictions:
    """Pair predictions with their references.

    At the level of regions, only sections present in both texts are paired, as in the published evaluation. All other
    texts are listed as dropped.

    Args:
        source: Texts read from files.
        level: Level at which to pair; the natural level of the source if None.

    Raises:
        InputError: If there is no pair to score.
    """
    level = level or source.natural_level
    pairs: list[TextPair] = []
    dropped = list(source.dropped)
    for case in source.cases:
        texts = _report_texts(case) if level is Level.REPORT else _section_texts(case)
        for region, (reference, prediction) in texts.items():
            if not reference or prediction is None:
                dropped.append(DroppedItem(case.name, region, _reason(reference, prediction)))
            else:
                pairs.append(TextPair(case.name, region, reference, prediction))
    if not pairs:
        names = ", ".join(source.names)
        raise InputError(f"{names}: found nothing to score at the {level.value} level: {_top_reasons(dropped)}.")
    notes = [*source.notes, *_empty_notes(pairs), *_assembly_notes(source, level)]
    slots = {case.name: case.slots for case in source.cases if case.slots is not None}
    return PairedPredictions(source.names, level, tuple(pairs), slots, tuple(dropped), tuple(notes))


def _report_texts(case: RawCase) -> _TextsByRegion:
    return {None: (_report(case.reference), _report(case.prediction))}


def _section_texts(case: RawCase) -> _TextsByRegion:
    if case.reference is None or case.prediction is None:
        return _report_texts(case)
    reference, prediction = _by_region(case.reference), _by_region(case.prediction)
    names = [name for name in REGION_NAMES if name in reference or name in prediction]
    return {name: (reference.get(name), prediction.get(name)) for name in names} or {None: (None, None)}


def _report(text: Text | None) -> str | None:
    if text is None:
        return None
    if isinstance(text, str):
        return plain_text(text)
    return " ".join(text[name] for name in REGION_NAMES if text.get(name))


def _by_region(text: Text) -> Mapping[str, str]:
    return sections_by_region(text) if isinstance(text, str) else text


def _reason(reference: str | None, prediction: str | None) -> str:
    """Return why a pair is not scored. An empty prediction is scored, with 0."""
    if reference is None and prediction is None:
        return "no section for any region"
    if reference is None:
        return "no reference"
    return "no prediction" if prediction is None else "empty reference"


def _top_reasons(dropped: Sequence[DroppedItem]) -> str:
    reasons = [f"{reason} ({count}x)" for (_, reason), count in count_reasons(dropped).items()]
    return "; ".join(reasons[:3]) or "there are no rows"


def _empty_notes(pairs: Sequence[TextPair]) -> list[str]:
    empty = [f"{pair.case} {pair.region or ''}".strip() for pair in pairs if not pair.prediction]
    if not empty:
        return []
    names = ", ".join(empty[:10]) + (f" and {len(empty) - 10} more" if len(empty) > 10 else "")
    return [f"Empty predictions score 0: {len(empty)} ({names})."]


def _assembly_notes(source: RawPredictions, level: Level) -> list[str]:
    if level is Level.REGION or source.natural_level is Level.REPORT:
        return []
    return [
        "Whole reports were assembled from sections in the published order of regions. Sections missing from the files "
        "are missing from the reports."
    ]
