"""The host's qt and ctk modules behave like PythonQt, as observed in Slicer 5.8.

The tests of names compare the host with tables of the names in Slicer, and are skipped if the tables are not available.
"""

from __future__ import annotations

import ast
import gc
import inspect
import json
import re
import subprocess
import sys
import weakref
from pathlib import Path

import ctk
import pytest
import qt
import slicer

from slicer_host import ctk_widgets, mrml_widgets, views
from slicer_host.application import Application
from slicer_host.core_io_manager import CoreIOManager
from slicer_host.layout_manager import LayoutManager
from slicer_host.module_manager import ModuleManager
from slicer_host.pythonqt import classes
from slicer_host.scripted_module import BuiltInModule, ModuleWidget, ScriptedModule
from slicer_host.ui_loader import CUSTOM_WIDGETS

WIDGETS = (*ctk_widgets.WIDGETS, *mrml_widgets.WIDGETS)
NAMES = [kind.__name__ for kind in WIDGETS]

# Properties


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: qt.QPushButton("Go"), "text", "Go"),
        (lambda: qt.QCheckBox(), "checked", False),
        (lambda: qt.QSpinBox(), "maximum", 99),
        (lambda: qt.QComboBox(), "count", 0),
        (lambda: qt.QListWidget(), "currentRow", -1),
        (lambda: qt.QTimer(), "interval", 0),
        (lambda: qt.QPlainTextEdit("a"), "plainText", "a"),
        (lambda: ctk.ctkCollapsibleButton(), "collapsed", False),
        (lambda: ctk.ctkSliderWidget(), "value", 0.0),
        (lambda: ctk.ctkPathLineEdit(), "currentPath", ""),
        (lambda: slicer.qMRMLNodeComboBox(), "noneEnabled", False),
        (lambda: slicer.qMRMLNodeComboBox(), "currentNodeID", ""),
    ],
)
def test_a_property_is_a_value_and_calling_it_raises_type_error(make, name, value):
    owner = make()
    assert getattr(owner, name) == value
    with pytest.raises(TypeError, match="not callable"):
        getattr(owner, name)()


@pytest.mark.parametrize("name", ["size", "sizeHint", "minimumSizeHint", "pos", "width", "font", "windowTitle"])
def test_geometry_and_appearance_are_values_too(name):
    assert not callable(getattr(qt.QPushButton("Go"), name))


def test_members_that_are_not_properties_remain_methods():
    row = qt.QHBoxLayout()
    button = qt.QPushButton("Go")
    row.addWidget(button)
    assert row.count() == 1
    assert button.isEnabled() is True
    assert button.parent() is None
    assert button.layout() is None
    assert qt.QTableWidget().currentRow() == -1


def test_assigning_to_a_property_sets_it_and_emits_its_signal():
    box, seen = qt.QSpinBox(), []
    box.valueChanged.connect(lambda value: seen.append(value))
    box.value = 5
    box.setValue(7)
    assert seen == [5, 7]
    assert box.value == 7


def test_assigning_to_a_read_only_property_raises():
    with pytest.raises(AttributeError):
        qt.QPushButton("Go").width = 3


def test_a_property_refuses_a_value_of_the_wrong_type():
    with pytest.raises(AttributeError):
        qt.QWidget().size = "large"


def test_a_static_method_takes_precedence_over_a_property_of_the_same_name():
    fired = []
    qt.QTimer.singleShot(0, lambda: fired.append(True))
    assert callable(qt.QTimer().singleShot)
    for _ in range(20):
        qt.QApplication.processEvents()
    assert fired == [True]


def test_a_subclass_can_override_the_size_hint():
    class Wide(qt.QLabel):
        def sizeHint(self):
            return qt.QSize(321, 20)

    assert Wide("x").sizeHint().width() == 321


