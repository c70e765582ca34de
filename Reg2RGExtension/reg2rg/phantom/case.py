"""One phantom: a seed in, a chest CT with region masks, findings and the report that describes them out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from reg2rg.errors import InputError
from reg2rg.phantom.anatomy import Anatomy, build_anatomy
from reg2rg.phantom.build import Build
from reg2rg.phantom.canvas import Canvas
from reg2rg.phantom.findings import build_with, draw_findings, plant_findings
from reg2rg.phantom.kinds import Finding
from reg2rg.phantom.wording import write_section
from reg2rg.regions import get_region
from reg2rg.segmentation.masks import RegionMasks

_TOP_MM = 46.0
"""Upper end of the scan above the lung apex: the thyroid is in it, the kidneys are cut by the lower end."""


@dataclass(frozen=True)
class PhantomConfig:
    """The scan.

    Attributes:
        size: voxels along x, y, z.
        spacing: mm along x, y, z.
        noise: range of the noise's standard deviation, HU.
        blur: range of the Gaussian blur's standard deviation, mm.
    """

    size: tuple[int, int, int] = (128, 104, 96)
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.5)
    noise: tuple[float, float] = (6.0, 20.0)
    blur: tuple[float, float] = (1.0, 1.9)


@dataclass(frozen=True)
class PhantomCase:
    """A synthetic chest CT and everything known about it.

    Attributes:
        seed: what it was made from.
        volume: int16 HU; LPS axes.
        masks: regions on the volume's grid; they overlap as in a body. A male phantom has no breast.
        sections: region -> its section of the report, for the regions that have a mask.
        findings: in the order of FINDINGS.
        finding_labels: uint8 on the volume's grid, 0 or the finding's index in FINDINGS plus 1.
    """

    seed: int
    volume: sitk.Image
    masks: RegionMasks
    sections: dict[str, str]
    findings: tuple[Finding, ...]
    finding_labels: sitk.Image


def make_phantom(
    seed: int, config: PhantomConfig | None = None, findings: Sequence[Finding] | None = None
) -> PhantomCase:
    """Make the phantom of a seed; the same one every time.

    Args:
        findings: planted instead of those the seed draws, at most one of a label (their centres are not looked at); a
            breast mass needs a seed whose phantom is female.

    Raises:
        InputError: for a finding of the breast in a male phantom.
    """
    config = config or PhantomConfig()
    body, chance, words, scanner = (np.random.default_rng((seed, stream)) for stream in range(4))
    build = Build.draw(body)
    drawn = draw_findings(chance, female=build.female)
    wanted = drawn if findings is None else findings
    if not build.female and any(finding.region == "breast" for finding in wanted):
        raise InputError(f"The phantom of seed {seed} is male; expected no finding of the breast. Take another seed.")
    anatomy = build_anatomy(_canvas(config, body), build_with(build, wanted, chance), body)
    planted = plant_findings(anatomy, wanted, chance)
    volume = anatomy.canvas.image(_scan(anatomy.canvas, config, scanner))
    masks = _region_masks(anatomy, volume)
    sections = {name: write_section(name, [f for f in planted if f.region == name], words) for name in masks.present}
    return PhantomCase(seed, volume, masks, sections, tuple(planted), anatomy.canvas.image(anatomy.labels))


def _canvas(config: PhantomConfig, rng: np.random.Generator) -> Canvas:
    width, depth, height = ((n - 1) * s for n, s in zip(config.size, config.spacing, strict=True))
    shift = rng.uniform(-6, 6, 3)
    return Canvas(config.size, config.spacing, shift + (-width / 2, -depth / 2 - 9, _TOP_MM - height))


def _scan(canvas: Canvas, config: PhantomConfig, rng: np.random.Generator) -> np.ndarray:
    """Blur and noise of the scanner; int16 HU (z, y, x)."""
    sigma = rng.uniform(*config.blur)
    hu = gaussian_filter(canvas.hu, [sigma / s for s in canvas.spacing[::-1]], mode="nearest", truncate=3)
    hu += np.float32(rng.uniform(*config.noise)) * rng.standard_normal(canvas.shape, dtype=np.float32)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def _region_masks(anatomy: Anatomy, volume: sitk.Image) -> RegionMasks:
    filled = anatomy.masks["pleura"]
    space = filled | anatomy.breathing
    shell = _dilate(space, get_region("pleura").shell_mm, anatomy.canvas.spacing) & ~space
    arrays = {**anatomy.masks, "lung": anatomy.breathing, "pleura": filled | shell}
    missing = {} if anatomy.build.female else {"breast": "the phantom is male"}
    return RegionMasks.from_arrays(arrays, volume, segmenter="phantom", missing=missing)


def _dilate(mask: np.ndarray, radius: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """Voxels within a radius (mm) of a mask (z, y, x)."""
    reach = [int(radius // s) for s in spacing[::-1]]
    padded = np.pad(mask, [(r, r) for r in reach])
    result = np.zeros_like(mask)
    for offset in _ball(reach, radius, spacing[::-1]):
        result |= padded[tuple(slice(r + o, r + o + n) for r, o, n in zip(reach, offset, mask.shape, strict=True))]
    return result


def _ball(reach: list[int], radius: float, spacing: tuple[float, ...]) -> Iterator[tuple[int, ...]]:
    for offset in product(*(range(-r, r + 1) for r in reach)):
        if sum((o * s) ** 2 for o, s in zip(offset, spacing, strict=True)) <= radius**2:
            yield offset
