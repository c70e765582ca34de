"""Scan conditions: how the volume was acquired, judged from the image. Tags of a DICOM header are hints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reg2rg.measurements.measurement import Condition
from reg2rg.measurements.measures import (
    CALCIUM_SLICES,
    CALIBRATED,
    EXACT_OUTLINES,
    FINE_PIXELS,
    INSPIRATION,
    LOW_NOISE,
    MEDIUM_SLICES,
    NO_EMPHYSEMA,
    NO_METAL,
    SOFT_KERNEL,
    THIN_SLICES,
    UNENHANCED,
    WHOLE_HEART,
    WHOLE_LUNGS,
    WHOLE_ORGAN,
)
from reg2rg.measurements.scan import Scan
from reg2rg.segmentation.structures import BODY_HU, Part
from reg2rg.volumes.acquisition import AcquisitionTags
from reg2rg.volumes.geometry import Spacing
from reg2rg.volumes.padding import grown, padding_pixels, scanned_slices

UNENHANCED_BLOOD_HU, ENHANCED_BLOOD_HU = 65.0, 100.0
"""Blood up to the first limit contains no contrast medium, above the second it does; in between it is uncertain."""
NOISE_LIMIT_HU = 30.0
SHARP_CORRELATION = 0.5
"""Noise whose neighboring pixels of 1 mm correlate less than this comes from a sharp kernel; soft kernels blur noise.

Larger pixels correlate less, so that the limit falls with their size. On real CTs, soft kernels gave 0.71 to 0.83 with
pixels up to 1 mm, and a sharp one 0.33.
"""
MAX_PIXEL_FOR_KERNEL_MM = 1.5
"""Larger pixels are wider than the blur of a kernel, so that their noise does not show it."""
EXPIRED_LUNG_HU = -760.0
"""A median lung density above this suggests that the patient did not breathe in fully.

