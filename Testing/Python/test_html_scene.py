"""What the HTML page draws."""

from __future__ import annotations

import base64
import gzip

import numpy as np
import SimpleITK as sitk

from reg2rg.exports.html.scene import make_scene
from reg2rg.exports.view_grid import View
from reg2rg.segmentation.masks import region_index


def test_a_surface_of_any_size_keeps_its_shape() -> None:
    bits = np.zeros((8, 8, 60), np.uint16)
    bits[2:6, 2:6, 5:55] = 1 << region_index("lung")
    grid = sitk.Image(60, 8, 8, sitk.sitkUInt8)
    grid.SetSpacing((20.0, 5.0, 5.0))
    (region,) = make_scene(View(None, bits, grid), ())["regions"]
    surface = region["surface"]
    fractions = np.frombuffer(gzip.decompress(base64.b64decode(surface["vertices"])), "<u2").reshape(-1, 3) / 65535
    x = surface["corner"][0] + fractions[:, 0] * surface["size"][0]
    assert abs(np.ptp(x) - 50 * 20.0) < 30, "about as long as 50 voxels"
    assert np.allclose([fractions.min(axis=0), fractions.max(axis=0)], [[0, 0, 0], [1, 1, 1]])
