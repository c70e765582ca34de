"""Sources of training cases. A source lists its cases by name, and any process can ask it to make one of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from reg2rg.models.config import ModelConfig
from reg2rg.phantom import PhantomConfig, make_phantom
from reg2rg.training.config import PhantomData, RadGenomeData
from reg2rg.training.samples import TrainingCase, make_case

_ENRICHED = "+"


class CaseSource(Protocol):
    """Training and validation cases, by name."""

    @property
    def training(self) -> tuple[str, ...]:
        """Names of the training cases."""
        ...

    @property
    def validation(self) -> tuple[str, ...]:
        """Names of the validation cases, none of which is a training case."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages about what was left out, and why."""
        ...

    @property
    def finding_masks(self) -> bool:
        """Whether at least one training case has finding masks."""
        ...

    @property
    def may_fail(self) -> bool:
        """Whether making a case can fail, because it is read from files."""
        ...

    def fingerprint(self) -> str:
        """Return a string that changes whenever the content of the named cases changes."""
        ...

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case for a model.

        Args:
            name: name of the case.
            config: the model that the case is prepared for.

        Returns:
            The case.

        Raises:
            InputError: the case cannot be used.
        """
        ...


@dataclass(frozen=True)
class PhantomSource:
    """Phantoms, named by their seeds. A plus sign after the seed marks an enriched one."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...] = ()
    finding_masks: ClassVar[bool] = True
    may_fail: ClassVar[bool] = False

    @classmethod
    def from_config(cls, data: PhantomData) -> PhantomSource:
        """List the phantoms that a configuration requests."""

        def names(first: int, count: int, suffix: str = "") -> tuple[str, ...]:
            return tuple(f"{seed}{suffix}" for seed in range(first, first + count))

        training = names(data.first_seed, data.cases, _ENRICHED if data.enriched else "")
        return cls(training, names(data.validation_seed, data.validation_cases))

    def fingerprint(self) -> str:
        """Hash the code and the wordings from which phantoms are made."""
        import reg2rg.phantom as phantom

        files = Path(phantom.__file__).parent.rglob("*")
        return hash_files(*sorted(file for file in files if file.suffix in (".py", ".tsv")))

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`CaseSource.make`."""
        seed = int(name.removesuffix(_ENRICHED))
        phantom = make_phantom(seed, PhantomConfig(enriched=name.endswith(_ENRICHED)))
        bits_by_region: dict[str, list[tuple[str, int]]] = {}
        for bit, finding in enumerate(phantom.findings):
            bits_by_region.setdefault(finding.region, []).append((finding.label, bit))
        bits = phantom.finding_bits if config.findings else None
        return make_case(phantom.volume, phantom.masks, phantom.sections, config, bits, bits_by_region)


def open_source(data: PhantomData | RadGenomeData) -> CaseSource:
    """Open the source of cases that a configuration specifies.

    Args:
        data: the configuration's data.

    Returns:
        The source. No volume is read yet.

    Raises:
        InputError: a folder does not exist or contains nothing to train on.
    """
    if isinstance(data, PhantomData):
        return PhantomSource.from_config(data)
    from reg2rg.training.radgenome import RadGenomeSource

    return RadGenomeSource.from_config(data)


def hash_files(*files: Path) -> str:
    """Return the SHA-256 of the contents of files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
