"""Comparison with a prior CT, on phantoms whose nodules grew by a known amount.

    python Testing/Benchmarks/prior.py [--bodies N] [--first N]

Each pair of scans shows the same body in two poses and two states of breathing, taken with different scanners. One
nodule has grown by 0, 25, 50 or 100% of its volume, one is new, and one has resolved. In every fourth pair, the prior
scan ends below the new nodule. Registration and regions are those of ``reg2rg report --prior`` with the thresholds
segmenter; the places of the nodules are taken from the phantoms, up to 4 mm off, so that the comparison is tested
apart from the detection.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy, Canvas, Physique, Surfaces, build_anatomy
from reg2rg.phantom.findings.lung_locations import sample_lung_points
from reg2rg.phantom.scanner import Scanner
from reg2rg.prior import ComparedScan, compare
from reg2rg.report import ChangeKind, Finding, Location, PriorComparison
from reg2rg.segmentation.thresholds import ThresholdSegmenter

FIRST_SEED = 9_800_000
GROWTHS = (0.0, 0.25, 0.5, 1.0)
SPACINGS = ((1.3, 1.3, 1.5), (1.6, 1.6, 2.0), (1.4, 1.4, 2.5), (1.8, 1.8, 2.0), (1.4, 1.4, 3.0))
"""Coarser in plane than those of real scanners, to save time."""

INTERVAL_DAYS = 180


@dataclass(frozen=True)
class Nodule:
    """An ellipsoid in the phantom's own frame; diameters of 0 mm mean that a scan does not show it.

    Attributes:
        center: x, y, z in mm.
        axes: unit vectors of the half axes, one per row.
        shape: half axes relative to the longest.
        hu: density.
        now_mm, before_mm: longest diameter in the current and in the prior scan.
    """

    center: np.ndarray
    axes: np.ndarray
    shape: np.ndarray
    hu: float
    now_mm: float
    before_mm: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=5, help="number of bodies, each with four pairs of scans")
    parser.add_argument("--first", type=int, default=0, help="number of the first body")
    options = parser.parse_args()
    outcomes: dict[str, list[tuple[ChangeKind | None, float | None]]] = defaultdict(list)
    comparisons, seconds = [], []
    for number in range(options.first, options.first + options.bodies):
        anatomy, scanner = healthy_body(FIRST_SEED + number)
        for index, growth in enumerate(GROWTHS):
            rng = np.random.default_rng((FIRST_SEED, number, index))
            nodules = make_nodules(anatomy, growth, rng)
            cut = (number + index) % 4 == 3
            current = scan(anatomy, scanner, nodules, "now_mm", rng)
            prior = scan(anatomy, scanner, nodules, "before_mm", rng, below=nodules[1].center[2] if cut else None)
            started = time.process_time()
            comparison = compare(current.scan, prior.scan, INTERVAL_DAYS).comparison
            seconds.append(time.process_time() - started)
            comparisons.append(comparison)
            for warning in comparison.warnings:
                print(number, index, warning, flush=True)
            for name, nodule, place in zip(
                (f"grown by {growth:.0%}", "outside the prior scan" if cut else "new", "resolved"),
                nodules,
                (current.places[0], current.places[1], prior.places[2]),
                strict=True,
            ):
                change = change_at(comparison, place, "prior_point_ras" if name == "resolved" else "point_ras")
                ratio = None
                if change is not None and change.value and change.prior_value and name.startswith("grown"):
                    ratio = change.value / change.prior_value / (nodule.now_mm / nodule.before_mm) ** 3
                outcomes[name].append((change.kind if change is not None else None, ratio))
                print(number, index, name, change and change.text, ratio and round(ratio, 2), flush=True)
    print_tables(outcomes, comparisons, seconds)


def healthy_body(seed: int) -> tuple[Anatomy, Scanner]:
    """Build a body without findings, noise or blur, and sample its scanner."""
    body_rng, scan_rng = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1))
    physique = Physique.sample(body_rng, "held-out")
    surfaces = Surfaces.sample(physique, body_rng)
    scanner = replace(Scanner.sample(physique, surfaces, "held-out", scan_rng), round_view=False)
    return build_anatomy(scanner.canvas((220, 220, 160), None), physique, surfaces, body_rng), scanner


def make_nodules(anatomy: Anatomy, growth: float, rng: np.random.Generator) -> list[Nodule]:
    """Sample a nodule that grew, one that is new, and one that resolved, at least 40 mm apart and below the new one."""
    centers: list[np.ndarray] = []
    while len(centers) < 3:
        center = sample_lung_points(anatomy, rng.choice(["left", "right"]), None, 7.0, rng)[0]
        if all(np.linalg.norm(center - other) > 40 for other in centers):
            centers.append(center)
        if len(centers) == 3 and centers[1][2] < max(centers[0][2], centers[2][2]) + 40:
            centers = []
    sizes = rng.uniform(6, 12, 3)
    diameters = [(sizes[0] * (1 + growth) ** (1 / 3), sizes[0]), (sizes[1], 0.0), (0.0, sizes[2])]
    return [
        Nodule(
            center,
            np.linalg.qr(rng.normal(size=(3, 3)))[0],
            np.array([1.0, *rng.uniform(0.8, 1.0, 2)]),
            rng.uniform(5, 70),
            *diameter,
        )
        for center, diameter in zip(centers, diameters, strict=True)
    ]


@dataclass(frozen=True)
class ScannedBody:
    """A scan to compare, and where its nodules are (RAS, mm)."""

    scan: ComparedScan
    places: list[np.ndarray]


def scan(
    anatomy: Anatomy,
    scanner: Scanner,
    nodules: list[Nodule],
    size: str,
    rng: np.random.Generator,
    below: float | None = None,
) -> ScannedBody:
    """Scan a body in a random pose and state of breathing, with another grid, kernel and noise.

    Args:
        anatomy: the body.
        scanner: its scanner, whose field of view is kept.
        nodules: the nodules to paint.
        size: name of the field with the diameter of a nodule in this scan.
        rng: source of pose, breathing and scanner.
        below: height in mm, in the frame of the body, below which the scan ends; None for the whole chest.
    """
    body = anatomy.canvas.image(anatomy.canvas.hu)
    middle = np.array(anatomy.canvas.origin) + np.multiply(anatomy.canvas.spacing, anatomy.canvas.shape[::-1]) / 2
    pose = sitk.Euler3DTransform(
        middle.tolist(), *np.deg2rad(rng.uniform(-8, 8, 3)).tolist(), rng.uniform(-30, 30, 3).tolist()
    )
    to_body = sitk.CompositeTransform([breathing(body, rng), pose])  # from the scan to the body; the pose comes first
    spacing = SPACINGS[rng.integers(len(SPACINGS))]
    extent = np.multiply(anatomy.canvas.spacing, anatomy.canvas.shape[::-1])
    origin = np.array(pose.GetInverse().TransformPoint(middle.tolist())) - extent / 2
    height = extent[2]
    if below is not None:
        height = np.array(from_body(to_body, np.array([*middle[:2], below])))[2] - 20 - origin[2]
    count = [int(extent[0] / spacing[0]), int(extent[1] / spacing[1]), int(height / spacing[2])]
    canvas = Canvas(count, spacing, origin)
    grid = canvas.image(canvas.hu)
    canvas.hu[:] = sitk.GetArrayFromImage(sitk.Resample(body, grid, to_body, sitk.sitkLinear, -1000.0))
    places, findings = [], []
    for nodule in nodules:
        center = from_body(to_body, nodule.center)
        places.append(center * (-1, -1, 1))
        if diameter := getattr(nodule, size):
            canvas.paint(canvas.ellipsoid(center, diameter / 2 * nodule.shape, nodule.axes), nodule.hu)
            seen = tuple((places[-1] + rng.uniform(-2.3, 2.3, 3)).tolist())
            findings.append(Finding("Lung nodule", 0.9, location=Location(seen, (12.0, 12.0, 12.0), None, True)))
    settings = replace(
        scanner,
        noise=rng.uniform(10, 30),
        blur=rng.uniform(0.4, 1.0),
        grain=rng.uniform(0.3, 0.7),
        sharpen=float(rng.choice([0.0, 0.4])),
    )
    volume = canvas.image(settings.acquire(canvas, rng))
    masks = ThresholdSegmenter().segment(volume)
    return ScannedBody(ComparedScan(masks, volume, {"lung": findings}, None), places)


def breathing(body: sitk.Image, rng: np.random.Generator) -> sitk.Transform:
    """Return a deformation that moves the base of the lungs by up to 15 mm, and everything by a few mm at random."""
    spline = sitk.BSplineTransformInitializer(body, [4, 4, 4], order=3)
    shape = (3, 7, 7, 7)  # component, z, y, x of the control points
    shifts = rng.normal(0, 1.5, shape)
    shifts[2] += rng.uniform(-15, 15) * np.linspace(1, 0, 7)[:, None, None] ** 1.5
    spline.SetParameters(shifts.ravel().tolist())
    return spline


def from_body(to_body: sitk.Transform, point: np.ndarray) -> np.ndarray:
    """Return where a point of the body lies in a scan."""
    guess = np.array(point, float)
    for _ in range(100):
        guess = guess - (np.array(to_body.TransformPoint(guess.tolist())) - point)
    return guess


def change_at(comparison: PriorComparison, place: np.ndarray, field: str):
    """Return the change at a place; None if there is none."""
    for change in comparison.changes:
        point = getattr(change, field)
        if point is not None and np.linalg.norm(np.array(point) - place) < 10:
            return change
    return None


EXPECTED = {
    "grown by 0%": ChangeKind.STABLE,
    "new": ChangeKind.NEW,
    "resolved": ChangeKind.RESOLVED,
    "outside the prior scan": ChangeKind.NOT_COMPARABLE,
}


def print_tables(outcomes, comparisons: list[PriorComparison], seconds: list[float]) -> None:
    print(
        "\n| nodule | pairs | classified right | classified as | measured / true volume ratio |\n|---|---|---|---|---|"
    )
    right = total = 0
    for name, results in sorted(outcomes.items()):
        expected = EXPECTED.get(name, ChangeKind.LARGER)
        kinds = [kind for kind, _ in results]
        good = kinds.count(expected)
        right, total = right + good, total + len(kinds)
        words = ", ".join(f"{kinds.count(kind)} {kind.value if kind else 'nothing'}" for kind in dict.fromkeys(kinds))
        ratios = [ratio for _, ratio in results if ratio is not None]
        span = f"median {np.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}" if ratios else ""
        print(f"| {name} | {len(kinds)} | {good} | {words} | {span} |")
    ratios = [ratio for results in outcomes.values() for _, ratio in results if ratio is not None]
    within = np.mean([1 / 1.2 <= ratio <= 1.2 for ratio in ratios])
    print(f"\nClassified right: {right} of {total} ({right / total:.2f}). Volume ratio within 20%: {within:.2f}.")
    dice = [c.lung_dice for c in comparisons if c.lung_dice is not None]
    detail = [c.detail for c in comparisons if c.detail is not None]
    print(f"Dice of the lungs {min(dice):.2f} to {max(dice):.2f}, details {min(detail):.2f} to {max(detail):.2f}.")
    print(f"CPU seconds per comparison: median {np.median(seconds):.0f}, at most {max(seconds):.0f}.")


if __name__ == "__main__":
    main()