def test_a_widget_overrides_its_size_hint_with_the_name_that_pythonqt_calls():
    class Wide(qt.QWidget):
        def getSizeHint(self):
            return qt.QSize(321, 20)

    class Ignored(qt.QWidget):
        def sizeHint(self):
            return qt.QSize(321, 20)

    wide = Wide()
    wide.adjustSize()
    assert wide.width == 321
    with pytest.raises(TypeError, match="getSizeHint"):
        Ignored()


def test_the_size_hint_of_the_base_class_cannot_be_called_and_the_process_survives_it(capfd):
    class Label(qt.QLabel):
        def sizeHint(self):
            return qt.QLabel.sizeHint(self)

    label = Label("text")
    label.adjustSize()
    assert label.width > 5
    assert "TypeError" in capfd.readouterr().err


def test_every_property_of_every_class_can_be_read():
    """A virtual getter, read by the name of the property, called itself without end."""
    skipped = {"QApplication", "QGuiApplication", "QCoreApplication", "QWidgetAction", "QColorDialog", "QFileDialog"}
    read = 0
    for kind in classes.qt_classes():
        if not issubclass(kind, qt.QObject) or kind.__name__ in skipped:
            continue
        try:
            owner = kind()
        except (TypeError, NotImplementedError, ValueError):
            continue  # abstract, or made from something
        meta = owner.metaObject()
        for index in range(meta.propertyCount()):
            name = str(meta.property(index).name())
            if name != "nativeMenuBar":
                getattr(owner, name)
                read += 1
    assert read > 1000


@pytest.mark.parametrize("value", [None, 5, b"abc"])
def test_anything_is_text(value):
    label = qt.QLabel()
    label.setText(value)
    assert label.text == str(value)
    label.toolTip = value
    assert label.toolTip == str(value)
    label.setToolTip(value)
    assert label.toolTip == str(value)


@pytest.mark.parametrize(
    "use",
    [
        lambda: qt.QPushButton().setShortcut("Ctrl+L"),
        lambda: qt.QAction(None).setShortcut("Ctrl+L"),
        lambda: qt.QShortcut("Ctrl+L", qt.QWidget()),
        lambda: qt.QPalette().setColor(qt.QPalette.Window, "red"),
        lambda: qt.QPixmap(2, 2).fill("red"),
        lambda: qt.QPen("red"),
        lambda: qt.QWidget().setFont("Arial"),
        lambda: qt.QDesktopServices.openUrl("http://127.0.0.1"),
        lambda: setattr(qt.QPushButton(), "shortcut", "Ctrl+L"),
        lambda: setattr(qt.QWidget(), "font", "Arial"),
        lambda: setattr(qt.QSpinBox(), "value", "8"),
        lambda: setattr(qt.QDoubleSpinBox(), "maximum", "8"),
        lambda: setattr(qt.QSpinBox(), "value", None),
    ],
)
def test_text_is_not_a_key_sequence_color_font_address_or_number(use):
    with pytest.raises((ValueError, AttributeError)):
        use()


def test_numbers_are_cut_and_anything_is_true_or_false():
    box, button = qt.QSpinBox(), qt.QPushButton()
    box.value = 3.7
    button.enabled = None
    assert (box.value, button.enabled) == (3, False)
    button.enabled = "yes"
    assert button.enabled is True


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (lambda: qt.QColor(255, 0, 0), "getRgb"),
        (lambda: qt.QRect(0, 0, 1, 1), "getRect"),
        (lambda: qt.QVBoxLayout(), "getContentsMargins"),
        (lambda: qt.QImage(), "sizeInBytes"),
    ],
)
def test_methods_that_pythonqt_lacks_do_not_exist(owner, name):
    assert not hasattr(owner(), name)


def test_a_signal_is_not_subscriptable_and_lists_of_texts_are_lists():
    with pytest.raises(TypeError, match="subscriptable"):
        qt.QComboBox().activated[int]
    with pytest.raises(ValueError, match="list"):
        qt.QComboBox().addItems(text for text in "ab")


def test_a_button_box_is_not_made_of_buttons():
    ok_and_cancel = qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel
    with pytest.raises(ValueError, match="setStandardButtons"):
        qt.QDialogButtonBox(ok_and_cancel)
    box = qt.QDialogButtonBox()
    box.setStandardButtons(ok_and_cancel)
    assert len(box.buttons()) == 2


