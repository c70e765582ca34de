"""One chest while it is being painted: its image, region masks, surfaces and the landmarks for findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reg2rg.phantom.body.canvas import Canvas, Shape
from reg2rg.phantom.body.physique import Physique
from reg2rg.phantom.body.surfaces import Surfaces


@dataclass(frozen=True)
class Airway:
    """A branch of the bronchial tree within a lobe.

    Attributes:
        side: "left" or "right".
        level: lobe: "upper", "middle" or "lower".
        start: x, y, z in mm.
        end: x, y, z in mm.
        radius: outer radius in mm.
        generation: number of splits since the bronchus entered the lobe.
    """

    side: str
    level: str
    start: np.ndarray
    end: np.ndarray
    radius: float
    generation: int


@dataclass
class Anatomy:
    """One chest on its canvas.

    The arrays without a default are set by the functions that paint the body wall and the lungs.

    Attributes:
        canvas: image in HU, before the scanner's blur and noise.
        physique: sizes and densities of the body.
        surfaces: large surfaces of the body.
        masks: region -> boolean mask (z, y, x), for every region except the lung and pleura.
        lung_coverage: fraction of each voxel that is air-filled lung, float32 (z, y, x). Everything else in the chest
            is subtracted from it.
        skin_distance: signed distance to the outside of the trunk in mm, negative inside, (z, y, x).
        cavity_distance: signed distance to the inner surface of the chest wall in mm, negative inside, (z, y, x).
        diaphragm_height: z of the diaphragm in mm, (1, y, x).
        pleural_filling: voxels of fluid, air or tissue in the pleural space, boolean (z, y, x); empty in health.
        pleural_coverage: label of a finding in the pleural space -> fraction of each voxel it fills, float32 (z, y, x).
        structures: name of a structure -> boolean mask (z, y, x).
        landmarks: name -> point (3,) or path (N, 3) in mm, or the radii of a path.
        shapes: name -> shape, for shapes that are needed later.
        airways: bronchi within the lungs.
        pleural_distances: functions of x, y, z that return the signed distance (mm) to what fills the pleural space.
        occupied_spheres: center (mm) and radius (mm) of parts of the lung with a finding; other findings avoid them.
    """

    canvas: Canvas
    physique: Physique
    surfaces: Surfaces
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    lung_coverage: np.ndarray = field(init=False)
    skin_distance: np.ndarray = field(init=False)
    cavity_distance: np.ndarray = field(init=False)
    diaphragm_height: np.ndarray = field(init=False)
    pleural_filling: np.ndarray = field(init=False)
    pleural_coverage: dict[str, np.ndarray] = field(default_factory=dict)
    structures: dict[str, np.ndarray] = field(default_factory=dict)
    landmarks: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    airways: list[Airway] = field(default_factory=list)
    pleural_distances: list[Callable[..., np.ndarray]] = field(default_factory=list)
    occupied_spheres: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with an empty pleural space."""
        self.pleural_filling = np.zeros(self.canvas.shape, bool)

    @property
    def aerated_lung(self) -> np.ndarray:
        """Voxels that are at least half air-filled lung, boolean (z, y, x)."""
        return self.lung_coverage >= 0.5

    def displace_lung(self, *shapes: Shape) -> None:
        """Subtract shapes from the air-filled lung."""
        for shape in shapes:
            self.lung_coverage[shape.box] *= 1 - shape.coverage

    def add_to_region(self, region: str, mask: np.ndarray) -> None:
        """Add voxels, boolean (z, y, x), to the mask of a region."""
        self.masks[region] |= mask
