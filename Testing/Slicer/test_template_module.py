"""A module based on Slicer's template for scripted modules works in the host."""

from __future__ import annotations

import sys
import uuid

import numpy as np
import pytest
import qt
import slicer

from slicer_host import host

CODE = """
import os
from pathlib import Path
from typing import Annotated

import qt
import vtk

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class NAME(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Test threshold")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Examples")]
        self.parent.dependencies = []
        self.parent.contributors = ["A. Tester (Reg2RG)"]
        self.parent.helpText = _("Sets voxels below a threshold to zero.")
        self.parent.acknowledgementText = _("Nobody.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="NAME",
        sampleName="NAME1",
        thumbnailFileName=os.path.join(os.path.dirname(__file__), "Resources/Icons", "NAME.png"),
        uris=Path(__file__).with_suffix(".nrrd").as_uri(),
        fileNames="NAME1.nrrd",
        nodeNames="NAME1",
    )


@parameterNodeWrapper
class NAMEParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    imageThreshold: Annotated[float, WithinRange(-100, 200)] = 100
    invertThreshold: bool = False
    outputVolume: vtkMRMLScalarVolumeNode


class NAMEWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self.parametersTag = None
        self.calls = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NAME.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = NAMELogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.initializeParameterNode()

    def cleanup(self):
        self.calls.append("cleanup")
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.calls.append("enter")
        self.initializeParameterNode()

    def exit(self):
        self.calls.append("exit")
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())
        if not self.parameters.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first:
                self.parameters.inputVolume = first

    def setParameterNode(self, parameters):
        if self.parameters:
            self.parameters.disconnectGui(self.parametersTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self.parameters = parameters
        if self.parameters:
            self.parametersTag = self.parameters.connectGui(self.ui)
            self.addObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        ready = self.parameters and self.parameters.inputVolume and self.parameters.outputVolume
        self.ui.applyButton.toolTip = _("Compute") if ready else _("Select input and output volumes")
        self.ui.applyButton.enabled = bool(ready)

    def onApplyButton(self):
        with slicer.util.tryWithErrorDisplay(_("Failed to compute results."), waitCursor=True):
            self.logic.process(
                self.ui.inputSelector.currentNode(),
                self.ui.outputSelector.currentNode(),
                self.ui.imageThresholdSliderWidget.value,
                self.ui.invertOutputCheckBox.checked,
            )


class NAMELogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return NAMEParameterNode(super().getParameterNode())

    def process(self, inputVolume, outputVolume, imageThreshold, invert=False):
        if not inputVolume or not outputVolume:
            raise ValueError("Input or output volume is invalid")
        voxels = slicer.util.arrayFromVolume(inputVolume)
        keep = voxels <= imageThreshold if invert else voxels >= imageThreshold
        slicer.util.updateVolumeFromArray(outputVolume, voxels * keep)


class NAMETest(ScriptedLoadableModuleTest):
    ran = 0

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_NAME1()

    def test_NAME1(self):
        self.delayDisplay("Starting the test")
        type(self).ran += 1
"""

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>NAME</class><widget class="qMRMLWidget" name="NAME"><layout class="QVBoxLayout" name="all">
<item><widget class="ctkCollapsibleButton" name="inputsCollapsibleButton">
<property name="text"><string>Inputs</string></property><layout class="QFormLayout" name="inputs">
<item row="0" column="0"><widget class="QLabel" name="label"><property name="text"><string>Input:</string></property>
</widget></item>
<item row="0" column="1"><widget class="qMRMLNodeComboBox" name="inputSelector">
<property name="nodeTypes"><stringlist notr="true"><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
<property name="showChildNodeTypes"><bool>false</bool></property>
<property name="addEnabled"><bool>false</bool></property>
<property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property></widget></item>
<item row="1" column="1"><widget class="ctkSliderWidget" name="imageThresholdSliderWidget">
<property name="singleStep"><double>0.1</double></property>
<property name="minimum"><double>-1000.0</double></property>
<property name="maximum"><double>5000.0</double></property>
<property name="SlicerParameterName" stdset="0"><string>imageThreshold</string></property></widget></item>
</layout></widget></item>
<item><widget class="ctkCollapsibleButton" name="advancedCollapsibleButton">
<property name="collapsed"><bool>true</bool></property><layout class="QFormLayout" name="advanced">
<item row="0" column="1"><widget class="QCheckBox" name="invertOutputCheckBox">
<property name="SlicerParameterName" stdset="0"><string>invertThreshold</string></property></widget></item>
</layout></widget></item>
<item><widget class="qMRMLNodeComboBox" name="outputSelector">
<property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
<property name="noneEnabled"><bool>true</bool></property>
<property name="SlicerParameterName" stdset="0"><string>outputVolume</string></property></widget></item>
<item><widget class="QPushButton" name="applyButton"><property name="enabled"><bool>false</bool></property>
<property name="text"><string>Apply</string></property></widget></item>
</layout></widget>
<customwidgets>
<customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><container>1</container></customwidget>
<customwidget><class>ctkSliderWidget</class><extends>QWidget</extends></customwidget>
<customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends></customwidget>
<customwidget><class>qMRMLWidget</class><extends>QWidget</extends><container>1</container></customwidget>
</customwidgets>
<connections>
<connection><sender>NAME</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>inputSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
<connection><sender>NAME</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>outputSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
</connections></ui>"""


@pytest.fixture
def module(tmp_path):
    """Load the module under a unique name and create its panel. Unload it after the test."""
    slicer.mrmlScene.Clear(0)
    registries = [vars(slicer.modules), vars(slicer.moduleNames), slicer.selfTests]
    before = [dict(registry) for registry in registries]
    name = f"Threshold{uuid.uuid4().hex[:8]}"
    (tmp_path / "Resources" / "UI").mkdir(parents=True)
    (tmp_path / "Resources" / "Icons").mkdir()
    (tmp_path / f"{name}.py").write_text(CODE.replace("NAME", name))
    (tmp_path / "Resources" / "UI" / f"{name}.ui").write_text(UI.replace("NAME", name))
    icon = qt.QPixmap(16, 16)
    icon.fill(qt.QColor(255, 0, 0))
    icon.save(str(tmp_path / "Resources" / "Icons" / f"{name}.png"))
    loaded = host.load_module(tmp_path / f"{name}.py")
    loaded.widgetRepresentation()
    yield loaded
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
    slicer.app.moduleManager()._modules.pop(name)
    loaded.widgetRepresentation().delete()  # otherwise, it would follow the scenes of all later tests
    slicer.mrmlScene.Clear(0)
    for registry, old in zip(registries, before, strict=True):
        registry.clear()
        registry.update(old)
    sys.path.remove(str(tmp_path))
    del sys.modules[name]


@pytest.fixture
def volume(module):
    """Add a volume of 4 x 4 x 4 voxels with values from 0 to 63 to the scene."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(node, np.arange(64, dtype=np.int16).reshape(4, 4, 4))
    return node


