"""A healthy synthetic chest: its shapes, densities and regions on a voxel grid.

Files, in the order data flows: ``physique`` (sizes and densities of one body), ``surfaces`` (its large surfaces as
distance functions), ``canvas`` (the voxel grid), ``random_field`` and ``thin_tubes`` (textures and tubes thinner than
a voxel), ``anatomy`` (the chest while it is being painted). Then one file per group of organs, in the order of
painting: ``body_wall``, ``lung_parenchyma``, ``skeleton``, ``abdomen``, ``heart``, ``great_vessels``, ``esophagus``,
``thyroid``, ``central_airways``, ``lung_tree``, ``breasts``. ``healthy_chest`` paints them all.

Coordinates are in mm along LPS axes: x grows toward the patient's left, y toward the back, z toward the head. The
origin is on the midline, at the height of the lung apices. Arrays have axes (z, y, x).
"""

from reg2rg.phantom.body.anatomy import Airway, Anatomy
from reg2rg.phantom.body.canvas import Canvas, Shape
from reg2rg.phantom.body.central_airways import AIR_HU, AIRWAY_WALL_MM, CENTRAL_AIRWAYS, paint_airway_lumen
from reg2rg.phantom.body.healthy_chest import build_anatomy
from reg2rg.phantom.body.heart import heart_distance
from reg2rg.phantom.body.physique import POPULATIONS, Physique
from reg2rg.phantom.body.random_field import random_field
from reg2rg.phantom.body.skeleton import RIB_DEPTH_MM, RIB_PITCH_MM, RIB_SLOPE, VERTEBRA_PITCH_MM
from reg2rg.phantom.body.surfaces import LUNG_BASE_MM, Surfaces

__all__ = [
    "AIRWAY_WALL_MM",
    "AIR_HU",
    "CENTRAL_AIRWAYS",
    "LUNG_BASE_MM",
    "POPULATIONS",
    "RIB_DEPTH_MM",
    "RIB_PITCH_MM",
    "RIB_SLOPE",
    "VERTEBRA_PITCH_MM",
    "Airway",
    "Anatomy",
    "Canvas",
    "Physique",
    "Shape",
    "Surfaces",
    "build_anatomy",
    "heart_distance",
    "paint_airway_lumen",
    "random_field",
]
