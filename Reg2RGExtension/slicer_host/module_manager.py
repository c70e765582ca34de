"""The manager of loaded modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from slicer_host.scripted_module import BuiltInModule, ScriptedModule


class ModuleManager(QObject):
    """Keeps track of loaded modules, like qSlicerModuleManager."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, ScriptedModule | BuiltInModule] = {}

    def module(self, name: str) -> ScriptedModule | BuiltInModule | None:
        """Return the loaded module with this name, or None."""
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        """Return the names of the loaded modules."""
        return tuple(self._modules)

    def register(self, module: ScriptedModule | BuiltInModule) -> None:
        """Add a loaded module. In Slicer, the factory manager does this."""
        self._modules[module.name] = module
        self.moduleLoaded.emit(module.name)
