"""The panel's inputs: the volume, its regions, the model and where it computes."""

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import locations
from Reg2RGModuleLib.signal import Signal

DEVICES = ("auto", "cpu", "cuda", "mps")


class Inputs:
    """Keeps the widgets and the scene's parameters in step where Slicer's connectors do not.

    Signals:
        volumeChosen(): another volume, or none, is the one meant.
    """

    def __init__(self, ui):
        self.volumeChosen = Signal()
        self._ui = ui
        self._parameters = None
        self._lastVolume = None
        self._fillChoices()
        ui.sampleButton.connect("clicked()", self.loadSample)
        ui.inputVolumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onVolumeChosen)
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onModelChosen)
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        ui.pythonPathEdit.connect("currentPathChanged(QString)", locations.setOwnPython)

    @property
    def parameters(self):
        """Of the scene; None while there is none."""
        return self._parameters

    @property
    def volume(self):
        """The volume that is meant, None if there is none."""
        return self._parameters.inputVolume if self._parameters is not None else None

    def setParameters(self, parameters):
        """Follow other parameters, those of another scene; None while there is none."""
        self._parameters = parameters
        if parameters is not None:
            _choose(self._ui.modelComboBox, parameters.model)
            _choose(self._ui.deviceComboBox, parameters.device)
        self._lastVolume = self.volume

    def loadSample(self):
        """Load the sample case, a synthetic chest with its regions, and choose it."""
        from reg2rg.runtime.resources import sample_case

        ct, regions = (str(file) for file in sample_case())
        volumeName, segmentationName = locations.SAMPLE_NAMES
        volume = slicer.util.loadVolume(ct, {"name": volumeName})
        segmentation = slicer.util.loadSegmentation(regions, {"name": segmentationName})
        segmentation.SetDisplayVisibility(False)
        self._ui.inputVolumeSelector.setCurrentNode(volume)
        self._ui.regionsSelector.setCurrentNode(segmentation)

    def _fillChoices(self):
        from reg2rg.hub import list_models

        ui = self._ui
        for folder in list_models():
            ui.modelComboBox.addItem(folder.name, folder.name)
        for device in DEVICES:
            ui.deviceComboBox.addItem(_("automatic") if device == "auto" else device, device)
        ui.pythonPathEdit.setCurrentPath(locations.ownPython())

    def _onVolumeChosen(self, node):
        """The parameter node follows by itself."""
        if self._parameters is not None:
            self._parameters.inputVolume = node
            if self._lastVolume is not None and self._lastVolume is not node:
                self._ui.regionsSelector.setCurrentNode(None)  # those of another volume must not be taken for this
            self._lastVolume = node
        self.volumeChosen.emit()

    def _onModelChosen(self, index):
        if self._parameters is not None and index >= 0:
            self._parameters.model = self._ui.modelComboBox.itemData(index)

    def _onDeviceChosen(self, index):
        if self._parameters is not None and index >= 0:
            self._parameters.device = self._ui.deviceComboBox.itemData(index)


def _choose(comboBox, value):
    index = comboBox.findData(value)
    if index < 0 and value:
        comboBox.addItem(value, value)
        index = comboBox.findData(value)
    comboBox.setCurrentIndex(index)
