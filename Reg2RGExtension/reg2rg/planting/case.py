"""One training case: a real CT, varied and with planted findings, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.findings import KINDS, PlantedFinding
from reg2rg.phantom.findings.random_findings import sample_finding
from reg2rg.phantom.report import write_section
from reg2rg.planting.augmentation import Reconstruction, vary_body
from reg2rg.planting.hosts import Host
from reg2rg.planting.plant import PAINTERS, plant_findings
from reg2rg.planting.site import Site
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import dilated
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes.geometry import array_spacing, image_like

KEPT_MASKS_SHARE = 0.4
"""Fraction of the cases that keep the regions of the unplanted scan. In the others, the segmenter may be misled by the
findings, as it is in patients."""

FINDING_COUNTS = (2, 7)
"""Range of the number of findings per case, upper bound excluded."""

NEAR_MM = 10.0
"""Distance from a region up to which a finding counts as visible in it."""
VISIBLE_SHARE = 0.1
"""Smallest part of a finding that must be visible for the text to state it."""

LABEL_REGIONS = {kind.label: kind.region for kind in KINDS}
"""Finding -> the region whose section reports it."""


@dataclass(frozen=True)
class PlantedCase:
    """A real CT with planted findings.

    Attributes:
        seed: the seed it was made from.
        host: the real CT.
        volume: int16 image in HU with LPS axes.
        masks: region masks on the volume's grid.
        sections: region -> its section of the report, for every region that has a mask.
        findings: the planted findings, in the order of FINDING_LABELS.
        finding_bits: uint32 image on the volume's grid; bit i is set in the voxels of ``findings[i]``.
        unknown: region -> labels that the scan may show although the section does not state them.
    """

    seed: int
    host: Host
    volume: sitk.Image
    masks: RegionMasks
    sections: dict[str, str]
    findings: tuple[PlantedFinding, ...]
    finding_bits: sitk.Image
    unknown: dict[str, frozenset[str]]


def make_planted_case(seed: int, host: Host, *, twin: bool = False) -> PlantedCase:
    """Make the case for a seed.

    Args:
        seed: seed of all random numbers.
        host: the real CT.
        twin: whether to leave out the findings. The twin of a case is the same scan, varied in the same way.
    """
    host_rng, finding_rng, scan_rng, report_rng = (np.random.default_rng((seed, 7, stream)) for stream in range(4))
    host = vary_body(host, host_rng)
    site = Site(host)
    planted, bits = plant_findings(site, [] if twin else _sample_findings(finding_rng), (seed, 7, 4))
    reconstruction = Reconstruction.sample(scan_rng)
    volume = image_like(reconstruction.apply(site.canvas.hu, scan_rng), host.volume)
    masks = host.masks if scan_rng.random() < KEPT_MASKS_SHARE else ThresholdSegmenter().segment(volume)
    visible = [finding for bit, finding in enumerate(planted) if _is_visible(finding, (bits >> bit) & 1, masks)]
    sections = {
        region: write_section(region, [finding for finding in visible if finding.region == region], report_rng)
        for region in masks.present
    }
    not_stated = frozenset(host.entry.unknown) | {finding.label for finding in planted if finding not in visible}
    unknown = {
        region: frozenset(label for label in not_stated - {f.label for f in visible} if LABEL_REGIONS[label] == region)
        for region in masks.present
    }
    return PlantedCase(seed, host, volume, masks, sections, planted, image_like(bits, volume), unknown)


def _is_visible(finding: PlantedFinding, mask: np.ndarray, masks: RegionMasks) -> bool:
    """Return whether enough of a finding lies in its region or close to it."""
    if finding.region not in masks.present:
        return False
    near = dilated(masks.array(finding.region), NEAR_MM, array_spacing(masks.bits))
    return float(mask[near].sum()) >= VISIBLE_SHARE * float(mask.sum())


def _sample_findings(rng: np.random.Generator) -> list[PlantedFinding]:
    """Sample a few findings. All kinds are equally frequent, because each needs examples in real scans."""
    kinds = [kind for kind in KINDS if kind.label in PAINTERS]
    chosen = rng.permutation(len(kinds))[: rng.integers(*FINDING_COUNTS)]
    return [sample_finding(kinds[index], rng) for index in chosen]
