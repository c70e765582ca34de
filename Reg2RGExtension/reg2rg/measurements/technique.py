"""How a volume was acquired, in words, for the report's paragraph "Technique"."""

from __future__ import annotations

from reg2rg.measurements.conditions import ScanConditions, inspiration_words, metal_words, uncertain_contrast
from reg2rg.regions import REGION_NAMES, get_region
from reg2rg.segmentation.structures import STRUCTURE_REGIONS, display_name

_LEAVES_THE_CHEST = ("bone", "breast", "abdomen", "trachea and bronchie", "mediastinum")
"""Regions that continue beyond any chest CT."""


def technique(conditions: ScanConditions) -> dict[str, str]:
    """Return the scan conditions in words, as topic -> phrase. Hints from a DICOM header are added."""
    tags = conditions.tags
    words = {"Slices": f"{conditions.slice_spacing_mm:.3g} mm apart, pixels of {conditions.pixel_spacing_mm:.2g} mm"}
    if tags.slice_thickness_mm is not None:
        words["Slices"] += f" (header: {tags.slice_thickness_mm:.3g} mm thick)"
    if tags.tube_voltage_kv is not None:
        words["Tube voltage"] = f"{tags.tube_voltage_kv:.3g} kV (header)"
    if conditions.noise_hu is not None:
        words["Noise"] = f"{conditions.noise_hu:.0f} HU (tracheal air)"
    if kernel := _kernel(conditions):
        words["Kernel"] = kernel
    if contrast := _contrast(conditions):
        words["Contrast"] = contrast
    if conditions.lung_hu is not None:
        words["Inspiration"] = inspiration_words(conditions.lung_hu)
    if cut := _cut(conditions):
        words["Only partly in view"] = ", ".join(cut)
    if conditions.metal:
        words["In view"] = metal_words(conditions)
    if conditions.padded:
        words["Padding"] = "the corners of the image were not scanned"
    return words


def _kernel(conditions: ScanConditions) -> str:
    seen, tags = conditions.sharp_kernel, conditions.tags
    words = "" if seen is None else "sharp" if seen else "soft"
    if not tags.kernel:
        return words
    if seen is None:
        return f"not judged by the image (header: {tags.kernel})"
    if tags.sharp_kernel is not None and tags.sharp_kernel is not seen:
        named = "sharp" if tags.sharp_kernel else "soft"
        return f"{words} in the image, although the header says {tags.kernel} ({named})"
    return f"{words} (header: {tags.kernel})"


def _contrast(conditions: ScanConditions) -> str:
    agent, blood_hu = conditions.tags.contrast_agent, conditions.blood_hu
    if blood_hu is None:
        return f"not judged by the image (header: {agent})" if agent else ""
    if conditions.enhanced is None:
        return f"uncertain: {uncertain_contrast(blood_hu)}{f', header: {agent}' if agent else ''}"
    blood = f"blood {blood_hu:.0f} HU"
    if conditions.enhanced:
        return f"contrast medium in the blood ({blood}{f'; header: {agent}' if agent else ''})"
    if agent:
        return f"no contrast medium in the blood ({blood}), although the header names {agent}"
    return f"no contrast medium in the blood ({blood})"


def _cut(conditions: ScanConditions) -> list[str]:
    """Return what is cut by the edge of the image, without what continues beyond the chest and without vertebrae."""
    names: list[str] = []
    for name in conditions.cut:
        if name in ("right lung", "left lung"):
            names.append(name)
        elif name in REGION_NAMES:
            if name not in _LEAVES_THE_CHEST and not (name == "lung" and "right lung" in conditions.cut):
                names.append(get_region(name).display_name.lower())
        elif STRUCTURE_REGIONS[name] not in ("lung", "bone", "trachea and bronchie"):
            names.append(display_name(name).lower())
    return list(dict.fromkeys(names))
