"""The panel's inputs: volume, regions, model and device."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import installation, locations
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.parameters import Reg2RGParameters
from Reg2RGModuleLib.signal import Signal

DEVICES = ("auto", "cpu", "cuda", "mps")


class Inputs:
    """Keeps input widgets that Slicer's GUI connectors do not support in sync with the parameter node.

    Signals:
        volumeChosen(): the selected volume has changed; there may be none.
    """

    def __init__(self, ui: Any, messages: Messages) -> None:
        self.volumeChosen = Signal()
        self._ui = ui
        self._messages = messages
        self._parameters: Reg2RGParameters | None = None
        self._lastVolume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._fillChoices()
        ui.sampleButton.connect("clicked()", self.loadSample)
        ui.inputVolumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onVolumeChosen)
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onModelChosen)
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        self._pythonEdit = ui.pythonPathEdit.findChild("QLineEdit")
        ui.pythonPathEdit.connect("currentPathChanged(QString)", self._onPythonChanged)
        ui.pythonPathEdit.connect("validInputChanged(bool)", self._onPythonChanged)  # the only signal of an empty field
        self._pythonEdit.connect("editingFinished()", self._checkPython)

    @property
    def parameters(self) -> Reg2RGParameters | None:
        """The parameters of the scene, or None while there is no scene."""
        return self._parameters

    @property
    def volume(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The selected volume, or None."""
        return self._parameters.inputVolume if self._parameters is not None else None

    def setParameters(self, parameters: Reg2RGParameters | None) -> None:
        """Use the parameters of another scene, or None while there is no scene."""
        self._parameters = parameters
        if parameters is not None:
            _choose(self._ui.modelComboBox, parameters.model)
            _choose(self._ui.deviceComboBox, parameters.device)
        self._lastVolume = self.volume

    def loadSample(self) -> None:
        """Load the sample case (a synthetic chest CT and its regions) and select it."""
        from reg2rg.runtime.resources import sample_case

        ct, regions = (str(file) for file in sample_case())
        volumeName, segmentationName = locations.sampleNames()
        volume = slicer.util.loadVolume(ct, {"name": volumeName})
        segmentation = slicer.util.loadSegmentation(regions, {"name": segmentationName})
        segmentation.SetDisplayVisibility(False)
        self._ui.inputVolumeSelector.setCurrentNode(volume)
        self._ui.regionsSelector.setCurrentNode(segmentation)

    def _fillChoices(self) -> None:
        from reg2rg.hub import list_models

        ui = self._ui
        for folder in list_models():
            ui.modelComboBox.addItem(folder.name, folder.name)
        for device in DEVICES:
            ui.deviceComboBox.addItem(_("automatic") if device == "auto" else device, device)
        ui.pythonPathEdit.setCurrentPath(locations.ownPython())

    def _onVolumeChosen(self, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        if self._parameters is not None:
            self._parameters.inputVolume = node  # this slot may be called before the connector updates it
            if self._lastVolume is not None and self._lastVolume is not node:
                self._ui.regionsSelector.setCurrentNode(None)  # regions belong to one volume
                self._ui.priorSelector.setCurrentNode(None)
            self._lastVolume = node
        self.volumeChosen.emit()

    def _onPythonChanged(self, *value: object) -> None:
        """Use another Python. One that is being typed is checked at the end, because a check runs it."""
        path = self._ui.pythonPathEdit.currentPath
        locations.setOwnPython(path)
        if not path or not self._pythonEdit.modified:  # modified: by keys, not by a choice
            self._checkPython()

    def _checkPython(self) -> None:
        """Say why the chosen Python cannot run the engine, or nothing if it can."""
        path, message = locations.ownPython(), ""
        if path:
            try:
                installation.checkOwnPython(path)
            except installation.InstallationError as error:
                message = str(error)
        self._messages.warn(message)

    def _onModelChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.model = self._ui.modelComboBox.itemData(index)

    def _onDeviceChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.device = self._ui.deviceComboBox.itemData(index)


def _choose(comboBox: qt.QComboBox, value: str) -> None:
    """Select the item with the given value. If there is none, add it first."""
    index = comboBox.findData(value)
    if index < 0 and value:
        comboBox.addItem(value, value)
        index = comboBox.findData(value)
    comboBox.setCurrentIndex(index)
