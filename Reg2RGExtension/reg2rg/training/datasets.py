"""Where training cases come from: a source names them, and makes any of them in whatever process asks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from reg2rg.models.config import ModelConfig
from reg2rg.phantom import PhantomConfig, make_phantom
from reg2rg.training.config import FolderData, PhantomData
from reg2rg.training.samples import TrainingCase, make_case

_ENRICHED = "+"


class CaseSource(Protocol):
    """Cases by name.

    Attributes:
        training, validation: names of the cases; none is in both.
        notes: what was left out, and why, in words.
        finding_masks: whether any training case knows where its findings lie.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def finding_masks(self) -> bool: ...

    def fingerprint(self) -> str:
        """Changes when what the names stand for does."""
        ...

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """The case of that name; InputError if it cannot be used."""
        ...


@dataclass(frozen=True)
class PhantomSource:
    """Phantoms, named by their seeds; enriched ones have a plus behind it."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...] = ()
    finding_masks: ClassVar[bool] = True

    @classmethod
    def of(cls, data: PhantomData) -> PhantomSource:
        def names(first: int, count: int, mark: str = "") -> tuple[str, ...]:
            return tuple(f"{seed}{mark}" for seed in range(first, first + count))

        training = names(data.first_seed, data.cases, _ENRICHED if data.enriched else "")
        return cls(training, names(data.validation_seed, data.validation_cases))

    def fingerprint(self) -> str:
        """Of the code and the wordings that make phantoms."""
        import reg2rg.phantom as phantom

        files = Path(phantom.__file__).parent.rglob("*")
        return code_hash(*sorted(file for file in files if file.suffix in (".py", ".tsv")))

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        seed = int(name.removesuffix(_ENRICHED))
        phantom = make_phantom(seed, PhantomConfig(enriched=name.endswith(_ENRICHED)))
        bits_of: dict[str, list[tuple[str, int]]] = {}
        for bit, finding in enumerate(phantom.findings):
            bits_of.setdefault(finding.region, []).append((finding.label, bit))
        bits = phantom.finding_bits if config.findings else None
        return make_case(phantom.volume, phantom.masks, phantom.sections, config, bits, bits_of)


def open_source(data: PhantomData | FolderData) -> CaseSource:
    """The source that a config names; InputError if it is not there."""
    if isinstance(data, PhantomData):
        return PhantomSource.of(data)
    from reg2rg.training.radgenome import RadGenomeSource

    return RadGenomeSource.of(data)


def code_hash(*files: Path) -> str:
    """SHA-256 of what stands in these files, in their order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
