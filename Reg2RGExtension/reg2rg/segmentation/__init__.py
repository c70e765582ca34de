"""Segmentation: from a CT volume to RegionMasks on the volume's own grid.

Files:

    masks             RegionMasks, one bit per region and voxel
    segmenter         the protocol that all segmenters follow
    structures        Structures: finer anatomy than the regions, one label per voxel
    structures_from_regions
                      structures estimated from the regions, for segmenters that find nothing finer
    morphology        dilation, erosion and similar operations, in mm
    segment_files     read label maps, Slicer and DICOM segmentations, and folders of masks as segments in layers
    label_map         regions from the segments of such a file
    thresholds        approximate regions from thresholds and morphology, without weights
    totalsegmentator  regions from TotalSegmentator
    choose            which of these to use
"""

from reg2rg.segmentation.choose import SEGMENTERS, choose_segmenter
from reg2rg.segmentation.masks import NOT_REQUESTED, RegionMasks
from reg2rg.segmentation.segmenter import Segmenter
from reg2rg.segmentation.structures import Structures

__all__ = [
    "NOT_REQUESTED",
    "SEGMENTERS",
    "RegionMasks",
    "Segmenter",
    "Structures",
    "choose_segmenter",
]
