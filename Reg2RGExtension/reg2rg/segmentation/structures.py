"""Structures: finer anatomy than the ten regions, as one label per voxel. Measurements are taken from structures.

Names are the class names of TotalSegmentator 2 (https://github.com/wasserth/TotalSegmentator). A segmenter that cannot
tell lobes apart uses "lung_left" and "lung_right"; one that cannot number vertebrae uses "vertebra_1" and so on, from
the head downward.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.volumes.geometry import Box, axes_of, image_like, oriented

BODY_HU = -300
"""The body is above this value."""

VERTEBRA_LEVELS = (*(f"C{i}" for i in range(1, 8)), *(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)))
"""Levels of the vertebrae, from the head downward."""

MAX_UNNUMBERED_VERTEBRAE = 24

LOBES = {
    "right": {"upper": "lung_upper_lobe_right", "middle": "lung_middle_lobe_right", "lower": "lung_lower_lobe_right"},
    "left": {"upper": "lung_upper_lobe_left", "lower": "lung_lower_lobe_left"},
}
"""Side -> lobe -> name of its structure."""

_REGION_STRUCTURES: dict[str, tuple[str, ...]] = {
    "lung": ("lung_right", "lung_left", *LOBES["right"].values(), *LOBES["left"].values()),
    "trachea and bronchie": ("trachea",),
    "pleura": ("pleural_effusion", "pneumothorax"),
    "mediastinum": ("aorta", "pulmonary_artery"),
    "heart": ("heart", "pericardial_effusion"),
    "abdomen": ("liver", "spleen", "kidney_right", "kidney_left"),
    "thyroid": ("thyroid_gland",),
    "bone": (
        *(f"vertebrae_{level}" for level in VERTEBRA_LEVELS),
        *(f"vertebra_{number}" for number in range(1, MAX_UNNUMBERED_VERTEBRAE + 1)),
    ),
}

STRUCTURE_REGIONS: dict[str, str] = {name: region for region, names in _REGION_STRUCTURES.items() for name in names}
"""Structure -> the region whose section reports its measurements."""

STRUCTURE_NAMES: tuple[str, ...] = tuple(STRUCTURE_REGIONS)
"""Names of all structures; a voxel of structure i has the label i + 1."""

_BY_FOLDED_NAME = {name.casefold(): name for name in STRUCTURE_NAMES}

GROUPS: dict[str, tuple[str, ...]] = {
    "right lung": ("lung_right", *LOBES["right"].values()),
    "left lung": ("lung_left", *LOBES["left"].values()),
    "lungs": _REGION_STRUCTURES["lung"],
}
"""Name of a group -> the structures whose union it is."""


@dataclass(frozen=True)
class Part:
    """A mask cropped to its bounding box.

    Attributes:
        box: part of the volume's array (z, y, x).
        mask: boolean array over ``box``.
    """

    box: Box
    mask: np.ndarray


@dataclass(frozen=True)
class Structures:
    """The structures found in a volume. A voxel belongs to at most one structure.

    Attributes:
        labels: uint8 image with the geometry of the volume; see STRUCTURE_NAMES.
        method: name of the method that found them.
        approximate: names of structures that were estimated from thresholds and shapes.
        missing: structure or group -> reason why it was not found, as a phrase such as "not found in this volume".
    """

    labels: sitk.Image
    method: str
    approximate: frozenset[str] = frozenset()
    missing: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        reference: sitk.Image,
        *,
        method: str,
        approximate: Iterable[str] = (),
        missing: Mapping[str, str] | None = None,
    ) -> Structures:
        """Combine one boolean array (z, y, x) per structure. Where structures overlap, the later one counts.

        Args:
            arrays: structure -> mask in z, y, x order.
            reference: image that provides the grid.
            method: name of the method that found them.
            approximate: names of structures that were estimated.
            missing: structure or group -> reason.
        """
        labels = np.zeros(reference.GetSize()[::-1], np.uint8)
        for name, array in arrays.items():
            labels[np.asarray(array, bool)] = structure_label(name)
        return cls(image_like(labels, reference), method, frozenset(approximate), dict(missing or {}))

    def oriented(self, axes: str) -> Structures:
        """Return the structures with their axes in another order, such as "LPS"; the same object if nothing changes."""
        labels = oriented(self.labels, axes)
        return self if labels is self.labels else replace(self, labels=labels)

    def on_grid_of(self, volume: sitk.Image) -> Structures:
        """Return the structures with the axes and the exact geometry of a volume from which they were turned."""
        labels = oriented(self.labels, axes_of(volume))
        labels.CopyInformation(volume)  # turning an oblique grid back may change its last digits
        return replace(self, labels=labels)

    @functools.cached_property
    def boxes(self) -> dict[str, Box]:
        """Bounding box of each structure that is present."""
        from scipy import ndimage  # reports are read without it

        found = ndimage.find_objects(sitk.GetArrayViewFromImage(self.labels))
        return {STRUCTURE_NAMES[i]: box for i, box in enumerate(found) if box is not None}

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the structures that have voxels, in the order of STRUCTURE_NAMES."""
        return tuple(self.boxes)

    def part(self, name: str) -> Part | None:
        """Return the mask of a structure or group; None if none of it is present."""
        members = [member for member in GROUPS.get(name, (name,)) if member in self.boxes]
        if not members:
            return None
        box = _union([self.boxes[member] for member in members])
        view = sitk.GetArrayViewFromImage(self.labels)[box]
        if len(members) == 1:
            return Part(box, view == structure_label(members[0]))
        table = np.zeros(256, bool)
        table[[structure_label(member) for member in members]] = True
        return Part(box, table[view])

    def is_approximate(self, name: str) -> bool:
        """Return whether any part of a structure or group was estimated."""
        return any(member in self.approximate for member in GROUPS.get(name, (name,)))

    def reason(self, name: str) -> str:
        """Return why a structure or group is missing."""
        return self.missing.get(name, "not found in this volume")

    @property
    def vertebrae(self) -> tuple[str, ...]:
        """Names of the vertebrae that are present, from the head downward."""
        return tuple(name for name in self.present if STRUCTURE_REGIONS[name] == "bone")


def structure_label(name: str) -> int:
    """Return the value of the voxels of a structure.

    Raises:
        InputError: no structure has this name.
    """
    try:
        return STRUCTURE_NAMES.index(name) + 1
    except ValueError:
        raise InputError(f"Unknown structure {name!r}; expected one of: {', '.join(STRUCTURE_NAMES)}.") from None


def find_structure(name: str) -> str | None:
    """Return the structure that a segment of this name shows, in any capitalization; None if it is none."""
    return _BY_FOLDED_NAME.get(name.strip().casefold())


def display_name(name: str) -> str:
    """Return the name of a structure or group as shown to users, such as "Vertebra T8" or "Right upper lobe"."""
    if name in GROUPS:
        return name.capitalize()
    kind, _, rest = name.partition("_")
    if kind in ("vertebrae", "vertebra"):
        return f"Vertebra {rest}"
    words = name.removeprefix("lung_").split("_") if "lobe" in name else name.split("_")
    if words[-1] in ("left", "right"):
        words = [words[-1], *words[:-1]]
    return " ".join(words).replace(" gland", "").capitalize()


def _union(boxes: list[Box]) -> Box:
    z, y, x = (slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(3))
    return z, y, x
