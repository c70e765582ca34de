"""Masks and images on which pyradiomics was run; its results are in radiomics_values.json.

    python3.11 -m venv VENV
    VENV/bin/pip install "numpy<2" SimpleITK pywavelets pykwalify six "setuptools<70" wheel versioneer
    VENV/bin/pip install --no-build-isolation pyradiomics==3.0.1
    VENV/bin/python Testing/Python/radiomics_shapes.py

pyradiomics has no wheel for Python 3.11, needs a C compiler and is not made for NumPy 2. The tests do without it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

VALUES_FILE = Path(__file__).with_name("radiomics_values.json")
SPACINGS = {"isotropic": (1.0, 1.0, 1.0), "thick slices": (0.8, 0.8, 2.5), "uneven pixels": (0.7, 1.1, 3.0)}


def make_shape(spacing: tuple[float, float, float]) -> tuple[sitk.Image, np.ndarray]:
    """Return an image in HU, and a mask (z, y, x): a tilted ellipsoid with a small ball at its side."""
    size = [int(round(64 / length)) for length in spacing[::-1]]
    axes = [(np.arange(n) + 0.5) * step - 32 for n, step in zip(size, spacing[::-1], strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    a, b = (0.8 * x + 0.6 * y) / 21, (0.8 * y - 0.6 * x) / 12
    mask = a**2 + b**2 + ((z - 0.2 * x) / 16) ** 2 <= 1
    mask |= (x + 20) ** 2 + (y + 3) ** 2 + (z - 6) ** 2 <= 7**2
    hu = 40 + 2 * x - 0.02 * y**2 + np.random.RandomState(7).normal(0, 25, x.shape)
    image = sitk.GetImageFromArray(np.rint(hu).astype(np.int16))
    image.SetSpacing(spacing)
    return image, mask


def main() -> None:
    from radiomics import firstorder, shape

    values = {}
    for name, spacing in SPACINGS.items():
        image, mask = make_shape(spacing)
        label = sitk.GetImageFromArray(mask.astype(np.uint8))
        label.CopyInformation(image)
        features = firstorder.RadiomicsFirstOrder(image, label), shape.RadiomicsShape(image, label)
        names = ("Mean", "Median", "10Percentile", "90Percentile"), ("VoxelVolume", "Maximum2DDiameterSlice")
        found = {}
        for feature, wanted in zip(features, names, strict=True):
            feature.enabledFeatures = dict.fromkeys(wanted, True)
            found.update({key: float(value) for key, value in feature.execute().items()})
        values[name] = found
    VALUES_FILE.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