def panel(module):
    """Return the module's Python widget."""
    return module.widgetRepresentation().self()


def test_the_metadata_of_the_module_is_available(module):
    assert module.title == "Test threshold"
    assert tuple(module.categories) == ("Examples",)
    assert tuple(module.contributors) == ("A. Tester (Reg2RG)",)
    assert tuple(module.dependencies) == ()
    assert module.helpText.startswith("Sets voxels")
    assert module.acknowledgementText == "Nobody."
    assert not module.icon.isNull()


def test_the_sample_data_of_the_module_is_registered_and_loads(module, volume):
    import SampleData

    slicer.util.saveNode(volume, module.path.replace(".py", ".nrrd"))
    assert len(SampleData.SampleDataLogic.sampleDataSourcesByCategory(module.name)) == 1
    loaded = SampleData.downloadSample(f"{module.name}1")
    assert loaded.GetName() == f"{module.name}1"
    assert slicer.util.arrayFromVolume(loaded).max() == 63


def test_the_module_can_be_found_by_its_name(module):
    name = module.name
    assert getattr(slicer.modules, name.lower()) is module
    assert getattr(slicer.modules, f"{name}Instance").parent is module
    assert getattr(slicer.modules, f"{name}Widget") is panel(module)
    assert getattr(slicer.moduleNames, name) == name
    assert slicer.app.moduleManager().module(name) is module
    assert name in slicer.util.moduleNames()
    assert slicer.util.modulePath(name) == module.path
    assert slicer.util.getModule(name) is module


def test_slicer_util_finds_the_widget_and_the_logic_of_the_module(module):
    assert slicer.util.getModuleWidget(module.name) is panel(module)
    assert slicer.util.getNewModuleWidget(module.name) is not panel(module)
    assert type(slicer.util.getModuleLogic(module.name)).__name__ == f"{module.name}Logic"


def test_the_panel_has_the_widgets_of_its_ui_file(module):
    ui = panel(module).ui
    assert ui.inputsCollapsibleButton.className() == "ctkCollapsibleButton"
    assert ui.inputsCollapsibleButton.text == "Inputs"
    assert ui.advancedCollapsibleButton.collapsed
    assert ui.inputSelector.mrmlScene() is slicer.mrmlScene
    assert tuple(ui.inputSelector.nodeTypes) == ("vtkMRMLScalarVolumeNode",)
    assert ui.invertOutputCheckBox.isHidden() or not ui.invertOutputCheckBox.isVisible()


