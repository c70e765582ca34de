"""One run of the engine: a volume out of the scene, a report back into it.

Voxels cross in a file that is written here and deleted after the run, patient tags do not cross at all. Volume and
regions are matched by their place in space, never by array index.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import slicer
import vtk

from Reg2RGModuleLib import findingsDisplay, processes, regionsDisplay, reportNode, segmentationFile
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

PREFIX = "reg2rg-slicer-"
VOLUME_FILE = "volume.nrrd"
REPORT_FILE, REGIONS_FILE, FINDINGS_FILE = "report.json", "regions.seg.nrrd", "findings.seg.nrrd"
"""What the engine's report folder holds; findings only if the model can locate them."""
UNEXPECTED = 1
"""Exit code of failures that are no fault of the input; what the engine's log says may help then."""
STAGES = {
    "read": (0.00, 0.03, "Reading the volume"),
    "segment": (0.03, 0.45, "Finding the regions"),
    "prepare": (0.45, 0.60, "Preparing the regions for the model"),
    "load": (0.60, 0.68, "Loading the model"),
    "write": (0.68, 0.98, "Writing the sections"),
    "save": (0.98, 1.00, "Finishing"),
}
"""Stage of the engine -> where it begins and ends on the progress bar, and what it is called."""


class ReportRun:
    """A run for a whole report, or for one region of a report that exists.

    Signals:
        progressed(float, str): share of the whole that is done, and the stage in words.
        noticed(str): the run does otherwise than one would wish, such as with coarser weights; it goes on.
        regionsFound(node): the segmentation has been loaded into the scene.
        sectionGrew(str, str): region and its text so far.
        sectionWritten(dict): a section is finished.
        succeeded(node): the report is in the scene.
        regionSucceeded(node, dict): the section was written again; who hears it puts it into the report of that node.
        stopped(): it was cancelled; the scene is as before.
        failed(str, str): why, with a suggestion, and the end of the engine's log ("" if that says nothing more).
    """

    def __init__(self, engine):
        self.progressed = Signal()
        self.noticed = Signal()
        self.regionsFound = Signal()
        self.sectionGrew = Signal()
        self.sectionWritten = Signal()
        self.succeeded = Signal()
        self.regionSucceeded = Signal()
        self.stopped = Signal()
        self.failed = Signal()
        self._engine = engine
        self._folder = None
        self._volume = None
        self._segmentation = None
        self._report = None
        self._region = None
        engine.event.connect(self._onEvent)
        engine.died.connect(self._onDied)

    @property
    def active(self):
        return self._folder is not None

    @property
    def volume(self):
        """The volume of the run that goes on."""
        return self._volume

    def start(self, volume, parameters):
        """Begin a whole report; RuntimeError says why it cannot begin."""
        request = {"fast": parameters.fast}
        self._begin(volume, parameters, request, parameters.regions)

    def startRegion(self, report, region, said, parameters):
        """Write one section of a report again, from its segment as it is now.

        ``said``: what the user said of its findings, label -> whether it is there.
        """
        segmentation = reportNode.segmentationOf(report)
        if segmentation is None or segmentation.GetSegmentation().GetSegment(region) is None:
            raise RuntimeError("The report's segmentation, or the region's segment, is not in the scene any more.")
        self._report, self._region = report, region
        request = {"only": [region], **({"said": {region: said}} if said else {})}
        self._begin(reportNode.volumeOf(report), parameters, request, segmentation)

    def cancel(self):
        self._engine.cancel()

    def abandon(self):
        """Give the run up at once: the scene is closing."""
        self._engine.end()
        if self.active:
            self._segmentation = None  # it goes with the scene
            self._finish()
            self.stopped.emit()

    def _begin(self, volume, parameters, request, regions):
        if volume is None or volume.GetImageData() is None:
            self._report = self._region = None
            raise RuntimeError("The volume is not in the scene any more, or it is empty. Choose a CT volume.")
        self._volume = volume
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        try:
            request = {
                "volume": _writeVolume(volume, self._folder),
                "output": str(self._folder / "report"),
                "model": parameters.model,
                "device": parameters.device,
                **request,
            }
            if regions is not None:
                request["regions_file"] = _writeRegions(regions, volume, self._folder)
            self._engine.run(request)
        except Exception:
            self._finish()
            raise

    def _onEvent(self, event):
        if not self.active:
            return
        handler = {
            "progress": self._onProgress,
            "notice": lambda told: self.noticed.emit(told["message"]),
            "regions_found": self._onRegions,
            "section_text": lambda told: self.sectionGrew.emit(told["region"], told["text"]),
            "section_written": lambda told: self.sectionWritten.emit(told["section"]),
            "findings_located": lambda told: None,  # they are loaded with the report
            "report_done": self._onDone,
            "stopped": lambda told: self._end(self.stopped.emit),
            "failure": self._onFailure,
        }[event["event"]]
        try:
            if self._volume.GetScene() is None:
                raise RuntimeError("The volume was removed from the scene, so its run was ended.")
            handler(event)
        except Exception as error:
            self._engine.end()
            self._fail(str(error), self._engine.log)

    def _onProgress(self, event):
        begin, end, words = STAGES[event["stage"]]
        detail = event["message"]
        shown = words if detail in ("", words) else f"{words}: {detail}"
        self.progressed.emit(round(begin + (end - begin) * event["fraction"], 4), shown)

    def _onRegions(self, event):
        """Show the regions, unless the application was so busy that the run has ended and its file moved meanwhile."""
        if self._region is None:
            try:
                self._loadRegions(event["file"])
            except RuntimeError:
                return  # the event that ends the run is on its way

    def _loadRegions(self, file):
        self._segmentation = regionsDisplay.loadRegions(file, self._volume)
        self.regionsFound.emit(self._segmentation)

    def _onDone(self, event):
        folder = Path(event["folder"])
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if self._region is not None:
            self._endRegion(report["sections"][0], folder / FINDINGS_FILE)
            return
        if self._segmentation is None:
            self._loadRegions(folder / REGIONS_FILE)
        node = reportNode.createReport(self._volume, self._segmentation, Review.ofReport(report))
        self._segmentation = None  # the report's from now on
        self._keepFindings(node, folder / FINDINGS_FILE)
        self._end(lambda: self.succeeded.emit(node))

    def _endRegion(self, section, findings):
        node = self._report
        self._keepFindings(node, findings)
        self._end(lambda: self.regionSucceeded.emit(node, section))

    def _keepFindings(self, node, file):
        """Add the located findings, if there are any, to those that the report has."""
        if not file.exists():
            return
        known = reportNode.findingsOf(node)
        if known is None:
            reportNode.setFindings(node, findingsDisplay.load(file, self._volume))
        else:
            new = segmentationFile.load(file, self._volume, "new findings")
            findingsDisplay.merge(known, new)
            slicer.mrmlScene.RemoveNode(new)

    def _onFailure(self, event):
        if event["of"] == "command":  # the run was never begun
            self._engine.end()
        message = event["message"].replace(str(self._folder / VOLUME_FILE), f'"{self._volume.GetName()}"')
        self._fail(message, self._engine.log if event["exit_code"] == UNEXPECTED else "")

    def _onDied(self, reason, log):
        if self.active:
            suggestion = "Try again; if it happens again, close other programs or choose a smaller model or the CPU."
            self._fail(f"{reason} {suggestion}", log)

    def _fail(self, message, log):
        self._end(lambda: self.failed.emit(message, log))

    def _end(self, tell):
        """Clean up first: whoever hears of the end may begin the next run."""
        segmentation, self._segmentation = self._segmentation, None
        if segmentation is not None:
            slicer.mrmlScene.RemoveNode(segmentation)
        self._finish()
        tell()

    def _finish(self):
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._volume = self._report = self._region = None