def test_an_enum_of_value_0_is_false():
    assert not qt.Qt.Unchecked
    assert qt.Qt.Checked


def test_an_object_has_the_enums_of_its_class():
    assert qt.QProcess().Running == qt.QProcess.Running


def test_a_destroyed_object_is_false():
    widget = qt.QWidget()
    assert widget
    widget.delete()
    assert not widget


@pytest.mark.parametrize("make", [lambda: qt.QPushButton(), lambda: ctk.ctkSliderWidget(), lambda: qt.QTimer()])
def test_a_plain_object_accepts_no_private_attributes_either(make):
    with pytest.raises(AttributeError, match="_mine"):
        make()._mine = 1


# New attributes


@pytest.mark.parametrize(
    "make",
    [
        lambda: qt.QPushButton("Go"),
        lambda: qt.QWidget(),
        lambda: qt.QTimer(),
        lambda: qt.QVBoxLayout(),
        lambda: ctk.ctkSliderWidget(),
        lambda: ctk.ctkCollapsibleButton(),
        lambda: slicer.qMRMLWidget(),
        lambda: slicer.qMRMLNodeComboBox(),
    ],
)
def test_a_plain_object_accepts_no_new_attributes(make):
    with pytest.raises(AttributeError, match="foo"):
        make().foo = 1


@pytest.mark.parametrize("name", ["clicked", "setText", "layout", "parent", "actions", "update", "thread", "x"])
def test_a_subclass_accepts_new_attributes_unless_they_hide_a_qt_name(name):
    class Button(qt.QPushButton):
        def __init__(self):
            super().__init__("Go")
            self.foo = 1

    button = Button()
    assert button.foo == 1
    with pytest.raises(AttributeError):
        setattr(button, name, [])


def test_assigning_to_a_property_of_a_subclass_sets_it():
    class Button(qt.QPushButton):
        pass

    button = Button("Go")
    button.text = "Stop"
    button.name = "stop"
    assert (button.text, button.objectName) == ("Stop", "stop")


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="checked"):
        qt.QWidget().checked  # noqa: B018


# Arguments


@pytest.mark.parametrize(
    "make",
    [
        lambda: qt.QPushButton(text="Go"),
        lambda: qt.QLabel("Go", parent=None),
        lambda: qt.QTimer(interval=5),
        lambda: qt.QSize(width=1),
        lambda: ctk.ctkSliderWidget(parent=None),
        lambda: ctk.ctkCollapsibleButton(parent=None),
        lambda: slicer.qMRMLWidget(parent=None),
        lambda: slicer.qMRMLNodeComboBox(parent=None),
    ],
)
def test_constructors_raise_value_error_for_keyword_arguments(make):
    with pytest.raises(ValueError, match="keyword"):
        make()


def test_a_byte_array_is_not_a_sequence():
    data = qt.QByteArray(b"abc")
    assert (data.data(), data.size(), bool(data), bool(qt.QByteArray())) == (b"abc", 3, True, False)
    for use in (len, bytes, list, lambda array: array[0]):
        with pytest.raises(TypeError):
            use(data)


def test_methods_refuse_keyword_arguments():
    with pytest.raises((TypeError, ValueError), match="keyword"):
        qt.QPushButton().setText(text="Go")


@pytest.mark.parametrize(
    "call",
    [
        lambda: qt.QVBoxLayout().addWidget(qt.QLabel("a"), stretch=1),
        lambda: qt.QHBoxLayout().addLayout(qt.QVBoxLayout(), stretch=1),
        lambda: qt.QGridLayout().addWidget(qt.QLabel("a"), 0, 0, alignment=qt.Qt.AlignLeft),
        lambda: slicer.app.userSettings().value("a", False, type=bool),
        lambda: qt.QTimer().start(msec=1),
    ],
)
def test_methods_that_accept_keywords_in_pyside_refuse_them(call):
    with pytest.raises(ValueError, match="keyword"):
        call()


