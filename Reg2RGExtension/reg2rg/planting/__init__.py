"""Findings planted into real CTs, so that a model learns real anatomy from scans without reports.

Inference never imports this package. The findings are those of ``reg2rg.phantom``; here they are painted into a real
scan by means of its own masks. The idea follows Hu et al., "Label-Free Liver Tumor Segmentation", CVPR 2023.

Files, in the order data flows: ``hosts`` (the list of real CTs, read and brought to a common grid), ``augmentation``
(deformation before planting, kernel and noise after it), ``grain`` (the scan's own noise), ``site`` (a scan and the
places in it), ``lung_painters`` and the other painters (one file per part of the body), ``plant`` (painting the
findings of a case), and ``case`` (one training case from a seed). ``contact_sheet`` draws planted scans beside the
unplanted ones.
"""

from reg2rg.planting.case import PlantedCase, make_planted_case
from reg2rg.planting.hosts import Host, HostEntry, open_host, read_host_list

__all__ = ["Host", "HostEntry", "PlantedCase", "make_planted_case", "open_host", "read_host_list"]
