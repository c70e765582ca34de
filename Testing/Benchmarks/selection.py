"""How long it takes from selecting a section to the redrawn slices: 256 x 256 x 200 voxels, ten regions.

    python Testing/Benchmarks/selection.py

The sample case is resampled to that grid, a report is made, and every section is selected three times in the host,
with software OpenGL where there is no GPU. The 3D view is drawn after the slices; its time is told beside.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = (256, 256, 200)
TURNS = 3
LIMIT_MS = 100


def main() -> int:
    sys.path.insert(0, str(REPOSITORY / "Testing" / "Slicer"))
    from slicer_host import desktop, host

    host.start(testing=True)
    desktop.show_module(REPOSITORY / "Reg2RGModule")
    import slicer
    from hands import generate, moduleWidget, settle, sliceView, threeDView

    panel = moduleWidget().panel
    with tempfile.TemporaryDirectory() as folder:
        ct, regions = resampled(Path(folder))
        panel.ui.inputVolumeSelector.setCurrentNode(slicer.util.loadVolume(str(ct)))
        given = slicer.util.loadSegmentation(str(regions), {})
        panel.ui.regionsSelector.setCurrentNode(given)
    generate(panel)
    settle()

    drawn: dict[str, float] = {}
    views = {name: sliceView(name) for name in ("Red", "Green", "Yellow")} | {"3D": threeDView()}
    for name, view in views.items():
        view.renderWindow().AddObserver("EndEvent", lambda *_, name=name: drawn.update({name: time.perf_counter()}))
    slices, three_d = [], []
    for _ in range(TURNS):
        for region in panel.sections.regions:
            drawn.clear()
            start = time.perf_counter()
            panel.select(region)
            while len(drawn) < len(views):
                slicer.app.processEvents()
            slices.append(1000 * (max(drawn[name] for name in ("Red", "Green", "Yellow")) - start))
            three_d.append(1000 * (drawn["3D"] - start))
            settle()
    first, later = slices[: len(slices) // TURNS], slices[len(slices) // TURNS :]
    triangles = count_triangles(panel)
    print(f"{len(panel.sections.regions)} regions on {'x'.join(map(str, SIZE))} voxels, {triangles} triangles")
    print(f"selection to redrawn slices, first time: median {statistics.median(first):.0f} ms, max {max(first):.0f} ms")
    print(f"selection to redrawn slices, later:      median {statistics.median(later):.0f} ms, max {max(later):.0f} ms")
    print(f"selection to redrawn 3D view:            median {statistics.median(three_d):.0f} ms")
    host.end()
    return 0 if max(later) < LIMIT_MS and statistics.median(first) < LIMIT_MS else 1


def count_triangles(panel) -> int:
    import vtk
    from Reg2RGModuleLib import reportNode

    segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0])
    total = 0
    for region in panel.sections.regions:
        surface = vtk.vtkPolyData()
        segmentation.GetClosedSurfaceRepresentation(region, surface)
        total += surface.GetNumberOfPolys()
    return total


def resampled(folder: Path) -> tuple[Path, Path]:
    """The sample case on the benchmark's grid."""
    from reg2rg.exports.segmentation_nrrd import write_regions
    from reg2rg.runtime.resources import sample_case
    from reg2rg.segmentation.label_map import LabelMapSegmenter

    ct_file, regions_file = sample_case()
    ct = sitk.ReadImage(str(ct_file))
    spacing = [old * n / m for old, n, m in zip(ct.GetSpacing(), ct.GetSize(), SIZE, strict=True)]
    ct = sitk.Resample(ct, SIZE, sitk.Transform(), sitk.sitkLinear, ct.GetOrigin(), spacing, ct.GetDirection(), -1000.0)
    masks = LabelMapSegmenter(regions_file, None).segment(ct)
    paths = folder / "ct.nrrd", folder / "regions.seg.nrrd"
    sitk.WriteImage(ct, str(paths[0]))
    write_regions(masks, paths[1])
    return paths


if __name__ == "__main__":
    sys.exit(main())
