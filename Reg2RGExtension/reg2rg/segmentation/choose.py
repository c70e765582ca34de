"""Which segmenter to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.segmentation import Segmenter

SEGMENTERS = ("auto", "totalsegmentator", "thresholds")


def choose_segmenter(
    name: str = "auto",
    *,
    regions_file: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    device: str = "cpu",
    fast: bool = False,
    totalseg_weights: Path | None = None,
    regions: Sequence[str] = (),
) -> tuple[Segmenter, str]:
    """The segmenter and one sentence that says why it was chosen.

    Args:
        name: one of SEGMENTERS; "auto" takes TotalSegmentator where it is installed with weights.
        regions_file: an existing label map or segmentation, which is then used instead.
        mapping: label value or segment name in ``regions_file`` -> region, where the names do not say it.
        device, fast, totalseg_weights, regions: for TotalSegmentator. The others find all they can at once.
    """
    if regions_file is not None:
        from reg2rg.segmentation.label_map import LabelMapSegmenter

        return LabelMapSegmenter(regions_file, mapping or None), "The regions were given."
    if name not in SEGMENTERS:
        raise InputError(f"No segmenter is called {name!r}. Segmenters are: {', '.join(SEGMENTERS)}.")
    from reg2rg.segmentation.totalsegmentator import TotalSegmentatorSegmenter, weights_available

    if name == "totalsegmentator":
        return TotalSegmentatorSegmenter(fast, device, totalseg_weights, regions), "TotalSegmentator was asked for."
    if name == "auto" and weights_available(totalseg_weights, fast):
        reason = "TotalSegmentator is installed with its weights."
        return TotalSegmentatorSegmenter(fast, device, totalseg_weights, regions), reason
    from reg2rg.segmentation.thresholds import ThresholdSegmenter

    if name == "thresholds":
        return ThresholdSegmenter(), "Thresholds were asked for."
    return ThresholdSegmenter(), "TotalSegmentator or its weights are absent, so thresholds were used."
