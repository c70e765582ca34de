"""Diameters of located findings: the long and the short axis of an outline in the axial plane.

The outline of a located finding is where the model's finding map is high, which is coarse. A solid lesion within the
lungs has an edge of its own, halfway between its density and that of the lung around it; it is measured there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from reg2rg.measurements.measurement import Line
from reg2rg.measurements.reading import Reading
from reg2rg.measurements.scan import Scan, expanded
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import dilated
from reg2rg.segmentation.structures import Part, Structures
from reg2rg.volumes.geometry import Box, Spacing, array_spacing, image_like

SOLID_LABELS = ("Lung nodule", "Mass")
"""Findings whose own edge is looked for."""

EDGE_SEARCH_MM = 8.0
"""How far outside a coarse outline the edge of a solid lesion may lie."""

MIN_CONTRAST_HU = 300.0
"""Smallest difference between a solid lesion and the lung around it."""


class LocatedOutline(Protocol):
    """The voxels of a located finding: a boolean array over a part of the volume's array (z, y, x)."""

    @property
    def region(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def box(self) -> Box: ...
    @property
    def mask(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Diameters:
    """Axes of an outline in the axial slice in which it is longest.

    Attributes:
        long_mm: longest diameter.
        short_mm: longest diameter perpendicular to the long axis.
        long_line: the long axis.
        short_line: the short axis.
    """

    long_mm: float
    short_mm: float
    long_line: Line
    short_line: Line

    @property
    def mean_mm(self) -> float:
        """Mean of both axes, by which nodules are compared (MacMahon et al., Radiology 2017;284:228)."""
        return (self.long_mm + self.short_mm) / 2


def finding_readings(
    volume: sitk.Image, outlines: Iterable[LocatedOutline], sized: Collection[str]
) -> Iterator[tuple[Reading, bool]]:
    """Yield the mean diameter or the extent of each located finding, and whether its outline is only approximate.

    Args:
        volume: image in HU, of any orientation.
        outlines: outlines of the findings.
        sized: labels of findings that have a diameter.
    """
    hu, spacing = sitk.GetArrayViewFromImage(volume), array_spacing(volume)
    for outline in outlines:
        box, mask, approximate = outline.box, outline.mask, True
        if outline.label in SOLID_LABELS:
            margin = tuple(int(EDGE_SEARCH_MM / mm) + 2 for mm in spacing)
            wide = expanded(box, (margin[0], margin[1], margin[2]), hu.shape)
            padding = [(b.start - w.start, w.stop - b.stop) for b, w in zip(box, wide, strict=True)]
            edge = solid_lesion(hu[wide], np.pad(mask, padding), spacing)
            if edge is not None:
                box, mask, approximate = wide, edge, False
        scan, part = _turned(volume, box, mask)
        diameters = axial_diameters(scan, part)
        lines = (diameters.long_line, diameters.short_line)
        reading = Reading(
            "finding_diameter" if outline.label in sized else "finding_extent",
            diameters.mean_mm,
            (outline.region,),
            outline.label.lower(),
            lines,
            uncertainty=max(spacing[1:]) / 2,
            region=outline.region,
            detail=f"{diameters.long_mm:.0f} x {diameters.short_mm:.0f} mm",
        )
        yield reading, approximate


def solid_lesion(hu: np.ndarray, outline: np.ndarray, spacing: Spacing) -> np.ndarray | None:
    """Return the voxels of a solid lesion near a coarse outline; None if it has no clear edge.

    Args:
        hu: HU values (z, y, x) around the outline.
        outline: where the lesion is expected, of the same shape.
        spacing: voxel size (z, y, x) in mm.
    """
    near = dilated(outline, EDGE_SEARCH_MM, spacing)
    lesion_hu = float(np.percentile(hu[outline], 90))
    lung_hu = float(np.percentile(hu[near & ~outline], 25))
    if lesion_hu - lung_hu < MIN_CONTRAST_HU:
        return None
    dense = hu >= (lesion_hu + lung_hu) / 2
    # Opening cuts vessels that touch the lesion; the part that holds most of the outline is the lesion.
    opened = ndimage.binary_opening(dense, ndimage.generate_binary_structure(3, 1))
    labels, count = ndimage.label(opened)
    if not count:
        return None
    overlap = np.bincount(labels[outline], minlength=count + 1)
    overlap[0] = 0
    if not overlap.any():
        return None
    lesion = labels == overlap.argmax()
    lesion = dense & ndimage.binary_dilation(lesion, ndimage.generate_binary_structure(3, 1))
    leaks = bool((lesion & ~near).any())  # it goes on beyond the search, such as into the chest wall
    return None if leaks else lesion


def _turned(volume: sitk.Image, box: Box, mask: np.ndarray) -> tuple[Scan, Part]:
    """Return a part of a volume as a scan with LPS axes, and a mask over it."""
    z, y, x = box
    cropped = volume[x.start : x.stop, y.start : y.stop, z.start : z.stop]
    label_map = image_like(mask.astype(np.uint8), cropped)
    bits = image_like(np.zeros(mask.shape, np.uint16), cropped)
    scan = Scan.create(cropped, Structures(label_map, "outline"), RegionMasks(bits, "outline"))
    turned = sitk.GetArrayViewFromImage(scan.structures.labels) != 0
    return scan, Part((slice(0, turned.shape[0]), slice(0, turned.shape[1]), slice(0, turned.shape[2])), turned)


def axial_diameters(scan: Scan, part: Part) -> Diameters:
    """Measure the axes of a non-empty outline. Its edge lies halfway between the voxels inside and outside."""
    best: tuple[float, np.ndarray, int] | None = None
    for z in np.flatnonzero(part.mask.any(axis=(1, 2))).tolist():
        points = _edge_points(part.mask[z], scan)
        length, _, _ = extent(points)
        if best is None or length > best[0]:
            best = (length, points, z)
    assert best is not None, "the outline is empty"
    long_mm, points, z = best
    _, start, end = extent(points)
    direction = (end - start) / max(long_mm, 1e-9)
    across = np.array([-direction[1], direction[0]])
    projections = points @ across
    low, high = points[projections.argmin()], points[projections.argmax()]
    short_mm = float(projections.max() - projections.min())
    middle = (low + high) / 2
    ends = (middle - across * short_mm / 2, middle + across * short_mm / 2)
    return Diameters(long_mm, short_mm, _line(scan, part, z, start, end), _line(scan, part, z, *ends))


def _edge_points(plane: np.ndarray, scan: Scan) -> np.ndarray:
    """Return points (N, 2) in mm (y, x) halfway between the pixels inside and outside an outline, on its convex hull.

    These are the vertices of the surface mesh by which pyradiomics measures diameters.
    """
    padded = np.pad(plane, 1)
    points = []
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        edge = np.argwhere(padded & ~np.roll(padded, -step, axis)) - 1.0
        edge[:, axis] += step / 2
        points.append(edge)
    points_mm = np.concatenate(points) * scan.spacing[1:]
    return hull_points(points_mm)


def hull_points(points: np.ndarray) -> np.ndarray:
    """Return those points (N, 2) that lie on the convex hull; all if they lie on a line."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return points


def extent(points: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the greatest distance between two points, and both points."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, second = np.unravel_index(int(distances.argmax()), distances.shape)
    return float(distances[first, second]), points[first], points[second]


def _line(scan: Scan, part: Part, z: int, start: np.ndarray, end: np.ndarray) -> Line:
    offset = np.array([s.start for s in part.box], float)
    ends = [offset + (z, *(point / scan.spacing[1:])) for point in (start, end)]
    return scan.line(*ends)
