"""The pipeline: the only room that knows the whole way from a volume to a report folder."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import Cancelled, InputError
from reg2rg.events import Event, Progress, RegionsFound, ReportDone, SectionText, SectionWritten, Stage
from reg2rg.regions import in_reading_order
from reg2rg.request import ReportRequest, SegmentRequest
from reg2rg.scratch import private_temporary_folder, staged
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.choose import choose_segmenter
from reg2rg.volumes import read_volume
