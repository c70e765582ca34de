"""Regions by thresholds and morphology: offline, approximate, without weights.

Files, in the order in which they find the regions:

    working_grid         the grid of about 3 mm on which all others work
    body_mask            the body, without the air around it and the table
    airway_mask          trachea and main bronchi, and where the trachea divides
    spine                the course of the spine, by its canal
    diaphragm            the height of the diaphragm, by the undersides of the lungs
    lung_masks           left and right lung, with tumors and consolidation
    bone_mask            bones, without bright blood and organs
    trunk_masks          abdomen, mediastinum and heart
    plausibility         limits of volume and shape; what exceeds them is not given
    threshold_segmenter  the segmenter, which combines them

All of them work in LPS order, so that orientation and slice thickness do not matter and a full-size CT takes seconds.
The masks are then resampled onto the grid of the volume. Thresholds and limits were chosen by hand on public CTs.
Breast, thyroid and esophagus have too little contrast to their surroundings for a threshold.
"""

from reg2rg.segmentation.thresholds.threshold_segmenter import ThresholdSegmenter, split_lungs

__all__ = ["ThresholdSegmenter", "split_lungs"]
