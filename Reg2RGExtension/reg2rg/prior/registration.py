"""Registration of two chest CTs: where a point of one lies in the other.

The lungs are brought into line first, which is robust to another pose and field of view. The images then refine the
pose, and a B-spline follows the breathing. Without the prior image, the regions stand for it: an image with one typical
density per region. All of it works on a grid of about 4 mm.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from reg2rg.prior.scan import ComparedScan
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel, ignore_progress, never_cancel
from reg2rg.volumes.geometry import image_like
from reg2rg.volumes.resampling import OUTSIDE_HU

GRID_MM = 4.0
MARGIN_MM = 12.0
"""The images are compared up to this distance from the lungs, which includes the chest wall and the diaphragm."""

CONTROL_POINT_MM = 45.0
"""Distance between the control points of the B-spline: wider than any nodule, so that growth is not undone."""

SAMPLED_SHARE = 0.04
SEED = 1
"""Share of the voxels near the lungs that is compared, and the seed by which they are chosen, so that the same two CTs
are always registered in the same way."""

RIGID_STEP, AFFINE_STEP = 2.0, 0.1
"""First steps of the refinement. With long steps, an affine transform may leave the lungs and not return."""

SHIFTS_MM = (-90.0, -45.0, 0.0, 45.0, 90.0)
"""Shifts along the body from which the lungs are brought into line. One scan may show only a part of them."""

TYPICAL_HU = {
    "abdomen": 40.0,
    "mediastinum": 20.0,
    "heart": 40.0,
    "bone": 300.0,
    "lung": -850.0,
    "trachea and bronchie": -1000.0,
}
"""Region -> density that stands for it where there is no image; later ones count where regions overlap."""

DETAIL_MM = 1.5
DEPTH_MM = 8.0
"""Size of the structures whose correlation is compared, and their least distance from the surface of the lungs."""

MIN_DICE = 0.85
MIN_DETAIL = 0.15
"""Least overlap of the lungs, and least correlation of the details within them, of scans of the same patient. Lungs of
different patients can be brought into line as well, but their vessels cannot: their details correlate by less than 0.1.
"""


@dataclass(frozen=True)
class Registration:
    """The result of a registration.

    Attributes:
        transform: maps points (LPS, mm) of the current scan to the prior one.
        lung_dice: Dice coefficient of the lungs after registration, where both scans show them.
        detail: correlation of small structures within the lungs after registration; None if an image is missing. It is
            near 0 for different patients.
    """

    transform: sitk.Transform = field(repr=False)
    lung_dice: float
    detail: float | None

    @property
    def failure(self) -> str | None:
        """Why the scans cannot be compared, as a phrase; None if they can."""
        if self.lung_dice < MIN_DICE:
            return f"the lungs overlap too little after registration (Dice {self.lung_dice:.2f})"
        if self.detail is not None and self.detail < MIN_DETAIL:
            details = f"correlation of details {self.detail:.2f}"
            return f"the lungs differ too much after registration, as those of two patients would ({details})"
        return None

    def to_prior(self, point: np.ndarray) -> np.ndarray:
        """Return where a point (x, y, z; LPS) of the current scan lies in the prior one."""
        return np.array(self.transform.TransformPoint([float(value) for value in point]))

    def to_current(self, point: np.ndarray) -> np.ndarray:
        """Return where a point (x, y, z; LPS) of the prior scan lies in the current one."""
        guess = np.array(point, float)
        for _ in range(50):  # the transform is close to a rigid one, so that this converges
            error = self.to_prior(guess) - point
            if np.abs(error).max() < 0.05:
                break
            guess = guess - error
        return guess


def register(
    current: ComparedScan,
    prior: ComparedScan,
    progress: ProgressCallback = ignore_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> Registration:
    """Register the prior scan with the current one.

    Args:
        current: the current scan.
        prior: the prior scan.
        progress: receives the fraction done.
        should_cancel: checked between steps.
    """
    fixed_lungs, moving_lungs = _lungs(current), _lungs(prior)
    images = current.volume is not None and prior.volume is not None
    fixed, moving = (_image(scan, images) for scan in (current, prior))
    near_lungs = _near(fixed_lungs)
    fixed, near_lungs = _cropped(fixed, near_lungs)
    progress(0.1, "Aligning the lungs")
    pose = _align_lungs(fixed_lungs, moving_lungs)
    progress(0.4, "Aligning the images")
    _refine(fixed, moving, near_lungs, pose, RIGID_STEP)
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(pose.GetMatrix())
    affine.SetCenter(pose.GetCenter())
    affine.SetTranslation(pose.GetTranslation())
    _refine(fixed, moving, near_lungs, affine, AFFINE_STEP)
    progress(0.6, "Following the breathing")
    transform = sitk.CompositeTransform([affine, _bspline(fixed, moving, near_lungs, affine)])
    progress(0.95, "Checking the registration")
    return Registration(
        transform,
        round(_lung_dice(fixed_lungs, moving_lungs, transform), 3),
        round(_detail(current, prior, transform), 3) if images else None,
    )


def _coarse(image: sitk.Image, mm: float = GRID_MM) -> sitk.Image:
    """Return an image averaged over blocks of voxels of about the given size."""
    factors = [max(1, round(mm / spacing)) for spacing in image.GetSpacing()]
    return sitk.BinShrink(image, factors)


def _lungs(scan: ComparedScan) -> sitk.Image:
    """Return which share of each voxel is lung, float32."""
    return _coarse(sitk.Cast(scan.lungs, sitk.sitkFloat32))


def _image(scan: ComparedScan, from_volume: bool) -> sitk.Image:
    """Return the image to register, float32."""
    if from_volume:
        assert scan.volume is not None
        return sitk.Clamp(_coarse(sitk.Cast(scan.volume, sitk.sitkFloat32)), sitk.sitkFloat32, -1000, 300)
    typical = np.full(scan.masks.bits.GetSize()[::-1], -50, np.float32)
    for region, hu in TYPICAL_HU.items():
        if region in scan.masks.present:
            typical[scan.masks.array(region)] = hu
    return _coarse(image_like(typical, scan.masks.bits))


def _near(lungs: sitk.Image) -> sitk.Image:
    distance = sitk.SignedMaurerDistanceMap(lungs > 0.5, squaredDistance=False, useImageSpacing=True)
    return sitk.Cast(distance < MARGIN_MM, sitk.sitkUInt8)


def _cropped(image: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Return an image and a mask on its grid, both cropped to the mask."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    box = shape.GetBoundingBox(1)
    return tuple(sitk.RegionOfInterest(each, box[3:], box[:3]) for each in (image, mask))


def _center(lungs: sitk.Image) -> np.ndarray:
    """Return the center of mass of the lungs (x, y, z; LPS)."""
    shares = sitk.GetArrayViewFromImage(lungs)
    index = [
        float(np.average(np.arange(shares.shape[axis]), weights=shares.sum(axis=tuple({0, 1, 2} - {axis}))))
        for axis in (2, 1, 0)
    ]
    return np.array(lungs.TransformContinuousIndexToPhysicalPoint(index))


def _align_lungs(fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    """Bring the lungs into line rigidly, from several starts."""
    fixed, moving = (sitk.SmoothingRecursiveGaussian(_coarse(lungs, 8.0), 8.0) for lungs in (fixed, moving))
    center = _center(fixed)
    offset = _center(moving) - center
    poses = []
    for shift in SHIFTS_MM:
        pose = sitk.Euler3DTransform(center.tolist(), 0.0, 0.0, 0.0, (offset + (0, 0, shift)).tolist())
        method = _method(pose)
        method.SetMetricAsMeanSquares()
        method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.05, 60)
        method.SetOptimizerScalesFromPhysicalShift()
        _execute(method, fixed, moving)
        poses.append((_lung_dice(fixed, moving, pose, whole=True), pose))
    return max(poses, key=lambda scored: scored[0])[1]


def _method(transform: sitk.Transform) -> sitk.ImageRegistrationMethod:
    """Return a registration that changes a transform in place."""
    method = sitk.ImageRegistrationMethod()
    method.SetInitialTransform(transform, inPlace=True)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _by_correlation(transform: sitk.Transform, mask: sitk.Image) -> sitk.ImageRegistrationMethod:
    """Return a registration by the correlation of the images within a mask."""
    method = _method(transform)
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED_SHARE, SEED)
    return method


def _execute(method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image) -> None:
    # ITK raises an error if the images do not overlap; the check of the result says so.
    with contextlib.suppress(RuntimeError):
        method.Execute(fixed, moving)


def _refine(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, transform: sitk.Transform, step: float) -> None:
    """Refine a rigid or affine transform by the images near the lungs."""
    method = _by_correlation(transform, mask)
    method.SetOptimizerAsRegularStepGradientDescent(step, 0.02, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    _execute(method, fixed, moving)


def _bspline(fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, pose: sitk.Transform) -> sitk.Transform:
    """Return the deformation that remains after the pose."""
    extent = np.multiply(fixed.GetSize(), fixed.GetSpacing())
    mesh = [max(1, round(float(mm) / CONTROL_POINT_MM)) for mm in extent]
    spline = sitk.BSplineTransformInitializer(fixed, mesh, order=3)
    method = _by_correlation(spline, mask)
    method.SetMovingInitialTransform(pose)
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-5, numberOfIterations=15, maximumNumberOfFunctionEvaluations=25
    )
    _execute(method, fixed, moving)
    return spline


def _lung_dice(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, whole: bool = False) -> float:
    """Return the Dice coefficient of the lungs.

    Args:
        fixed: lungs of the current scan.
        moving: lungs of the prior scan.
        transform: maps points of the current scan to the prior one.
        whole: whether lungs outside the other scan count as different.
    """
    moved = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, -1.0))
    mine = sitk.GetArrayViewFromImage(fixed) > 0.5
    seen = np.ones_like(mine) if whole else moved > -0.5
    theirs = (moved > 0.5) & seen
    mine = mine & seen
    total = int(mine.sum() + theirs.sum())
    return 2 * int((mine & theirs).sum()) / total if total else 0.0


def _detail(current: ComparedScan, prior: ComparedScan, transform: sitk.Transform) -> float:
    """Return the correlation of structures of a few millimeters, mostly vessels, deep within the lungs."""
    lungs = _lungs(current)
    distance = sitk.SignedMaurerDistanceMap(lungs > 0.5, squaredDistance=False, useImageSpacing=True)
    depth, _ = _cropped(distance, sitk.Cast(lungs > 0.5, sitk.sitkUInt8))
    grid = sitk.Expand(depth, [max(1, round(mm / DETAIL_MM)) for mm in depth.GetSpacing()], sitk.sitkLinear)
    inside = sitk.GetArrayViewFromImage(grid) < -DEPTH_MM
    identity = sitk.Transform(3, sitk.sitkIdentity)
    details = []
    for scan, to_scan in ((current, identity), (prior, transform)):
        assert scan.volume is not None
        fine = sitk.Clamp(_coarse(sitk.Cast(scan.volume, sitk.sitkFloat32), DETAIL_MM), sitk.sitkFloat32, -1000, -300)
        fine = sitk.SmoothingRecursiveGaussian(fine, DETAIL_MM)
        fine = fine - sitk.SmoothingRecursiveGaussian(fine, 4.0)
        details.append(sitk.GetArrayFromImage(sitk.Resample(fine, grid, to_scan, sitk.sitkLinear, OUTSIDE_HU)))
    seen = inside & (details[0] > OUTSIDE_HU) & (details[1] > OUTSIDE_HU)
    if seen.sum() < 1000:
        return 0.0
    return float(np.corrcoef(details[0][seen], details[1][seen])[0, 1])
