"""One phantom: turn a seed into a chest CT with region masks, findings and the report that describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom.body import POPULATIONS, Physique, Surfaces, build_anatomy
from reg2rg.phantom.findings import PlantedFinding, adapt_physique, plant_findings, sample_findings
from reg2rg.phantom.known_values import known_values
from reg2rg.phantom.region_masks import build_region_masks
from reg2rg.phantom.report import write_section
from reg2rg.phantom.scanner import Scanner
from reg2rg.phantom.structures import build_structures
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.structures import Structures


@dataclass(frozen=True)
class PhantomConfig:
    """How phantoms are scanned, and from which population they come.

    Attributes:
        size: number of voxels along x, y, z. The grid is centered on the scanned part of the body.
        spacing: voxel size along x, y, z in mm; if None, the grid covers exactly the scanned part of the body.
        population: "training" or "held-out"; the latter's bodies and scanners are sampled from different ranges.
        enriched: whether cases have more findings than a natural population, especially rare ones, for training.

    Raises:
        InputError: if the population is unknown.
    """

    size: tuple[int, int, int] = (128, 128, 96)
    spacing: tuple[float, float, float] | None = None
    population: str = "training"
    enriched: bool = False

    def __post_init__(self) -> None:
        """Check the population."""
        if self.population not in POPULATIONS:
            raise InputError(f"Unknown population {self.population!r}; expected one of: {', '.join(POPULATIONS)}.")


@dataclass(frozen=True)
class PhantomCase:
    """A synthetic chest CT and everything known about it.

    Attributes:
        seed: the seed it was made from.
        volume: int16 image in HU with LPS axes.
        masks: region masks on the volume's grid. They overlap as in a real body; male phantoms have no breast.
        sections: region -> its section of the report, for every region that has a mask.
        findings: the findings that lie in the volume, in the order of FINDING_LABELS.
        finding_bits: uint32 image on the volume's grid; bit i is set in the voxels of ``findings[i]``. Findings may
            overlap.
        structures: the exact structures on the volume's grid.
        known_values: ID of a measure -> its true value, for measures that follow from the body's parameters.
    """

    seed: int
    volume: sitk.Image
    masks: RegionMasks
    sections: dict[str, str]
    findings: tuple[PlantedFinding, ...]
    finding_bits: sitk.Image
    structures: Structures
    known_values: dict[str, float]


def make_phantom(
    seed: int, config: PhantomConfig | None = None, findings: Sequence[PlantedFinding] | None = None
) -> PhantomCase:
    """Make the phantom for a seed.

    The result is reproducible, and body and findings do not depend on the grid.

    Args:
        seed: seed of all random numbers.
        config: grid and population; by default 128 x 128 x 96 voxels and the training population.
        findings: findings to plant instead of those sampled for the seed, at most one per label; their ``center_mm``
            is ignored. Breast masses require a seed whose phantom is female.

    Raises:
        InputError: if a male phantom is given a breast mass, if two findings have the same label, or if a finding
            lacks the size or the side it is planted by.
    """
    config = config or PhantomConfig()
    population = POPULATIONS.index(config.population)
    # Separate streams keep the body of a seed independent of its findings, its wording and its scan.
    body_rng, finding_rng, report_rng, scan_rng = (
        np.random.default_rng((seed, population, stream)) for stream in range(4)
    )
    physique = Physique.sample(body_rng, config.population)
    sampled = sample_findings(finding_rng, female=physique.female, enriched=config.enriched)
    wanted = sampled if findings is None else _check_findings(findings, physique, seed)
    physique = adapt_physique(physique, wanted)
    surfaces = Surfaces.sample(physique, body_rng)
    scanner = Scanner.sample(physique, surfaces, config.population, scan_rng)
    canvas = scanner.canvas(config.size, config.spacing)
    anatomy = build_anatomy(canvas, physique, surfaces, body_rng)
    planted, bits = plant_findings(anatomy, wanted, (seed, population, 4))
    volume = canvas.image(scanner.acquire(canvas, scan_rng))
    masks = build_region_masks(anatomy, volume)
    sections = {
        region: write_section(region, [finding for finding in planted if finding.region == region], report_rng)
        for region in masks.present
    }
    return PhantomCase(
        seed,
        volume,
        masks,
        sections,
        planted,
        canvas.image(bits),
        build_structures(anatomy, planted, bits, volume),
        known_values(anatomy, planted, bits),
    )


def _check_findings(findings: Sequence[PlantedFinding], physique: Physique, seed: int) -> Sequence[PlantedFinding]:
    """Return the findings if a body can have them; raise InputError otherwise."""
    if not physique.female and any(finding.region == "breast" for finding in findings):
        raise InputError(f"The phantom of seed {seed} is male and cannot have breast findings; use another seed.")
    labels = [finding.label for finding in findings]
    if len(set(labels)) < len(labels):
        raise InputError(f"Got findings {', '.join(labels)}; expected at most one per label.")
    return findings
