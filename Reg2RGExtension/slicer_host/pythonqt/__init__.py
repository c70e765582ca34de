"""PySide6 with PythonQt's semantics, so that code works or fails here just as it does in Slicer.

``adopt`` modifies PySide6's classes in place, because objects that Qt itself creates must follow the same rules:

- A Q_PROPERTY is an attribute, never a call: ``label.text``, ``spin.value = 3``.
- A plain Qt object accepts no new attributes. A Python subclass accepts none that would hide a slot, signal or enum.
- Constructors accept no keyword arguments, and neither do common methods of layouts, timers and settings.
- Objects have ``connect("clicked(bool)", f)``, ``name`` and ``className()``, and children are found by objectName.
- File and input dialogs return only the choice, without a filter or flag.
- QByteArray has ``data()`` and ``size()``, but does not support ``len()``, ``bytes()`` or indexing.
- Exceptions in slots (PySide6 does this itself) and in overridden virtuals are printed, and the caller continues.
- Text is neither a key sequence nor a color, font, address or number; anything is text: ``label.setText(None)``.
- ``clicked.connect(dialog.accept)`` does nothing, because accept() takes no argument. Bound methods are held.
- An object without a parent that is destroyed inside its own signal ends the process.
- ``getSizeHint`` overrides the size hint of a QWidget, ``sizeHint`` does not.

The rules are based on the behavior of PythonQt as embedded in Slicer 5.8 (https://github.com/commontk/PythonQt). Some
behavior is not imitated, so the lint tests of the module's sources check for it instead: isinstance without base
classes, tuples instead of lists, ints instead of enums, and str() applied to any argument.

Files, in import order:

    classes       the classes to which the rules apply
    virtuals      overridden virtual methods
    keywords      refusal of keyword arguments
    absent        members that PythonQt does not have
    arguments     text and enums as arguments
    properties    Q_PROPERTYs as attributes, and refusal of new attributes
    signals       connecting and disconnecting by signature
    objects       members of every QObject: name, className, findChild
    adoption      application of the rules to PySide6
"""

from slicer_host.pythonqt.adoption import adopt
from slicer_host.pythonqt.keywords import refuse_keywords

__all__ = ["adopt", "refuse_keywords"]
