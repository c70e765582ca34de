"""PySide6 with PythonQt's semantics: code that works in Slicer works here, code that fails in Slicer fails here.

``adopt`` changes PySide6's classes in place, because objects that Qt itself creates must follow the same rules:

- A Q_PROPERTY is an attribute, never a call: ``label.text``, ``spin.value = 3``.
- A plain Qt object takes no new attributes. A Python subclass takes none that hides a slot, signal or enum.
- Constructors take no keyword arguments, and neither do layouts, timers and settings.
- ``object.connect("clicked(bool)", f)``, ``object.name``, ``object.className()``; children are found by objectName.
- File and input dialogs return the choice alone, without a filter or a flag.
- QByteArray has ``data()`` and ``size()``, but no length, no ``bytes()`` and no indices.
- Exceptions in slots (PySide6 does this itself) and in overridden virtuals are printed, and the caller continues.
- Text is neither a key sequence nor a color, font, address or number; anything is text: ``label.setText(None)``.
- ``clicked.connect(dialog.accept)`` does nothing, because accept() takes no argument. Bound methods are held.
- An object without a parent that is destroyed inside its own signal ends the process.
- ``getSizeHint`` overrides the size hint of a QWidget, ``sizeHint`` does not.

The rules follow measurements of PythonQt as Slicer 5.8 embeds it (https://github.com/commontk/PythonQt). Not imitated,
and therefore checked by the tests of the module's sources: flat isinstance, tuples for lists, ints for enums, and str()
applied to any argument.

Files, in import order:

    classes       which classes the rules apply to
    virtuals      overridden virtual methods
    keywords      refusing keyword arguments
    arguments     text and enums as arguments
    properties    Q_PROPERTY as attribute, and refusing new attributes
    signals       connecting and disconnecting by signature
    objects       members of every QObject: name, className, findChild
    adoption      applies the rules to PySide6
"""

from slicer_host.pythonqt.adoption import adopt
from slicer_host.pythonqt.keywords import refuse_keywords

__all__ = ["adopt", "refuse_keywords"]