It lies between about -850 HU at full inspiration and -700 HU at the end of expiration.
"""
_AT_THE_SKIN = ("bone", "breast", "abdomen")
"""Regions beyond which there may be only air, which some scanners store with a single value, like padding."""
_MASK_BLUR_MM = 4.0
"""Distance from padding at which masks from a coarse grid may end."""
_CUT_MM2 = 100.0
"""An organ with a larger surface on the border of the volume is only partly in view."""
TRACHEA_HU = (-1003.0, -920.0)
"""Range of the air in a trachea. Air has -1000 HU, and blurred walls add to it: -987 to -952 HU in ten real CTs."""
METAL_HU = 2800
METAL_ML = 0.1
EXTENSIVE_EMPHYSEMA_PERCENT = 10.0


@dataclass(frozen=True)
class ScanConditions:
    """How a volume was acquired, judged from the image.

    Attributes:
        slice_spacing_mm: distance between slices.
        pixel_spacing_mm: distance between pixels, the larger of both directions.
        noise_hu: standard deviation of the air in the trachea; None without a trachea.
        noise_correlation: correlation of the noise of neighboring pixels in a slice; low for sharp kernels. None if
            it could not be measured.
        blood_hu: median density of aorta, heart or mediastinum; None without any of them.
        lung_hu: median density of the lungs; None without lungs.
        low_attenuation_percent: share of the lungs at -950 HU and below; None without lungs.
        cut: names of regions and structures that reach the border of the volume.
        metal: whether there is metal in the body, or contrast medium as dense as metal.
        padded: whether a part of the image lies outside the scanner's field of view.
        tags: what the DICOM header says. They do not override the image.
        trachea_hu: median density of the air in the trachea; None without a trachea.
    """

    slice_spacing_mm: float
    pixel_spacing_mm: float
    noise_hu: float | None
    noise_correlation: float | None
    blood_hu: float | None
    lung_hu: float | None
    low_attenuation_percent: float | None
    cut: tuple[str, ...]
    metal: bool
    padded: bool
    tags: AcquisitionTags = AcquisitionTags()
    trachea_hu: float | None = None

    @property
    def enhanced(self) -> bool | None:
        """Whether the blood contains contrast medium; None if unknown or uncertain."""
        if self.blood_hu is None or UNENHANCED_BLOOD_HU < self.blood_hu <= ENHANCED_BLOOD_HU:
            return None
        return self.blood_hu > ENHANCED_BLOOD_HU

    @property
    def sharp_kernel(self) -> bool | None:
        """Whether a sharp kernel was used; None if unknown."""
        if self.noise_correlation is None:
            return None
        return self.noise_correlation < SHARP_CORRELATION / max(1.0, self.pixel_spacing_mm)


def scan_conditions(scan: Scan) -> ScanConditions:
    """Judge how a volume was acquired."""
    lungs = scan.lungs
    lung_values = scan.values(lungs) if lungs is not None else None
    z, y, x = scan.spacing
    air_hu, sd, correlation = _trachea_air(scan)
    return ScanConditions(
        slice_spacing_mm=round(z, 3),
        pixel_spacing_mm=round(max(y, x), 3),
        noise_hu=sd,
        noise_correlation=correlation,
        blood_hu=_blood(scan),
        lung_hu=None if lung_values is None else round(float(np.median(lung_values)), 1),
        low_attenuation_percent=None if lung_values is None else round(100 * float(np.mean(lung_values <= -950)), 2),
        cut=_cut(scan),
        metal=_has_metal(scan),
        padded=_is_padded(scan.hu[scan.hu.shape[0] // 2]),
        tags=scan.tags,
        trachea_hu=air_hu,
    )


def _has_metal(scan: Scan) -> bool:
    """Return whether there is metal within the body; tables and cables contain some, too."""
    from scipy import ndimage  # reports are read without it

    from reg2rg.segmentation.morphology import largest

    metal_ml = 0.0
    for plane in scan.hu:
        metal = plane > METAL_HU
        if metal.any():
            step = max(1, round(3.0 / scan.spacing[2]))
            body = ndimage.binary_fill_holes(largest(plane[::step, ::step] > BODY_HU))
            inside = np.repeat(np.repeat(body, step, axis=0), step, axis=1)[: plane.shape[0], : plane.shape[1]]
            metal_ml += float((metal & inside).sum()) * scan.voxel_ml
    return metal_ml > METAL_ML


def _is_padded(plane: np.ndarray) -> bool:
    """Return whether the corners of a slice have one value: scanned air has noise."""
    rows, columns = (max(2, size // 40) for size in plane.shape)
    corners = [plane[y, x] for y in (slice(rows), slice(-rows, None)) for x in (slice(columns), slice(-columns, None))]
    return sum(bool(np.ptp(corner) == 0) for corner in corners) >= 2


def _trachea_air(scan: Scan) -> tuple[float | None, float | None, float | None]:
    """Return the median and the noise (HU) of the air in the trachea, and the correlation of neighboring pixels."""
    from reg2rg.segmentation.morphology import eroded  # imports scipy; reports are read without it

    part = scan.structures.part("trachea") or scan.region("trachea and bronchie")
    if part is None:
        return None, None, None
    air = scan.hu[part.box].astype(np.float32)
    edge_mm = max(1.6, 1.5 * max(scan.spacing[1:]))  # where the wall still blurs into the air
    lumen = eroded(part.mask & (air < -800), edge_mm, (1e6, *scan.spacing[1:]))  # in plane only
    if lumen.sum() < 60:
        return None, None, None
    median = round(float(np.median(air[lumen])), 1)
    residual = air - _local_mean(air, lumen)
    residual[~lumen] = 0
    sd = float(np.sqrt(np.square(residual[lumen]).mean()))
    if scan.spacing[2] > MAX_PIXEL_FOR_KERNEL_MM:
        return median, round(sd, 1), None
    pairs = lumen[:, :, 1:] & lumen[:, :, :-1]
    product = (residual[:, :, 1:] * residual[:, :, :-1])[pairs]
    correlation = float(product.mean() / max(sd**2, 1e-6)) if product.size >= 60 else None
    return median, round(sd, 1), None if correlation is None else round(correlation, 3)


def _local_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean of each slice's masked values, broadcast to the array."""
    counts = np.maximum(mask.sum(axis=(1, 2)), 1)
    means = np.where(mask, values, 0).sum(axis=(1, 2)) / counts
    return np.broadcast_to(means[:, None, None], values.shape)


