"""Runs a scripted 3D Slicer module without Slicer.

The scene and the views come from slicer-core and trame-slicer, and the widgets from PySide6. A module imports
``slicer``, ``qt``, ``ctk`` and ``vtk`` as it does in Slicer. They follow the semantics of PythonQt, so that code that
fails in Slicer also fails here. The package is for development, tests and demonstrations; it is not installed into
Slicer.

Files, each importing only from those above it:

    pythonqt                    gives PySide6 the semantics of PythonQt
    ui_loader                   creates panels from .ui files
    qt_module                   the module ``qt``
    ctk_widgets                 the supported CTK widgets
    ctk_module                  the module ``ctk``
    mrml_widgets                qMRMLWidget and qMRMLNodeComboBox
    views                       slice and 3D views
    layout_manager              the four-up layout
    module_manager              the loaded modules
    core_io_manager             reading and writing nodes
    dicom_database              the DICOM database
    application                 ``slicer.app``
    scripted_module             a loaded module and the widget that holds its panel
    i18n                        ``slicer.i18n``
    parameter_nodes             ``slicer.parameterNodeWrapper``
    sample_data                 the module ``SampleData``
    scripted_loadable_module    ``slicer.ScriptedLoadableModule``
    host                        starts the application and loads a module
    event_loop                  waiting on the event loop
    window                      the desktop window
    desktop                     ``reg2rg desktop``
    screenshot                  ``reg2rg desktop --screenshot``
"""
