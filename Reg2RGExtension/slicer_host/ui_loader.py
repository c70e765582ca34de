"""``qt.QUiLoader``: creates panels from .ui files, including widgets that are not part of Qt."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

CUSTOM_WIDGETS: dict[str, type[QtWidgets.QWidget]] = {}
"""Class name in a .ui file -> class, for widgets that are not part of Qt. CTK and MRML widgets are added here."""


class QUiLoader(QtUiTools.QUiLoader):
    """Creates the widgets of .ui files.

    An unknown widget is an error, whereas Qt would substitute a plain QWidget. Connections that pass VTK objects are
    ignored because PySide6 cannot make them. Instead, qMRMLWidget passes the scene to its children itself.
    """

    def load(  # type: ignore[override]  # PythonQt's signature has no overload for file names
        self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None
    ) -> QtWidgets.QWidget:
        """Create the widgets of an open .ui file."""
        tree = ElementTree.fromstring(bytes(device.readAll().data()))
        for connections in tree.findall("connections"):
            for connection in list(connections):
                if "vtk" in connection.findtext("signal", ""):
                    connections.remove(connection)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        self._unknown = ""
        widget = QtUiTools.QUiLoader.load(self, buffer, parent)
        if self._unknown:
            expected = ", ".join(sorted(CUSTOM_WIDGETS))
            raise RuntimeError(f"Unknown widget class {self._unknown!r}; expected a Qt class or one of: {expected}.")
        return widget

    def createWidget(
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        """Create one widget. Qt calls this for every widget of a .ui file."""
        if class_name in CUSTOM_WIDGETS:
            widget = CUSTOM_WIDGETS[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in self.availableWidgets():
            self._unknown = self._unknown or class_name  # Raised by load(); Qt would lose an exception here.
            class_name = "QWidget"
        return QtUiTools.QUiLoader.createWidget(self, class_name, parent, name)