def test_file_and_input_dialogs_return_only_the_choice():
    def cancel():
        qt.QApplication.activeModalWidget().reject()

    for ask, expected in (
        (lambda: qt.QFileDialog.getOpenFileName(None, "Open", "", "", "", qt.QFileDialog.DontUseNativeDialog), ""),
        (lambda: qt.QInputDialog.getText(None, "Name", "Name:"), ""),
    ):
        qt.QTimer.singleShot(200, cancel)
        assert ask() == expected


def test_the_constructor_of_a_python_subclass_can_take_keyword_arguments():
    class Titled(qt.QLabel):
        def __init__(self, title, color="red"):
            super().__init__(title)
            self.color = color

    assert Titled("a", color="blue").color == "blue"


def test_ctk_constructors_do_not_take_a_text():
    with pytest.raises((TypeError, ValueError)):
        ctk.ctkCollapsibleButton("Parameters")


@pytest.mark.parametrize(
    ("kind", "setter"),
    [
        ("ctkSliderWidget", "setMinimum"),
        ("ctkSliderWidget", "setMaximum"),
        ("ctkSliderWidget", "setRange"),
        ("ctkSliderWidget", "setSuffix"),
        ("ctkSliderWidget", "setSingleStep"),
        ("ctkCollapsibleButton", "setCollapsed"),
        ("ctkPathLineEdit", "setFilters"),
        ("ctkMessageBox", "setDontShowAgainSettingsKey"),
    ],
)
def test_setters_of_ctk_widgets_that_are_not_slots_do_not_exist(kind, setter):
    with pytest.raises(AttributeError, match=setter):
        getattr(getattr(ctk, kind)(), setter)


def test_ctk_properties_can_be_assigned_and_slots_can_be_called():
    slider, seen = ctk.ctkSliderWidget(), []
    slider.minimum, slider.maximum, slider.suffix = -100, 200, " HU"
    slider.setDecimals(3)
    slider.valueChanged.connect(lambda value: seen.append(value))
    slider.value = 12.5
    slider.setValue(13.5)
    assert (slider.minimum, slider.maximum, slider.suffix, slider.decimals) == (-100, 200, " HU", 3)
    assert seen == [12.5, 13.5]


def test_collapsing_hides_the_contents_and_emits_a_signal():
    section, seen = ctk.ctkCollapsibleButton(), []
    label = qt.QLabel("inside")
    qt.QVBoxLayout(section).addWidget(label)
    section.connect("contentsCollapsed(bool)", lambda collapsed: seen.append(collapsed))
    section.collapsed = True
    assert label.isHidden()
    section.collapsed = False
    assert not label.isHidden()
    assert seen == [True, False]


# Signals


def test_a_slot_connected_by_signature_receives_the_arguments_of_that_signature():
    button, seen = qt.QPushButton(), []
    assert button.connect("clicked(bool)", lambda checked: seen.append(checked)) is True
    assert button.connect("clicked()", lambda: seen.append("none")) is True
    button.click()
    assert seen == [False, "none"]


def test_every_kind_of_callable_can_be_connected_by_signature():
    button, seen = qt.QPushButton(), []
    button.checkable = True
    button.connect("toggled(bool)", seen.append)
    button.connect("clicked(bool)", seen.append)
    button.connect("clicked(bool)", lambda *values: seen.append(values))
    button.connect("clicked()", lambda *values: seen.append(values))
    button.click()
    assert seen == [True, True, (True,), ()]


def test_a_signal_can_be_connected_to_a_receiver_and_the_name_of_its_slot():
    button, timer = qt.QPushButton(), qt.QTimer()
    button.connect("clicked()", timer, "start()")
    button.click()
    assert timer.isActive()


@pytest.mark.parametrize("delay", [0, 30])
def test_a_single_shot_fires_once_after_any_delay(delay):
    fired, loop = [], qt.QEventLoop()
    qt.QTimer.singleShot(delay, lambda: fired.append(True))
    qt.QTimer.singleShot(delay + 60, loop.quit)
    loop.exec_()
    assert fired == [True]


