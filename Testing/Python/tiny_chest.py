"""A tiny volume that the readers accept as a chest CT."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def tiny_chest(seed: int = 0) -> sitk.Image:
    """Return a body of muscle and fat with two lungs, in 10 x 40 x 40 noisy voxels; each seed has other noise."""
    hu = np.full((10, 40, 40), -1000)
    hu[:, 5:-5, 5:-5] = -100
    hu[:, 8:-8, 5:-5] = 40
    hu[:, 12:28, 10:18] = hu[:, 12:28, 22:30] = -850
    noise = np.random.default_rng(seed).normal(0, 15, hu.shape)
    image = sitk.GetImageFromArray(np.rint(hu + noise).astype(np.int16))
    image.SetSpacing((8.0, 8.0, 20.0))
    image.SetOrigin((-20.0, -30.0, 40.0))
    return image
