"""Locating: from the finding maps on the regions' crops to spots in the volume.

spots     what a spot is
maps      the part of a map that is brought onto the volume's grid
locate    from maps to spots
"""

from reg2rg.locating.spots import SEEN_FROM, LocatedFinding, Spot

__all__ = ["SEEN_FROM", "LocatedFinding", "Spot"]
