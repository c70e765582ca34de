"""Padding: pixels outside of the scanner's round field of view, and blank slices."""

from __future__ import annotations

import numpy as np


def scanned_slices(hu: np.ndarray) -> slice:
    """Return the slices (z) from the first to the last that is not blank."""
    scanned = [z for z, plane in enumerate(hu) if np.ptp(plane[::4, ::4]) > 0] or [0]
    return slice(scanned[0], scanned[-1] + 1)


def padding_pixels(hu: np.ndarray) -> np.ndarray:
    """Return the pixels (y, x) that have the value of the first voxel in all slices.

    Air may be among them: many scanners store nothing below -1024 HU.

    Args:
        hu: volume (z, y, x) without blank slices.
    """
    value = hu[0, 0, 0]
    padding = np.ones(hu.shape[1:], bool)
    for plane in hu:
        padding &= plane == value
    return padding


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Return a mask (y, x) grown by some pixels along both axes."""
    for _ in range(pixels):
        larger = mask.copy()
        larger[1:] |= mask[:-1]
        larger[:-1] |= mask[1:]
        larger[:, 1:] |= mask[:, :-1]
        larger[:, :-1] |= mask[:, 1:]
        mask = larger
    return mask