def test_slots_receive_no_more_arguments_than_they_accept():
    class Slots:
        def __init__(self):
            self.seen = []

        def none(self):
            self.seen.append("none")

        def one(self, checked):
            self.seen.append(checked)

        def optional(self, checked=None):
            self.seen.append(checked)

    slots, button = Slots(), qt.QPushButton()
    for slot in (slots.none, slots.one, slots.optional):
        button.clicked.connect(slot)
        button.connect("clicked(bool)", slot)
    button.click()
    assert slots.seen == ["none", "none", False, False, False, False]


def test_a_connection_must_be_disconnected_in_the_form_it_was_made():
    button, seen = qt.QPushButton(), []

    def slot():
        seen.append("called")

    button.connect("clicked()", slot)
    assert button.disconnect("clicked()", slot) is True
    button.clicked.connect(slot)
    assert button.disconnect("clicked()", slot) is False
    button.clicked.disconnect(slot)
    button.click()
    assert seen == []


def test_a_bound_method_can_be_disconnected():
    class Counter:
        count = 0

        def add(self):
            self.count += 1

    counter, timer = Counter(), qt.QTimer()
    timer.connect("timeout()", counter.add)
    timer.timeout.emit()
    timer.disconnect("timeout()", counter.add)
    timer.timeout.emit()
    assert counter.count == 1


def test_disconnecting_one_sender_leaves_the_others_connected():
    first, second, seen = qt.QPushButton(), qt.QPushButton(), []

    def slot():
        seen.append("called")

    first.connect("clicked()", slot)
    second.connect("clicked()", slot)
    first.disconnect("clicked()", slot)
    second.click()
    assert seen == ["called"]


def test_a_slot_that_is_connected_twice_is_called_twice_until_it_is_disconnected_twice():
    button, seen = qt.QPushButton(), []

    def slot():
        seen.append("called")

    button.connect("clicked()", slot)
    button.connect("clicked()", slot)
    button.click()
    assert seen == ["called", "called"]
    button.disconnect("clicked()", slot)
    button.disconnect("clicked()", slot)
    button.click()
    assert seen == ["called", "called"]


@pytest.mark.parametrize("signature", ["nothing()", "clicked", "clicked(int)", "setText(QString)", "click()", ""])
def test_connecting_an_unknown_signal_raises_value_error(signature):
    with pytest.raises(ValueError, match="signal"):
        qt.QPushButton().connect(signature, lambda: None)


def test_ctk_and_mrml_widgets_have_the_signal_signatures_that_they_have_in_slicer():
    slider, selector, seen = ctk.ctkSliderWidget(), slicer.qMRMLNodeComboBox(), []
    slider.connect("valueChanged(double)", lambda value: seen.append(value))
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append(node))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "A")
    selector.setMRMLScene(slicer.mrmlScene)
    slider.value = 2
    selector.setCurrentNode(node)
    selector.setMRMLScene(None)
    slicer.mrmlScene.Clear(0)
    assert 2.0 in seen
    assert node in seen


@pytest.mark.parametrize("method", ["accept", "show", "close"])
def test_a_signal_with_an_argument_does_not_reach_a_method_of_qt_that_takes_none(method, capfd):
    button, dialog, accepted = qt.QPushButton(), qt.QDialog(), []
    dialog.connect("accepted()", lambda: accepted.append(True))
    button.clicked.connect(getattr(dialog, method))
    button.click()
    assert (accepted, dialog.isVisible()) == ([], False)
    assert "TypeError" in capfd.readouterr().err
    button.connect("clicked()", getattr(dialog, "accept"))  # noqa: B009 - the method of Qt itself
    button.click()
    assert accepted == [True]


def test_a_signal_with_a_matching_argument_reaches_a_method_of_qt():
    slider, spin_box = qt.QSlider(), qt.QSpinBox()
    slider.valueChanged.connect(spin_box.setValue)
    slider.setValue(7)
    assert spin_box.value == 7
    slider.valueChanged.disconnect(spin_box.setValue)
    slider.setValue(8)
    assert spin_box.value == 7


