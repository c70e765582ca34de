"""Locating: from the finding maps on the regions' crops to spots in the volume.

spots     what a spot is, and every finding's
maps      the part of a map that is brought onto the volume's grid
"""

from reg2rg.locating.spots import SEEN_FROM, LocatedFinding, Spot, locate, locate_findings

__all__ = ["SEEN_FROM", "LocatedFinding", "Spot", "locate", "locate_findings"]