def removeLeftovers():
    """Delete folders of runs whose Slicer is gone, which only a crash leaves behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not processes.isAlive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _writeVolume(volume, folder):
    """The volume as a file: voxels and geometry; no name and no attributes, which may hold identifiers from DICOM."""
    copy = slicer.vtkMRMLScalarVolumeNode()  # neither it nor the storage is of the scene
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    copy.SetIJKToRASMatrix(matrix)
    copy.SetAndObserveImageData(volume.GetImageData())
    storage = slicer.vtkMRMLNRRDStorageNode()
    path = str(folder / VOLUME_FILE)
    storage.SetFileName(path)
    storage.SetUseCompression(0)
    if not storage.WriteData(copy):
        raise RuntimeError("The volume could not be written for the engine; is the disk full?")
    return path


def _writeRegions(segmentation, volume, folder):
    """A segmentation as a file, in the volume's coordinates also where one of them is transformed."""
    node = slicer.vtkMRMLSegmentationNode()
    node.GetSegmentation().DeepCopy(segmentation.GetSegmentation())
    if segmentation.GetParentTransformNode() is not volume.GetParentTransformNode():
        raise RuntimeError(
            "Volume and segmentation lie under different transforms. Harden them first, or put both under one."
        )
    path = folder / "given.seg.nrrd"
    segmentationFile.save(node, path)
    return str(path)
