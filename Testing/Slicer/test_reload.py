"""Slicer's Reload button: edits of the module and its library take effect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = """
import logging, sys
from pathlib import Path
sys.path.insert(0, {engine!r})
sys.dont_write_bytecode = True  # an edit within the same second would not be noticed
from slicer_host import host
host.start(testing=True)
module = host.load_module(Path({module!r}))
import qt, slicer
holder = module.widgetRepresentation()
widget = holder.self()

def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")

def loaded():
    return {{name: code for name, code in sys.modules.items() if name.startswith("Reg2RGModuleLib")}}

before = loaded()
edit(Path(module.path).parent / "Reg2RGModuleLib" / "reviewControls.py", "_(\\"Edit\\")", "_(\\"Revise\\")")
print(widget.ui.editButton.text)
widget.onReload()
reloaded = module.widgetRepresentation().self()
print(reloaded.ui.editButton.text, reloaded is not widget)
after = loaded()
print(len(before) > 20, set(before) == set(after))
print([name for name in before if before[name] is after[name]])

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
slicer.app.userSettings().setValue("Developer/DeveloperMode", True)
reloaded.onReload()
holder = module.widgetRepresentation()
edit(Path(module.path), "Test passed", "Edited test passed")
button = next(each for each in holder.findChildren("QPushButton") if each.text == "Reload and Test")
button.click()
print(holder.self().logic.getParameterNode().inputVolume.GetName())
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[str]:
    """Edit and reload a copy of the module in an application, and return the lines it printed."""
    module = tmp_path_factory.mktemp("checkout") / "Reg2RGModule"
    shutil.copytree(REPOSITORY / "Reg2RGModule", module, ignore=shutil.ignore_patterns("__pycache__"))
    (module.parent / "Reg2RGExtension").symlink_to(REPOSITORY / "Reg2RGExtension")
    code = SCRIPT.format(engine=str(module.parent / "Reg2RGExtension"), module=str(module))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_edit_of_the_library_takes_effect_when_the_module_is_reloaded(lines):
    assert lines[:2] == ["Edit", "Revise True"]


def test_every_file_of_the_library_is_reloaded(lines):
    assert lines[2:4] == ["True True", "[]"]


def test_reload_and_test_runs_the_self_test_of_the_edited_module(lines):
    assert lines[4:] == ["Edited test passed", "Sample chest (synthetic)"]
