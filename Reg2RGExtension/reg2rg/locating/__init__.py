"""Locating: from the finding maps on the regions' crops to spots in the volume.

spots     what a spot is, and every finding's
maps      the part of a map that is brought onto the volume's grid
"""

from reg2rg.locating.spots import LocatedFinding, Spot

__all__ = ["LocatedFinding", "Spot"]