@pytest.mark.parametrize("by_signature", [True, False])
def test_a_bound_method_is_held_until_its_sender_is_destroyed(by_signature):
    class Listener:
        count = 0

        def add(self):
            Listener.count += 1

    button = qt.QPushButton()
    if by_signature:
        button.connect("clicked()", Listener().add)
    else:
        button.clicked.connect(Listener().add)
    gc.collect()
    button.click()
    assert Listener.count == 1


def test_a_signal_of_a_python_class_can_be_connected():
    class Source(qt.QObject):
        ready = qt.Signal(int)

    source, seen = Source(), []
    source.ready.connect(seen.append)
    source.ready.emit(3)
    assert seen == [3]


OWN_SIGNAL = """
import sys
sys.path.insert(0, {engine!r})
from slicer_host import qt_module
qt = qt_module.make()
app = qt.QApplication(["test"])
holder = {{"timer": qt.QTimer({parent})}}
holder["timer"].setInterval(1)
holder["timer"].{connect}
holder["timer"].start()
loop = qt.QEventLoop()
qt.QTimer.singleShot(100, loop.quit)
loop.exec_()
print("survived")
"""


@pytest.mark.parametrize("connect", ["connect('timeout()', holder.clear)", "timeout.connect(lambda: holder.clear())"])
@pytest.mark.parametrize(("parent", "survives"), [("", False), ("app", True)])
def test_an_object_that_only_python_holds_must_not_go_in_its_own_signal(connect, parent, survives):
    engine = str(Path(__file__).resolve().parents[2] / "Reg2RGExtension")
    script = OWN_SIGNAL.format(engine=engine, parent=parent, connect=connect)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ("survived" in done.stdout) is survives
    assert ("destroyed inside its own signal" in done.stderr) is not survives
    assert (done.returncode == 0) is survives


def test_an_exception_in_a_virtual_method_is_printed_and_qt_goes_on(capfd):
    class Widget(qt.QFrame):
        def resizeEvent(self, event):
            raise RuntimeError("the virtual method failed")

    widget = Widget()
    widget.show()
    widget.resize(300, 200)
    qt.QApplication.processEvents()
    assert widget.width == 300
    assert "the virtual method failed" in capfd.readouterr().err


def test_an_exception_in_a_slot_is_printed_and_the_caller_continues(capfd):
    button, seen = qt.QPushButton(), []

    def fail():
        raise RuntimeError("the slot failed")

    button.clicked.connect(fail)
    button.connect("clicked()", fail)
    button.clicked.connect(lambda: seen.append("called"))
    button.click()
    assert seen == ["called"]
    assert capfd.readouterr().err.count("the slot failed") >= 2


# Objects


def test_every_object_has_a_name_and_a_class_name():
    button = qt.QPushButton()
    button.name = "go"
    assert button.objectName == "go"
    button.setObjectName("stop")
    assert button.name == "stop"
    assert button.className() == "QPushButton"
    assert ctk.ctkSliderWidget().className() == "ctkSliderWidget"
    assert button.inherits("QWidget")


def test_delete_destroys_an_object_and_its_children_at_once():
    parent, seen = qt.QWidget(), []
    child = qt.QLabel("a", parent)
    child.destroyed.connect(lambda: seen.append("child"))
    parent.delete()
    assert seen == ["child"]


def test_connections_end_with_their_sender():
    class Listener:
        def listen(self):
            pass

    button, listener = qt.QPushButton(), Listener()
    button.connect("clicked()", listener.listen)
    held = weakref.ref(listener)
    del listener
    gc.collect()
    assert held() is not None
    button.delete()
    gc.collect()
    assert held() is None


