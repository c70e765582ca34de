"""Groups of the phantoms' findings: by region, by shape (focal or diffuse) and by size."""

from __future__ import annotations

from reg2rg.phantom.findings import KINDS
from reg2rg.regions import REGION_NAMES

REGION_OF: dict[str, str] = {kind.label: kind.region for kind in KINDS}
"""Label -> the region whose section reports it."""

LABELS_OF: dict[str, tuple[str, ...]] = {
    region: tuple(label for label, home in REGION_OF.items() if home == region) for region in REGION_NAMES
}
"""Region -> labels that its section may report."""

FOCAL_LABELS: frozenset[str] = frozenset(
    {
        "Lung nodule",
        "Lung opacity",
        "Consolidation",
        "Lymphadenopathy",
        "Hiatal hernia",
        "Thyroid nodule",
        "Breast mass",
        "Fracture",
        "Lytic bone lesion",
        "Sclerotic bone lesion",
        "Liver cyst",
        "Kidney stone",
    }
)
"""Findings at one location. All others are diffuse: air, fluid, layers, walls, whole organs."""

HEADLINE_SIZE_MM = 8.0
"""Minimum size of a finding in the headline metrics. Smaller findings appear only in the table by size."""

SIZE_BANDS: tuple[tuple[str, float, float], ...] = (
    ("under 6 mm", 0, 6),
    ("6 to 8 mm", 6, 8),
    ("8 to 11 mm", 8, 11),
    ("11 to 16 mm", 11, 16),
    ("16 mm or more", 16, float("inf")),
)
"""Name, lower bound (inclusive) and upper bound (exclusive) of each size band, in mm."""

UNSIZED = "no size"

SIZE_BAND_NAMES: tuple[str, ...] = (*(name for name, _, _ in SIZE_BANDS), UNSIZED)


def size_band(size_mm: float | None) -> str:
    """Return the name of the band that a size belongs to."""
    if size_mm is None:
        return UNSIZED
    return next(name for name, low, high in SIZE_BANDS if low <= size_mm < high)
