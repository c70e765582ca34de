"""One phantom: a seed in, a chest CT with region masks, findings and the report that describes them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom.body import Build, build_anatomy
from reg2rg.phantom.body.physique import POPULATIONS
from reg2rg.phantom.body.surfaces import Surfaces
from reg2rg.phantom.findings import Finding, adapt_build, draw_findings, plant_findings
from reg2rg.phantom.region_masks import region_masks
from reg2rg.phantom.report import write_section
from reg2rg.phantom.scan import Scanner
from reg2rg.segmentation.masks import RegionMasks


@dataclass(frozen=True)
class PhantomConfig:
    """The scan.

    Attributes:
        size: voxels along x, y, z.
        spacing: mm along x, y, z; if None, such that the body's field of view fills the size. The grid is centred on
            that field of view.
        population: "training", or "held-out" with bodies and scanners from other ranges.
        enriched: more findings a case than in life, above all rare ones, for a model to learn from.
    """

    size: tuple[int, int, int] = (128, 128, 96)
    spacing: tuple[float, float, float] | None = None
    population: str = "training"
    enriched: bool = False

    def __post_init__(self) -> None:
        if self.population not in POPULATIONS:
            raise InputError(f"The population is {self.population!r}; expected one of {', '.join(POPULATIONS)}.")


@dataclass(frozen=True)
class PhantomCase:
    """A synthetic chest CT and everything known about it.

    Attributes:
        seed: what it was made from.
        volume: int16 HU; LPS axes.
        masks: regions on the volume's grid; they overlap as in a body. A male phantom has no breast.
        sections: region -> its section of the report, for the regions that have a mask.
        findings: those that lie in the volume, in the order of FINDINGS.
        finding_bits: uint32 on the volume's grid; bit i of a voxel is set where findings[i] lies. They may overlap.
    """

    seed: int
    volume: sitk.Image
    masks: RegionMasks
    sections: dict[str, str]
    findings: tuple[Finding, ...]
    finding_bits: sitk.Image


def make_phantom(
    seed: int, config: PhantomConfig | None = None, findings: Sequence[Finding] | None = None
) -> PhantomCase:
    """Make the phantom of a seed; the same one every time, and the same body and findings on every grid.

    Args:
        findings: planted instead of those the seed draws, at most one of a label (their centres are not looked at); a
            breast mass needs a seed whose phantom is female.

    Raises:
        InputError: for a finding of the breast in a male phantom, or two of one label.
    """
    config = config or PhantomConfig()
    population = POPULATIONS.index(config.population)
    body, chance, words, scan = (np.random.default_rng((seed, population, stream)) for stream in range(4))
    build = Build.draw(body, config.population)
    drawn = draw_findings(chance, female=build.female, enriched=config.enriched)
    wanted = drawn if findings is None else _checked(findings, build, seed)
    build = adapt_build(build, wanted)
    surfaces = Surfaces.draw(build, body)
    scanner = Scanner.draw(build, surfaces, config.population, scan)
    canvas = scanner.canvas(config.size, config.spacing)
    anatomy = build_anatomy(canvas, build, surfaces, body)
    planted, bits = plant_findings(anatomy, wanted, (seed, population, 4))
    volume = canvas.image(scanner.acquire(canvas, scan))
    masks = region_masks(anatomy, volume)
    sections = {name: write_section(name, [f for f in planted if f.region == name], words) for name in masks.present}
    return PhantomCase(seed, volume, masks, sections, planted, canvas.image(bits))


def _checked(findings: Sequence[Finding], build: Build, seed: int) -> Sequence[Finding]:
    if not build.female and any(finding.region == "breast" for finding in findings):
        raise InputError(f"The phantom of seed {seed} is male; expected no finding of the breast. Take another seed.")
    labels = [finding.label for finding in findings]
    if len(set(labels)) < len(labels):
        raise InputError(f"The findings are {', '.join(labels)}; expected at most one of a label.")
    return findings
