"""The supported MRML widgets.

node_combo_box    qMRMLNodeComboBox, the node selector
widget            qMRMLWidget, a container with access to the scene
"""

from slicer_host.mrml_widgets.node_combo_box import qMRMLNodeComboBox
from slicer_host.mrml_widgets.widget import qMRMLWidget

__all__ = ["WIDGETS", "qMRMLNodeComboBox", "qMRMLWidget"]

WIDGETS = (qMRMLWidget, qMRMLNodeComboBox)
