"""Choice of the segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.segmentation.segmenter import Segmenter

SEGMENTERS = ("auto", "totalsegmentator", "thresholds")
"""Names accepted by :func:`choose_segmenter`."""


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
    """Choose a segmenter by name, or the best one available.

    ``device``, ``fast``, ``totalseg_weights`` and ``regions`` apply to TotalSegmentator only; the other segmenters find
    all regions at once.

    Args:
        name: one of SEGMENTERS; "auto" means TotalSegmentator if it is installed with its weights, else thresholds.
        regions_file: an existing label map, segmentation or folder of masks; if given, it is used regardless of
            ``name``.
        mapping: label value or segment name in ``regions_file`` -> region; needed if segment names are not recognized.
        device: torch's name for the device.
        fast: use TotalSegmentator's 3 mm model and skip its slow tasks.
        totalseg_weights: folder with TotalSegmentator's weights; its default folder if None.
        regions: names of the regions to find; all if empty.

    Returns:
        The segmenter, and one sentence that explains why it was chosen.

    Raises:
        InputError: the name is unknown.
    """
    if regions_file is not None:
        from reg2rg.segmentation.label_map import LabelMapSegmenter

        return LabelMapSegmenter(regions_file, mapping), "The regions were given in a file."
    if name not in SEGMENTERS:
        raise InputError(f"Unknown segmenter {name!r}; expected one of: {', '.join(SEGMENTERS)}.")
    from reg2rg.segmentation.totalsegmentator import TotalSegmentatorSegmenter, weights_available

    if name == "totalsegmentator":
        return TotalSegmentatorSegmenter(fast, device, totalseg_weights, regions), "TotalSegmentator was requested."
    if name == "auto" and weights_available(totalseg_weights, fast):
        reason = "TotalSegmentator is installed with its weights."
        return TotalSegmentatorSegmenter(fast, device, totalseg_weights, regions), reason
    from reg2rg.segmentation.thresholds import ThresholdSegmenter

    if name == "thresholds":
        return ThresholdSegmenter(), "Thresholds were requested."
    return ThresholdSegmenter(), "TotalSegmentator or its weights are not installed, so thresholds were used."
