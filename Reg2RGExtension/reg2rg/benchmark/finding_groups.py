"""What the tables need to know of the phantoms' findings: where each belongs, and which of them sit at one spot."""

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
"""Findings with one spot to point at. The others spread over their region: air, fluid, layers, walls, whole organs."""

HEADLINE_SIZE_MM = 8.0
"""Size from which a finding counts in the headline numbers; smaller ones stand in the table of size bands."""

BANDS: tuple[tuple[str, float, float], ...] = (
    ("below 6 mm", 0, 6),
    ("6 to 8 mm", 6, 8),
    ("8 to 11 mm", 8, 11),
    ("11 to 16 mm", 11, 16),
    ("16 mm and more", 16, float("inf")),
)
"""Name, from, below."""

UNSIZED = "no size"


def size_band(size_mm: float | None) -> str:
    """Name of the band of a size."""
    if size_mm is None:
        return UNSIZED
    return next(name for name, low, high in BANDS if low <= size_mm < high)
