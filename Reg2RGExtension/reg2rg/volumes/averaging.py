"""Resizing by area averaging: adaptive average pooling, MONAI's mode "area", with the result of torch bit for bit.

Sums of integers are exact in any order, so they are computed in the fastest one: along z while the volume is read,
along y, and along x after turning the array, so that each step adds whole rows. No float volume of full size is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from reg2rg.volumes.geometry import Box

VoxelReader = Callable[[Box], np.ndarray]
"""Function that returns the voxels of a box, in z, y, x order."""

ROWS = 8
"""Rows of the result that are computed at once; with 256 x 64 voxels each, they fit into the processor's cache."""


@dataclass(frozen=True)
class Windows:
    """The voxels along an axis that each voxel of the result averages; neighbors may overlap.

    Attributes:
        starts: first voxel of each window.
        stops: voxel after the last.
    """

    starts: np.ndarray
    stops: np.ndarray

    @classmethod
    def adaptive(cls, span: slice, count: int) -> Windows:
        """Return the windows of adaptive pooling from a span of voxels to ``count`` voxels."""
        index, length = np.arange(count), span.stop - span.start
        return cls(span.start + index * length // count, span.start - (index + 1) * -length // count)

    def __getitem__(self, part: slice) -> Windows:
        return Windows(self.starts[part], self.stops[part])

    @property
    def span(self) -> slice:
        """All voxels in the windows."""
        return slice(int(self.starts[0]), int(self.stops[-1]))

    @property
    def sizes(self) -> np.ndarray:
        """Number of voxels in each window."""
        return self.stops - self.starts

    def overlapping(self, span: slice) -> slice:
        """Return which windows contain voxels of a span."""
        first = np.searchsorted(self.stops, span.start, "right")
        return slice(int(first), int(np.searchsorted(self.starts, span.stop, "left")))

    def matrix(self) -> sparse.csr_array:
        """Return the matrix that maps the voxels of the span to the sum of each window."""
        edges = np.concatenate([[0], np.cumsum(self.sizes)])
        columns = np.arange(edges[-1]) + np.repeat(self.starts - self.starts[0] - edges[:-1], self.sizes)
        return sparse.csr_array((np.ones(len(columns), np.int32), columns, edges))


def average_into(
    out: np.ndarray,
    read: VoxelReader,
    windows: Sequence[Windows],
    order: Sequence[int],
    finish: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Average the voxels of each window.

    Args:
        out: float32 array for the result in z, y, x order; a view whose first axis is last in memory is the fastest.
        read: function that returns the voxels of a box.
        windows: windows along z, y and x.
        order: axes in the order in which sums are divided by the sizes of the windows, on which rounding depends.
        finish: function that is applied to each voxel of the result.
    """
    depth, height, width = out.shape
    along_z, along_y, along_x = windows
    sum_y, sum_x = along_y.matrix(), along_x.matrix()
    planes = [
        sum_y @ _sum_slices(read((slice(start, stop), along_y.span, along_x.span)))
        for start, stop in zip(along_z.starts, along_z.stops, strict=True)
    ]
    sums = np.stack(planes, axis=1)  # y, z, x
    size_z, size_y, size_x = (axis.sizes.astype(np.float32) for axis in windows)
    for y in range(0, height, ROWS):
        rows = slice(y, min(y + ROWS, height))
        turned = np.ascontiguousarray(sums[rows].transpose(2, 0, 1))  # x, y, z
        averages = (sum_x @ turned.reshape(len(turned), -1)).astype(np.float32)
        sizes = np.tile(size_z, rows.stop - y), np.repeat(size_y[rows], depth), size_x[:, None]
        for axis in order:
            averages /= sizes[axis]
        out[:, rows] = finish(averages).reshape(width, -1, depth).transpose(2, 1, 0)


def _sum_slices(slab: np.ndarray) -> np.ndarray:
    """Sum the slices of a slab exactly: in its own type if sums cannot overflow, which is several times as fast."""
    if slab.dtype.kind == "f":
        return slab.sum(axis=0, dtype=np.float64)
    largest = max(int(slab.max()), -int(slab.min()))
    fits = len(slab) * largest <= np.iinfo(slab.dtype).max
    return slab.sum(axis=0, dtype=slab.dtype if fits else np.int32).astype(np.int32, copy=False)
