"""The supported CTK widgets. They have the same properties, slots and signals as in CTK, and nothing else.

As in PythonQt, setters that are not slots do not exist: use ``button.collapsed = True``, not ``setCollapsed``.

    collapsible_button    ctkCollapsibleButton
    fitted_text_browser   ctkFittedTextBrowser
    path_line_edit        ctkPathLineEdit
    slider_widget         ctkSliderWidget
    message_box           ctkMessageBox
"""

from slicer_host.ctk_widgets.collapsible_button import ctkCollapsibleButton
from slicer_host.ctk_widgets.fitted_text_browser import ctkFittedTextBrowser
from slicer_host.ctk_widgets.message_box import ctkMessageBox
from slicer_host.ctk_widgets.path_line_edit import ctkPathLineEdit
from slicer_host.ctk_widgets.slider_widget import ctkSliderWidget

__all__ = [
    "WIDGETS",
    "ctkCollapsibleButton",
    "ctkFittedTextBrowser",
    "ctkMessageBox",
    "ctkPathLineEdit",
    "ctkSliderWidget",
]

WIDGETS = (ctkCollapsibleButton, ctkFittedTextBrowser, ctkPathLineEdit, ctkSliderWidget, ctkMessageBox)
