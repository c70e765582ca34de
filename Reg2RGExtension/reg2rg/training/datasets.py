"""Sources of training cases. A source lists its cases by name, and any process can ask it to make one of them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.phantom import PhantomConfig, PlantedFinding, make_phantom
from reg2rg.planting import Host, HostEntry, make_planted_case, open_host, read_host_list
from reg2rg.regions import REGION_NAMES
from reg2rg.training.config import CTS, PHANTOMS, CaseData, MixedData, PhantomData, PlantedData, ReviewedData
from reg2rg.training.samples import TrainingCase, make_case

_ENRICHED = "+"
_TWIN = "t"
_SEPARATOR = "."


Statements = Mapping[str, Mapping[str, bool | None]]
"""Region -> label -> whether the finding is present; None if that is unknown."""


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

    def kind(self, name: str) -> str:
        """Return which kind of volume a case has, as :attr:`FindingConfig.kinds` names it."""
        ...

    def fingerprint(self) -> str:
        """Return a string that changes whenever the content of the named cases changes."""
        ...

    def statements(self, name: str) -> Statements:
        """Return what is known or unknown about a case besides its texts; it takes precedence over them."""
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
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    finding_masks: ClassVar[bool] = True
    may_fail: ClassVar[bool] = False

    @classmethod
    def from_config(cls, data: PhantomData) -> PhantomSource:
        """List the phantoms that a configuration requests."""

        def names(first: int, count: int, suffix: str = "") -> tuple[str, ...]:
            return tuple(f"{seed}{suffix}" for seed in range(first, first + count))

        training = names(data.first_seed, data.cases, _ENRICHED if data.enriched else "")
        return cls(training, names(data.validation_seed, data.validation_cases), data.unknown)

    def kind(self, name: str) -> str:
        """Return the kind of all these volumes."""
        return PHANTOMS

    def statements(self, name: str) -> Statements:
        """Return the findings that count as unknown."""
        return {region: dict.fromkeys(self.unknown) for region in REGION_NAMES} if self.unknown else {}

    def fingerprint(self) -> str:
        """Hash the code and the wordings from which phantoms are made."""
        import reg2rg.phantom as phantom

        files = Path(phantom.__file__).parent.rglob("*")
        return hash_files(*sorted(file for file in files if file.suffix in (".py", ".tsv")))

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`CaseSource.make`."""
        seed = int(name.removesuffix(_ENRICHED))
        phantom = make_phantom(seed, PhantomConfig(enriched=name.endswith(_ENRICHED)))
        bits = phantom.finding_bits if config.findings else None
        return make_case(
            phantom.volume, phantom.masks, phantom.sections, config, bits, _bits_by_region(phantom.findings)
        )


@dataclass(frozen=True)
class PlantedSource:
    """Real CTs with planted findings, named by their seeds. A "t" after the seed marks the twin without findings."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    data: PlantedData
    hosts: tuple[HostEntry, ...]
    notes: tuple[str, ...] = ()
    finding_masks: ClassVar[bool] = True
    may_fail: ClassVar[bool] = False  # a real CT that cannot be read ends the training

    @classmethod
    def from_config(cls, data: PlantedData) -> PlantedSource:
        """List the cases that a configuration requests.

        Raises:
            InputError: a real CT does not exist, or there is none for training or for validation.
        """
        hosts = read_host_list(data.hosts)
        if all(entry.held_out for entry in hosts):
            raise InputError(f"{data.hosts} lists no CT for training; expected at least one that is not held out.")
        if data.validation_cases and not any(entry.held_out for entry in hosts):
            raise InputError(
                f"{data.hosts} holds out no CT for the {data.validation_cases} validation cases; expected at least one "
                "with held_out: true."
            )
        for entry in hosts:
            if not (data.folder / entry.file).exists():
                raise InputError(f"{data.folder / entry.file} does not exist; {data.hosts} lists it as a real CT.")

        def names(first: int, count: int) -> tuple[str, ...]:
            return tuple(f"{seed}{twin}" for seed in range(first, first + count) for twin in ("", _TWIN))

        return cls(names(data.first_seed, data.cases), names(data.validation_seed, data.validation_cases), data, hosts)

    def kind(self, name: str) -> str:
        """Return the kind of all these volumes."""
        return CTS

    def statements(self, name: str) -> Statements:
        """Return nothing: all is in the texts."""
        return {}

    def fingerprint(self) -> str:
        """Hash the code that makes cases, the list of real CTs and their files."""
        import reg2rg.phantom as phantom
        import reg2rg.planting as planting

        packages = [Path(str(package.__file__)).parent for package in (phantom, planting)]
        code = [file for package in packages for file in package.rglob("*")]
        paths = [self.data.folder / entry.file for entry in self.hosts]
        scans = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
        files = [file for file in (*code, *scans) if file.is_file() and file.suffix != ".pyc"]
        return hash_files(self.data.hosts, *sorted(files))

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`CaseSource.make`."""
        hosts = [entry for entry in self.hosts if entry.held_out == (name in self.validation)]
        seed = int(name.removesuffix(_TWIN))
        host = _open_host(hosts[seed % len(hosts)], self.data.folder)
        case = make_planted_case(seed, host, twin=name.endswith(_TWIN))
        bits = case.finding_bits if config.findings else None
        return make_case(
            case.volume, case.masks, case.sections, config, bits, _bits_by_region(case.findings), case.unknown
        )