def test_parameters_start_with_their_defaults(module):
    parameters = panel(module).parameters
    assert parameters.imageThreshold == 100
    assert parameters.invertThreshold is False
    assert parameters.inputVolume is None
    assert panel(module).ui.imageThresholdSliderWidget.value == 100


def test_a_widget_adopts_the_range_of_its_parameter(module):
    slider = panel(module).ui.imageThresholdSliderWidget
    assert (slider.minimum, slider.maximum) == (-100, 200)


def test_parameters_follow_widgets(module, volume):
    ui, parameters = panel(module).ui, panel(module).parameters
    ui.imageThresholdSliderWidget.value = 42.5
    ui.invertOutputCheckBox.checked = True
    ui.inputSelector.setCurrentNode(volume)
    ui.outputSelector.setCurrentNode(volume)
    assert parameters.imageThreshold == 42.5
    assert parameters.invertThreshold is True
    assert parameters.inputVolume is volume
    assert parameters.outputVolume is volume
    ui.outputSelector.setCurrentNode(None)
    assert parameters.outputVolume is None


def test_widgets_follow_parameters(module, volume):
    ui, parameters = panel(module).ui, panel(module).parameters
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Other")
    parameters.imageThreshold = -7
    parameters.invertThreshold = True
    parameters.inputVolume = other
    parameters.outputVolume = volume
    assert ui.imageThresholdSliderWidget.value == -7
    assert ui.invertOutputCheckBox.checked
    assert ui.inputSelector.currentNode() is other
    assert ui.outputSelector.currentNode() is volume
    parameters.outputVolume = None
    assert ui.outputSelector.currentNode() is None


def test_parameters_are_stored_in_the_scene(module):
    panel(module).parameters.imageThreshold = 12
    again = type(panel(module).logic)().getParameterNode()
    assert again.imageThreshold == 12
    assert again.parameterNode is panel(module).parameters.parameterNode


@pytest.mark.parametrize("value", [-100.5, 201, 1e9])
def test_a_value_out_of_range_is_refused_and_the_old_value_kept(module, value):
    parameters = panel(module).parameters
    parameters.imageThreshold = 5
    with pytest.raises(ValueError):
        parameters.imageThreshold = value
    assert parameters.imageThreshold == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("imageThreshold", "high"),
        ("imageThreshold", None),
        ("invertThreshold", "yes"),
        ("invertThreshold", 1),
        ("inputVolume", "vtkMRMLScalarVolumeNode1"),
        ("inputVolume", 3),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(module, name, value):
    parameters = panel(module).parameters
    before = getattr(parameters, name)
    with pytest.raises((TypeError, ValueError)):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_a_node_of_the_wrong_class_is_refused(module):
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    with pytest.raises((TypeError, ValueError)):
        panel(module).parameters.inputVolume = model


def test_the_limits_of_the_range_are_accepted(module):
    parameters = panel(module).parameters
    for edge in (-100, 200):
        parameters.imageThreshold = edge
        assert parameters.imageThreshold == edge


def test_a_node_selector_selects_no_node_by_itself(module, volume):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = False
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.nodeCount() == 1
    assert selector.currentNode() is None
    selector.setCurrentNodeIndex(0)
    assert selector.currentNode() is volume
    selector.setMRMLScene(None)


def test_the_base_classes_initialize_the_next_class_as_those_of_slicer_do():
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class Counter:
        def __init__(self):
            self.count = getattr(self, "count", 0) + 1

    class Logic(ScriptedLoadableModuleLogic, Counter):
        def __init__(self):
            super().__init__()

    assert Logic().count == 1


def test_a_type_without_a_serializer_is_refused_when_the_class_is_defined():
    class Unknown:
        member: complex

    with pytest.raises((TypeError, RuntimeError)):
        slicer.parameterNodeWrapper.parameterNodeWrapper(Unknown)


def test_apply_is_enabled_once_both_volumes_are_chosen_and_computes_the_result(module, volume):
    ui, parameters = panel(module).ui, panel(module).parameters
    result = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Result")
    parameters.inputVolume, parameters.outputVolume = volume, None
    assert not ui.applyButton.enabled
    parameters.outputVolume = result
    assert ui.applyButton.enabled
    assert ui.applyButton.toolTip == "Compute"
    parameters.imageThreshold = 60
    ui.applyButton.click()
    assert slicer.util.arrayFromVolume(result).ravel()[58:].tolist() == [0, 0, 60, 61, 62, 63]
    ui.invertOutputCheckBox.click()
    ui.applyButton.click()
    assert slicer.util.arrayFromVolume(result).ravel()[58:].tolist() == [58, 59, 60, 0, 0, 0]