def test_children_can_be_found_by_class_name_and_object_name():
    parent = qt.QWidget()
    label, slider = qt.QLabel("a", parent), ctk.ctkSliderWidget(parent)
    label.setObjectName("caption")
    assert parent.findChild("QLabel", "caption") is label
    assert parent.findChild("QWidget", "caption") is label
    assert parent.findChild("ctkSliderWidget") is slider
    assert parent.findChild(qt.QLabel, "other") is None
    assert parent.findChild("QTreeWidget") is None
    assert label in parent.findChildren("QLabel")
    assert list(parent.findChildren(qt.QLabel, "caption")) == [label]


def test_a_child_is_an_attribute_of_its_parent():
    parent = qt.QWidget()
    label = qt.QLabel("a", parent)
    label.setObjectName("caption")
    assert parent.caption is label
    with pytest.raises(AttributeError, match="other"):
        parent.other  # noqa: B018


@pytest.mark.parametrize("name", ["QThread", "QRegExp", "QDesktopWidget", "QRunnable", "QtCore", "QtWidgets", "sys"])
def test_qt_lacks_names_that_not_every_slicer_from_5_8_to_5_13_has(name):
    assert not hasattr(qt, name)


@pytest.mark.parametrize("kind", [qt.QDialog, qt.QMenu, qt.QMessageBox, qt.QApplication, qt.QEventLoop])
def test_exec_is_also_available_as_exec_(kind):
    assert callable(kind.exec_)


# UI files

UI = """<ui version="4.0"><class>Panel</class><widget class="{root}" name="Panel">
<layout class="QVBoxLayout"><item>
<widget class="{kind}" name="inner"><property name="toolTip"><string>tip</string></property></widget>
</item></layout></widget>
<customwidgets><customwidget><class>{kind}</class><extends>QWidget</extends></customwidget></customwidgets></ui>"""


def load_ui(text):
    buffer = qt.QBuffer()
    buffer.setData(qt.QByteArray(text.encode()))
    buffer.open(qt.QIODevice.ReadOnly)
    return qt.QUiLoader().load(buffer)


@pytest.mark.parametrize("kind", [*NAMES, "QWidget", "QTableWidget"])
def test_the_ui_loader_creates_the_widgets_of_the_host(kind):
    panel = load_ui(UI.format(root="qMRMLWidget", kind=kind))
    assert panel.className() == "qMRMLWidget"
    assert panel.inner.className() == kind
    assert panel.findChild(kind, "inner").toolTip == "tip"


@pytest.mark.parametrize("kind", ["ctkDoubleRangeSlider", "qMRMLVolumeWidget", "QNothing"])
def test_the_ui_loader_refuses_unknown_widgets(kind):
    with pytest.raises(RuntimeError, match=kind):
        load_ui(UI.format(root="QWidget", kind=kind))


# Names, compared with those that Slicer has

VIRTUALS = {"event", "hitButton", "sizeHint", "minimumSizeHint"}
STAND_INS = {
    Application: "qSlicerApplication",
    ModuleManager: "qSlicerModuleManager",
    CoreIOManager: "qSlicerCoreIOManager",
    LayoutManager: "qSlicerLayoutManager",
    BuiltInModule: "qSlicerAbstractModule",
    ScriptedModule: "qSlicerScriptedLoadableModule",
    ModuleWidget: "qSlicerScriptedLoadableModuleWidget",
    views.SliceViewWidget: "qMRMLSliceView",
    views.ThreeDViewWidget: "qMRMLThreeDView",
    views.SliceWidget: "qMRMLSliceWidget",
    views.ThreeDWidget: "qMRMLThreeDWidget",
}
HOST_ONLY = {"Application.complete_startup", "ModuleManager.register"}
"""Methods that the host's own parts call. The lints find a module that calls them."""