@functools.lru_cache(maxsize=32)
def _open_host(entry: HostEntry, folder: Path) -> Host:
    """Open a real CT once per process."""
    return open_host(entry, folder)


@dataclass(frozen=True)
class MixedSource:
    """The cases of several sources, named by the index of the source and the case's name in it."""

    sources: tuple[CaseSource, ...]

    @property
    def training(self) -> tuple[str, ...]:
        """Names of the training cases; any part of them is mixed like the whole."""
        return self._mix([source.training for source in self.sources])

    @property
    def validation(self) -> tuple[str, ...]:
        """Names of the validation cases."""
        return self._mix([source.validation for source in self.sources])

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of all sources."""
        return tuple(note for source in self.sources for note in source.notes)

    @property
    def finding_masks(self) -> bool:
        """Whether a source has finding masks."""
        return any(source.finding_masks for source in self.sources)

    @property
    def may_fail(self) -> bool:
        """Whether making a case of any source can fail."""
        return any(source.may_fail for source in self.sources)

    def kind(self, name: str) -> str:
        """Return the kind of a case's volume."""
        index, _, own_name = name.partition(_SEPARATOR)
        return self.sources[int(index)].kind(own_name)

    def statements(self, name: str) -> Statements:
        """Return what is known or unknown about a case besides its texts."""
        index, _, own_name = name.partition(_SEPARATOR)
        return self.sources[int(index)].statements(own_name)

    def fingerprint(self) -> str:
        """Join the fingerprints of the sources."""
        return "".join(source.fingerprint() for source in self.sources)

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`CaseSource.make`."""
        index, _, own_name = name.partition(_SEPARATOR)
        return self.sources[int(index)].make(own_name, config)

    @staticmethod
    def _mix(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Merge lists of names, each spread evenly over the whole."""
        placed = [
            ((position + 0.5) / len(each), f"{index}{_SEPARATOR}{name}")
            for index, each in enumerate(names)
            for position, name in enumerate(each)
        ]
        return tuple(name for _, name in sorted(placed))


def open_source(data: CaseData) -> CaseSource:
    """Open the source of cases that a configuration specifies.

    Args:
        data: the configuration's data.

    Returns:
        The source. No volume is read yet.

    Raises:
        InputError: a folder or file does not exist, or there is nothing to train on.
    """
    if isinstance(data, PhantomData):
        return PhantomSource.from_config(data)
    if isinstance(data, PlantedData):
        return PlantedSource.from_config(data)
    if isinstance(data, MixedData):
        return MixedSource(tuple(open_source(each) for each in data.sources))
    if isinstance(data, ReviewedData):
        from reg2rg.training.reviewed import ReviewedSource

        return ReviewedSource.from_config(data)
    from reg2rg.training.radgenome import RadGenomeSource

    return RadGenomeSource.from_config(data)


def _bits_by_region(findings: Sequence[PlantedFinding]) -> dict[str, list[tuple[str, int]]]:
    """Return region -> label and bit of its findings."""
    bits: dict[str, list[tuple[str, int]]] = {}
    for bit, finding in enumerate(findings):
        bits.setdefault(finding.region, []).append((finding.label, bit))
    return bits


def hash_files(*files: Path) -> str:
    """Return the SHA-256 of the contents of files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
