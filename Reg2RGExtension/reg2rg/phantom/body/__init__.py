"""A healthy synthetic body: its shapes, densities and regions on a voxel grid."""

from reg2rg.phantom.body.anatomy import Anatomy, build_anatomy
from reg2rg.phantom.body.canvas import Canvas, Shape
from reg2rg.phantom.body.physique import Build

__all__ = ["Anatomy", "Build", "Canvas", "Shape", "build_anatomy"]
