"""ctkSliderWidget: a slider with a spin box for floating point numbers."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from slicer_host.pythonqt import refuse_keywords

STEPS = 1000
"""Number of slider steps between minimum and maximum."""


def _spin_box_property(value_type: type, name: str) -> Property:
    """Return a property that is stored in the spin box."""

    def read(self: ctkSliderWidget) -> object:
        return self._spin_box.property(name)

    def write(self: ctkSliderWidget, value: object) -> None:
        self._spin_box.setProperty(name, value)

    return Property(value_type, read, write)


@refuse_keywords
class ctkSliderWidget(QWidget):
    """A slider with a spin box for floating point numbers."""

    valueChanged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, STEPS)
        self._spin_box = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._spin_box)
        self._spin_box.valueChanged.connect(self._on_value_changed)
        self._slider.sliderMoved.connect(self._on_slider_moved)

    def _lowest(self) -> float:
        return self._spin_box.property("minimum")

    def _span(self) -> float:
        return (self._spin_box.property("maximum") - self._lowest()) or 1.0

    def _on_value_changed(self, value: float) -> None:
        self._slider.setValue(round((value - self._lowest()) / self._span() * STEPS))
        self.valueChanged.emit(value)

    def _on_slider_moved(self, position: int) -> None:
        self.setValue(self._lowest() + position / STEPS * self._span())

    def _get_value(self) -> float:
        return self._spin_box.property("value")

    @Slot(float)
    def setValue(self, value: float) -> None:
        """Set the value."""
        self._spin_box.setValue(value)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        """Set the number of decimals."""
        self._spin_box.setDecimals(decimals)

    value = Property(float, _get_value, setValue, notify=valueChanged)
    minimum = _spin_box_property(float, "minimum")
    maximum = _spin_box_property(float, "maximum")
    singleStep = _spin_box_property(float, "singleStep")
    decimals = _spin_box_property(int, "decimals")
    suffix = _spin_box_property(str, "suffix")