def test_an_error_during_apply_is_reported_and_does_not_propagate(module, volume, capfd):
    panel(module).parameters.inputVolume = volume
    panel(module).ui.applyButton.enabled = True
    panel(module).ui.applyButton.click()
    assert "Input or output volume is invalid" in capfd.readouterr().err
    assert qt.QApplication.overrideCursor() is None


def test_entering_and_leaving_the_module_calls_the_widget(module, volume):
    widget = module.widgetRepresentation()
    widget.enter()
    assert panel(module).parameters.inputVolume is volume
    widget.exit()
    assert panel(module).parameters is None
    assert panel(module).calls == ["enter", "exit"]


def test_is_entered_is_true_while_the_module_is_open(module):
    widget = module.widgetRepresentation()
    widget.enter()
    assert widget.isEntered
    widget.exit()
    assert not widget.isEntered


def test_widgets_and_parameters_are_independent_after_leaving_the_module(module):
    parameters = panel(module).parameters
    module.widgetRepresentation().exit()
    panel(module).ui.imageThresholdSliderWidget.value = 3
    assert parameters.imageThreshold == 100
    parameters.imageThreshold = 7
    assert panel(module).ui.imageThresholdSliderWidget.value == 3


def test_closing_the_scene_drops_the_parameters_of_a_module_that_is_not_open(module, volume):
    module.widgetRepresentation().enter()
    panel(module).parameters.imageThreshold = 5
    module.widgetRepresentation().exit()
    slicer.mrmlScene.Clear(0)
    assert panel(module).parameters is None
    assert panel(module).ui.inputSelector.currentNode() is None


def test_an_open_module_starts_with_default_parameters_after_the_scene_was_closed(module, volume):
    module.widgetRepresentation().enter()
    panel(module).parameters.imageThreshold = 5
    slicer.mrmlScene.Clear(0)
    assert panel(module).parameters.imageThreshold == 100
    assert panel(module).ui.imageThresholdSliderWidget.value == 100
    assert panel(module).parameters.inputVolume is None


def test_a_module_that_is_not_open_adds_no_parameters_to_a_closed_scene(module, volume):
    module.widgetRepresentation().exit()
    slicer.mrmlScene.Clear(0)
    assert panel(module).parameters is None


def test_a_deleted_panel_leaves_no_observers_in_the_scene(module, capfd):
    spare = module.createNewWidgetRepresentation()
    spare.self().cleanup()
    spare.delete()
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    volume.SetName("Thorax")
    slicer.mrmlScene.RemoveNode(volume)
    assert "Traceback" not in capfd.readouterr().err


def test_reloading_creates_a_new_widget_from_the_current_code(module, volume):
    before, holder = panel(module), module.widgetRepresentation()
    file = module.path
    with open(file) as code:
        text = code.read()
    with open(file, "w") as code:
        code.write(text.replace('_("Compute")', '_("Continue")'))
    slicer.util.reloadScriptedModule(module.name)
    after = panel(module)
    assert after is not before
    assert type(after) is not type(before)
    assert module.widgetRepresentation() is holder
    assert getattr(slicer.modules, f"{module.name}Widget") is after
    assert "cleanup" in before.calls
    after.parameters.inputVolume = after.parameters.outputVolume = volume
    assert after.ui.applyButton.toolTip == "Continue"


def test_a_reloaded_module_has_one_panel(module):
    for _ in range(2):
        slicer.util.reloadScriptedModule(module.name)
    holder = module.widgetRepresentation()
    shown = [child for child in holder.children() if child.isWidgetType() and not child.isHidden()]
    assert len(shown) == 1
    assert shown[0].findChild("QPushButton", "applyButton") is panel(module).ui.applyButton


def test_the_self_test_of_the_module_runs(module):
    slicer.selfTests[module.name]()
    assert getattr(sys.modules[module.name], f"{module.name}Test").ran == 1


@pytest.fixture
def imports(monkeypatch):
    """Restore sys.path and sys.modules after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


@pytest.mark.usefixtures("imports")
def test_a_file_without_a_class_of_the_same_name_is_refused(tmp_path):
    file = tmp_path / "Nameless.py"
    file.write_text("class Other:\n    pass\n")
    with pytest.raises(RuntimeError, match="Nameless"):
        host.load_module(file)
    assert not hasattr(slicer.modules, "nameless")
    assert slicer.app.moduleManager().module("Nameless") is None


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="not a scripted module"):
        host.load_module(tmp_path / "Missing.py")


@pytest.mark.usefixtures("imports")
def test_an_error_in_the_code_of_the_module_is_raised_unchanged(tmp_path):
    file = tmp_path / "Broken.py"
    file.write_text("raise ZeroDivisionError('broken')\n")
    with pytest.raises(ZeroDivisionError, match="broken"):
        host.load_module(file)
    assert not hasattr(slicer.modules, "broken")
