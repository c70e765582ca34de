"""Install the module and the engine with CMake, like a build of the Slicer extension.

Slicer's own CMake macros are not available on a development machine, so a stub stands in for the macro that installs a
scripted module. Everything else uses the module's real CMakeLists.txt.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = "lib/Slicer-5.12/qt-scripted-modules"
"""Where Slicer's macros install scripted modules, below the installation prefix."""

_PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(InstalledExtension NONE)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "@MODULES@")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "@MODULES@")

# Like Slicer's macro: relative paths are kept, and a file that does not exist is an error.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "File does not exist: ${file}")
    endif()
    get_filename_component(folder "${file}" DIRECTORY)
    install(FILES "${file}" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder}")
  endforeach()
endmacro()

add_subdirectory("@MODULE@" module)
"""


def configure(module: Path, folder: Path) -> Path:
    """Configure a build of the extension whose module is in ``module``, and return the build folder."""
    if shutil.which("cmake") is None:
        pytest.skip("CMake is not installed")
    source, build = folder / "project", folder / "build"
    source.mkdir(parents=True)
    project = _PROJECT.replace("@MODULES@", MODULES).replace("@MODULE@", module.as_posix())
    (source / "CMakeLists.txt").write_text(project, encoding="utf-8")
    _cmake("-S", str(source), "-B", str(build))
    return build


def install(build: Path, prefix: Path) -> Path:
    """Build and install a configured build, and return the folder that contains the installed module."""
    _cmake("--build", str(build))
    _cmake("--install", str(build), "--prefix", str(prefix))
    return prefix / MODULES


def files_in(folder: Path) -> list[str]:
    """Return the files below a folder, relative to it, sorted."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _cmake(*arguments: str) -> None:
    done = subprocess.run(["cmake", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
