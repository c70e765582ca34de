"""Makes the sample case in Resources/Sample: ``python -m reg2rg.phantom.sample Resources/Sample``."""

from __future__ import annotations

import sys
from pathlib import Path

import SimpleITK as sitk

from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.phantom.case import make_phantom
from reg2rg.regions import in_reading_order

SEED = 9_500_303
"""Used neither to train nor to measure the embedded model."""

_README = """# Sample case

A synthetic chest CT (a phantom, no patient): `ct.nrrd`, and its ten regions, `regions.seg.nrrd`.
Made by `python -m reg2rg.phantom.sample Resources/Sample` (seed {seed}). What was planted, in the phantom's own words:

{sections}
"""


def write_sample(folder: Path) -> None:
    """Write the sample's volume, regions and the text that describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    phantom = make_phantom(SEED)
    sitk.WriteImage(phantom.volume, str(folder / "ct.nrrd"), useCompression=True)
    write_regions(phantom.masks, folder / "regions.seg.nrrd")
    regions = in_reading_order(phantom.sections)
    sections = "\n".join(f"- {r.display_name}: {phantom.sections[r.name]}" for r in regions)
    (folder / "README.md").write_text(_README.format(seed=SEED, sections=sections))


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
