"""How well a model describes phantoms it has never seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reg2rg.generation import Writer
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.phantom import FINDINGS, PhantomCase, make_phantom
from reg2rg.phantom.wording import read_findings
from reg2rg.preprocessing import prepare


@dataclass
class Counts:
    """Counts over the sections of held-out phantoms."""

    sections: int = 0
    recognised: int = 0
    normal: int = 0
    normal_called_normal: int = 0
    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    sided: int = 0
    side_right: int = 0
    levelled: int = 0
    level_right: int = 0
    distinct_texts: int = 0

    @property
    def precision(self) -> float:
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)


@dataclass
class Quality:
    """Counts over all sections, and true positives, false positives, false negatives for each label."""

    total: Counts
    by_label: dict[str, Counts]

    def table(self) -> str:
        """Two Markdown tables."""
        t = self.total
        rows = [
            ("sections", f"{t.sections}"),
            ("region recognised", f"{_share(t.recognised, t.sections):.3f}"),
            ("finding precision", f"{t.precision:.3f}"),
            ("finding recall", f"{t.recall:.3f}"),
            ("finding F1 (always normal: 0)", f"{t.f1:.3f}"),
            ("side right, where the finding is right and has one", f"{_share(t.side_right, t.sided):.3f}"),
            ("level right, where the finding is right and has one", f"{_share(t.level_right, t.levelled):.3f}"),
            ("normal sections called normal", f"{_share(t.normal_called_normal, t.normal):.3f}"),
            ("distinct texts", f"{t.distinct_texts}"),
        ]
        lines = ["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
        lines += ["| finding | planted | precision | recall | F1 |", "|---|---|---|---|---|"]
        for label, counts in self.by_label.items():
            planted = counts.true_positive + counts.false_negative
            lines.append(f"| {label} | {planted} | {counts.precision:.2f} | {counts.recall:.2f} | {counts.f1:.2f} |")
        return "\n".join(lines) + "\n"


def measure_quality(
    model: Reg2RG, seeds: Iterable[int], *, parallel: bool = False, max_new_tokens: int = 96
) -> Quality:
    """Write reports for the phantoms of these seeds and compare their findings with what was planted.

    Args:
        parallel: as for Writer.write.
        max_new_tokens: limit per region.
    """
    quality = Quality(Counts(), {label: Counts() for label in FINDINGS})
    texts: set[str] = set()
    writer = Writer(model)
    limit = max_new_tokens * (1 if parallel else model.config.regions_per_prompt)
    for seed in seeds:
        phantom = make_phantom(seed)
        inputs = prepare(phantom.volume, phantom.masks, model.config.preprocessing)
        for section in writer.write(inputs, parallel=parallel, max_new_tokens=limit):
            texts.add(section.text)
            quality.total.sections += 1
            quality.total.recognised += section.recognised == section.region
            _count(quality, phantom, section.region, section.text)
    quality.total.distinct_texts = len(texts)
    return quality


def _count(quality: Quality, phantom: PhantomCase, region: str, text: str) -> None:
    total = quality.total
    planted = {f.label: f for f in phantom.findings if f.region == region}
    read = {label: (side, level) for label, side, level in read_findings(region, text)}
    total.normal += not planted
    total.normal_called_normal += not planted and not read
    for label in planted.keys() | read.keys():
        kind = "true_positive" if label in planted and label in read else None
        kind = kind or ("false_negative" if label in planted else "false_positive")
        for counts in (total, quality.by_label[label]):
            setattr(counts, kind, getattr(counts, kind) + 1)
    for label in planted.keys() & read.keys():
        side, level = read[label]
        if planted[label].side:
            total.sided += 1
            total.side_right += side == planted[label].side
        if planted[label].level:
            total.levelled += 1
            total.level_right += level == planted[label].level


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
