"""Write the sample case in Resources/Sample: ``python -m reg2rg.phantom.sample_case Resources/Sample``."""

from __future__ import annotations

import sys
from pathlib import Path

import SimpleITK as sitk

from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.phantom.case import make_phantom
from reg2rg.regions import in_reading_order

SEED = 9_500_303
"""Seed of the sample case; the embedded model was neither trained nor evaluated on it."""

_README = """# Sample case

`ct.nrrd` is a synthetic chest CT (a phantom, not a patient), and `regions.seg.nrrd` contains its ten regions. Both were
made by `python -m reg2rg.phantom.sample_case Resources/Sample` (seed {seed}). The phantom's own report describes the
findings planted in it:

{sections}
"""


def write_sample(folder: Path) -> None:
    """Write the sample's volume, its regions and a README with its report.

    Args:
        folder: where to write; created if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phantom = make_phantom(SEED)
    sitk.WriteImage(phantom.volume, str(folder / "ct.nrrd"), useCompression=True)
    write_regions(phantom.masks, folder / "regions.seg.nrrd")
    regions = in_reading_order(phantom.sections)
    sections = "\n".join(f"- {region.display_name}: {phantom.sections[region.name]}" for region in regions)
    (folder / "README.md").write_text(_README.format(seed=SEED, sections=sections), encoding="utf-8")


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
