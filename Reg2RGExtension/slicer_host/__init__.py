"""Runs a scripted 3D Slicer module without Slicer: slicer-core and trame-slicer for the scene, PySide6 for widgets.

A module sees ``slicer``, ``qt``, ``ctk`` and ``vtk`` as it does in Slicer, with PythonQt's semantics rather than
PySide6's, so that what fails in Slicer fails here too. It is a stand-in for development, tests and demonstrations;
it is not Slicer and is not installed into Slicer. Its rooms, each importing only those above it:

    pythonqt        PySide6 made to behave as PythonQt does
    qt_module       the module ``qt``
    ctk_module      the module ``ctk``: the classes in use
    mrml_widgets    qMRMLWidget, qMRMLNodeComboBox
    views           slice and 3D views: offscreen VTK windows drawn into Qt widgets
    layout          the four-up layout manager
    application     ``slicer.app`` and what hangs from it
    scripted        slicer.ScriptedLoadableModule
    parameter_node  slicer.parameterNodeWrapper
    sample_data     SampleData
    host            puts it all together; loads a module from its folder
    window          the desktop window
    desktop         ``reg2rg desktop``
"""