class SlicerNames:
    """The names that objects of a class have in Slicer."""

    def __init__(self, folder: Path) -> None:
        self.records = {
            **json.loads((folder / "qt_api.json").read_text()),
            **json.loads((folder / "ctk_api.json").read_text()),
            **json.loads((folder / "slicer_widgets.json").read_text())["classes"],
        }

    def own(self, kind: str, *sections: str) -> set[str]:
        """Return the names that the class itself defines."""
        return {name for section in sections for name in self.records[kind].get(section, ())}

    def with_bases(self, kind: str) -> set[str]:
        """Return the names that the class and its base classes define."""
        record = self.records.get(kind)
        if record is None:  # Not a QObject, so Python sees none of its members.
            return set()
        names = self.own(kind, "p", "sig", "slot", "inv", "deco", "static", "props", "methods", "statics", "signals")
        names |= self.own(kind, "enumvals") | {value for values in record.get("enum", {}).values() for value in values}
        bases = {*record.get("chain", ()), *record.get("bases", ())}
        return names.union({"name", "className"}, *(self.with_bases(base) for base in bases))


@pytest.fixture(scope="module")
def names() -> SlicerNames:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "slicer_api"
    if not folder.is_dir():
        pytest.skip(f"{folder}, which holds the tables of Slicer's names, does not exist")
    return SlicerNames(folder)


def members(kind: type) -> set[str]:
    """Return the names that a class defines, including attributes of its instances."""
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(kind))) if isinstance(node, ast.Attribute)]
    assigned = [node for node in nodes if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"]
    return {*vars(kind), *(node.attr for node in assigned)}


def public_names(kind: type) -> set[str]:
    """Return the public names of a class, including those of base classes that are not tested separately."""
    names = set()
    for base in {kind} | (set(kind.__mro__) - set(WIDGETS)):
        if base.__module__.startswith("slicer_host"):
            names |= members(base)
    virtual = {name for name in names if name in VIRTUALS or re.fullmatch(r"[a-z]\w*Event", name)}
    return {name for name in names - virtual if not name.startswith("_") and name != "staticMetaObject"}


@pytest.mark.parametrize("kind", WIDGETS, ids=lambda kind: kind.__name__)
def test_the_widgets_of_the_host_have_only_names_that_they_have_in_slicer(names, kind):
    assert public_names(kind) - names.with_bases(kind.__name__) == set()


@pytest.mark.parametrize(("kind", "of_slicer"), STAND_INS.items(), ids=lambda item: getattr(item, "__name__", item))
def test_the_stand_ins_of_the_host_have_only_names_that_they_have_in_slicer(names, kind, of_slicer):
    assert of_slicer in names.records
    beyond = {f"{kind.__name__}.{name}" for name in public_names(kind) - names.with_bases(of_slicer)}
    assert beyond - HOST_ONLY == set()


@pytest.mark.parametrize("kind", STAND_INS, ids=lambda kind: kind.__name__)
def test_the_docstring_of_a_stand_in_names_the_class_that_it_stands_for(kind):
    named = re.findall(r"\b(?:q(?:MRML|Slicer)|ctk)\w+", kind.__doc__)
    assert not named or STAND_INS[kind] in named


@pytest.mark.parametrize("kind", WIDGETS, ids=lambda kind: kind.__name__)
def test_properties_slots_and_signals_are_the_same_kind_of_member_as_in_slicer(names, kind):
    widget = kind()
    meta, methods, properties = widget.metaObject(), [], set()
    while meta.className() == kind.__name__:  # PySide6 adds a level for the methods that an instance has connected.
        methods += [meta.method(index) for index in range(meta.methodOffset(), meta.methodCount())]
        properties |= {meta.property(index).name() for index in range(meta.propertyOffset(), meta.propertyCount())}
        meta = meta.superClass()
    signals = {method.name().data().decode() for method in methods if method.methodType() == qt.QMetaMethod.Signal}
    slots = {method.name().data().decode() for method in methods} - signals
    assert properties <= names.own(kind.__name__, "p", "props")
    assert signals <= names.own(kind.__name__, "sig", "signals")
    slots = {name for name in slots if not name.startswith("_")}  # PySide6 lists every connected method.
    assert slots <= names.own(kind.__name__, "slot", "inv", "methods")


def test_every_custom_widget_of_ui_files_is_tested_here():
    assert set(CUSTOM_WIDGETS) == set(NAMES)