def _blood(scan: Scan) -> float | None:
    """Return the median density of the blood in the aorta, or else in the heart's core or the mediastinum."""
    aorta = scan.structures.part("aorta")
    if aorta is not None:
        core = scan.core(aorta, 3.0)
        if core.size:
            return round(float(np.median(core)), 1)
    heart = scan.structures.part("heart") or scan.region("heart")
    if heart is not None and (core := scan.core(heart, 8.0)).size:
        return round(float(np.median(core)), 1)
    mediastinum = scan.region("mediastinum")
    if mediastinum is None:
        return None
    tissue = scan.values(mediastinum)
    tissue = tissue[tissue > 0]  # without fat and airways, most of it is blood
    return round(float(np.median(tissue)), 1) if tissue.size else None


def _cut(scan: Scan) -> tuple[str, ...]:
    """Return the names of regions and structures of which the volume shows only a part."""
    border = _Border.of(scan)
    cut = [
        name
        for name in scan.masks.present
        if (part := scan.region(name)) is not None and border.cuts(part, in_plane=name not in _AT_THE_SKIN)
    ]
    for name in (*scan.structures.present, "right lung", "left lung"):
        structure = scan.structures.part(name)
        if structure is not None and border.cuts(structure):
            cut.append(name)
    return tuple(dict.fromkeys(cut))


@dataclass(frozen=True)
class _Border:
    """The border of what was scanned. Blank slices at the ends and padding around the field of view lie outside.

    Attributes:
        ends: first and last slice of what was scanned, up to the blur at blank slices.
        edge: boolean array (y, x) of the image's outermost pixels.
        padding: boolean array (y, x) of padding and of the pixels within the blur around it.
        spacing: voxel size along z, y, x in mm.
    """

    ends: tuple[int, int]
    edge: np.ndarray
    padding: np.ndarray
    spacing: Spacing

    @classmethod
    def of(cls, scan: Scan) -> _Border:
        """Find the border. Masks from a coarse grid end some millimeters before padding."""
        scanned = scanned_slices(scan.hu)
        blur_z, blur = (max(1, round(_MASK_BLUR_MM / s)) for s in (scan.spacing[0], max(scan.spacing[1:])))
        first = scanned.start + (blur_z if scanned.start > 0 else 0)
        last = scanned.stop - 1 - (blur_z if scanned.stop < len(scan.hu) else 0)
        padding = grown(padding_pixels(scan.hu[scanned]), blur)
        edge = np.ones_like(padding)
        edge[1:-1, 1:-1] = False
        return cls((first, last), edge, padding, scan.spacing)

    def cuts(self, part: Part, in_plane: bool = True) -> bool:
        """Return whether a substantial part of an organ's surface lies on the border."""
        zs, ys, xs = part.box
        z, y, x = self.spacing
        ends = [part.mask[end - zs.start] for end in self.ends if end in range(zs.start, zs.stop)]
        areas = [np.count_nonzero(end) * y * x for end in ends]
        if in_plane:
            areas.append(np.count_nonzero(part.mask[:, self.edge[ys, xs]]) * z * max(y, x))
            areas.append(np.count_nonzero(part.mask[:, self.padding[ys, xs]]) * z * y * x / _MASK_BLUR_MM)
        return max(areas, default=0.0) > _CUT_MM2


Check = Callable[[str, ScanConditions, tuple[str, ...], bool], Condition]
"""Checks a condition, given its name, the scan, what was measured, and whether that was estimated."""


