"""Approximate regions from thresholds and morphology: offline and without weights.

Files, in the order in which they find the regions:

    body_mask            the body, without the air around it and the table
    airway_mask          trachea and main bronchi
    lung_masks           left and right lung
    trunk_masks          bones, abdomen, mediastinum and heart
    threshold_segmenter  the segmenter, which combines them

All of them work in LPS order on a grid of about 3 mm, so that orientation and slice thickness do not matter and a
full-size CT takes seconds. The masks are then resampled onto the grid of the volume. Thresholds and limits were chosen
by hand on public CTs. The breast, thyroid and esophagus have too little contrast with their surroundings to threshold.
"""

from reg2rg.segmentation.thresholds.threshold_segmenter import ThresholdSegmenter, split_lungs

__all__ = ["ThresholdSegmenter", "split_lungs"]
