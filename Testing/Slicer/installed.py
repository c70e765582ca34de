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

_SLICER = """
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
"""
_PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(InstalledExtension NONE)
@SLICER@
add_subdirectory("@MODULE@" module)
"""
_CONFIG = """
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/Use.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/Generate.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/Pack.cmake")
"""
_PACK = """
# Like Slicer's script: an extension without a README or a license, or named otherwise than its project, is an error.
foreach(file IN ITEMS "${EXTENSION_README_FILE}" "${EXTENSION_LICENSE_FILE}")
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "File does not exist: ${file}")
  endif()
endforeach()
foreach(field IN ITEMS CONTRIBUTORS DESCRIPTION DEPENDS)
  if("${EXTENSION_${field}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${field} is not set")
  endif()
endforeach()
set(CPACK_GENERATOR "TGZ")
set(CPACK_PACKAGE_FILE_NAME "${PROJECT_NAME}")
include(CPack)
"""


def configure(module: Path, folder: Path) -> Path:
    """Configure a build of the extension whose module is in ``module``, and return the build folder."""
    if shutil.which("cmake") is None:
        pytest.skip("CMake is not installed")
    source, build = folder / "project", folder / "build"
    source.mkdir(parents=True)
    slicer = _SLICER.replace("@MODULES@", MODULES)
    project = _PROJECT.replace("@SLICER@", slicer).replace("@MODULE@", module.as_posix())
    (source / "CMakeLists.txt").write_text(project, encoding="utf-8")
    _cmake("-S", str(source), "-B", str(build))
    return build


def package(repository: Path, folder: Path) -> Path:
    """Package the whole extension without its tests, as the ExtensionsIndex does; return the archive."""
    if shutil.which("cpack") is None:
        pytest.skip("CMake is not installed")
    slicer, build = folder / "slicer", folder / "build"
    slicer.mkdir(parents=True)
    scripts = {"SlicerConfig": _CONFIG, "Use": _SLICER.replace("@MODULES@", MODULES), "Generate": "", "Pack": _PACK}
    for name, text in scripts.items():
        (slicer / f"{name}.cmake").write_text(text, encoding="utf-8")
    _cmake("-S", str(repository), "-B", str(build), f"-DSlicer_DIR={slicer}", "-DBUILD_TESTING=OFF")
    _cmake("--build", str(build), "--target", "package")
    return build / "Reg2RG.tar.gz"


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