def check(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    """Check one condition of a measure.

    Args:
        name: name of the condition in the table of measures.
        conditions: how the volume was acquired.
        structures: structures and regions that the measurement was taken from.
        approximate: whether any of them was estimated.
    """
    return _CHECKS[name](name, conditions, structures, approximate)


def _whole(names: tuple[str, ...], what: str) -> Check:
    def checked(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
        cut = [part for part in (names or structures) if part in conditions.cut]
        return Condition(name, not cut, f"{what} only partly in view" if cut else f"{what} in view")

    return checked


def _slices(limit: float) -> Check:
    def checked(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
        spacing = conditions.slice_spacing_mm
        return Condition(name, spacing <= limit + 0.05, f"slices are {spacing:.3g} mm apart")

    return checked


def _fine_pixels(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    size = conditions.pixel_spacing_mm
    return Condition(name, size <= 2.0, f"pixels are {size:.2g} mm wide")


def _noise_check(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    noise = conditions.noise_hu
    if noise is None:
        # Unknown noise counts as too much: it looks like emphysema and calcium.
        return Condition(name, False, "noise could not be measured")
    return Condition(name, noise <= NOISE_LIMIT_HU, f"noise is {noise:.0f} HU")


def _kernel_check(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    if conditions.sharp_kernel is None:
        # An unknown kernel counts as sharp: its noise looks like emphysema.
        return Condition(name, False, "the kernel could not be judged")
    kind = "sharp" if conditions.sharp_kernel else "soft"
    return Condition(name, not conditions.sharp_kernel, f"the reconstruction kernel is {kind}")


def _calibrated(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    air = conditions.trachea_hu
    if air is None:
        return Condition(name, None, "the air in the trachea could not be measured")
    low, high = TRACHEA_HU
    return Condition(name, low <= air <= high, f"the air in the trachea has {air:.0f} HU")


def _inspiration(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    if conditions.lung_hu is None:
        return Condition(name, None, "inspiration could not be judged")
    return Condition(name, conditions.lung_hu <= EXPIRED_LUNG_HU, inspiration_words(conditions.lung_hu))


def inspiration_words(lung_hu: float) -> str:
    """Return what the median density of the lungs says about inspiration."""
    words = "the lungs are not fully inflated" if lung_hu > EXPIRED_LUNG_HU else "the lungs are inflated"
    return f"{words} (median {lung_hu:.0f} HU)"


def _unenhanced(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    if conditions.enhanced is None:
        # Unknown contrast counts as contrast: it looks like stones and calcium.
        blood = conditions.blood_hu
        words = "contrast medium could not be judged" if blood is None else uncertain_contrast(blood)
        return Condition(name, False, words)
    words = "contrast medium was given" if conditions.enhanced else "no contrast medium was given"
    return Condition(name, not conditions.enhanced, f"{words} (blood {conditions.blood_hu:.0f} HU)")


def uncertain_contrast(blood_hu: float) -> str:
    """Return what a density of the blood says that is neither that of plain blood nor of contrast medium."""
    return f"the blood may contain contrast medium ({blood_hu:.0f} HU)"


def _outlines(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    return Condition(name, not approximate, "outlines are estimated" if approximate else "outlines are segmented")


def _metal(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    return Condition(name, not conditions.metal, f"{metal_words(conditions)} is in view")


def metal_words(conditions: ScanConditions) -> str:
    """Return what is as dense as metal in a volume."""
    if not conditions.metal:
        return "no metal"
    return "metal or undiluted contrast medium" if conditions.enhanced else "metal"


def _no_emphysema(name: str, conditions: ScanConditions, structures: tuple[str, ...], approximate: bool) -> Condition:
    share = conditions.low_attenuation_percent
    if share is None:
        return Condition(name, None, "the lungs were not found")
    extensive = share > EXTENSIVE_EMPHYSEMA_PERCENT
    words = "bullae may look the same" if extensive else "the lungs show no extensive emphysema"
    return Condition(name, not extensive, words)


_CHECKS: dict[str, Check] = {
    WHOLE_LUNGS: _whole(("right lung", "left lung", "lung"), "the lungs are"),
    WHOLE_HEART: _whole(("heart",), "the heart is"),
    WHOLE_ORGAN: _whole((), "the organ is"),
    THIN_SLICES: _slices(3.0),
    CALCIUM_SLICES: _slices(4.0),
    MEDIUM_SLICES: _slices(5.0),
    FINE_PIXELS: _fine_pixels,
    LOW_NOISE: _noise_check,
    SOFT_KERNEL: _kernel_check,
    INSPIRATION: _inspiration,
    CALIBRATED: _calibrated,
    UNENHANCED: _unenhanced,
    EXACT_OUTLINES: _outlines,
    NO_METAL: _metal,
    NO_EMPHYSEMA: _no_emphysema,
}
