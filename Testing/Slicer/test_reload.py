"""Slicer's Reload button: edits of the module and its library take effect."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@pytest.fixture
def checkout(tmp_path, repository) -> Path:
    """Copy the module, so that tests can edit its files, link the engine, and return the folder."""
    shutil.copytree(
        repository / "Reg2RGModule", tmp_path / "Reg2RGModule", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "Reg2RGExtension").symlink_to(repository / "Reg2RGExtension")
    return tmp_path


def run(checkout: Path, script: str) -> list[str]:
    """Run a script in an application with the copied module, and return the lines it printed."""
    start = f"""
    import sys
    from pathlib import Path
    sys.path.insert(0, {str(checkout / "Reg2RGExtension")!r})
    sys.dont_write_bytecode = True  # an edit within the same second would not be noticed
    from slicer_host import host
    host.start(testing=True)
    module = host.load_module(Path({str(checkout / "Reg2RGModule")!r}))
    library = Path({str(checkout / "Reg2RGModule" / "Reg2RGModuleLib")!r})
    widget = module.widgetRepresentation().self()
    def edit(name, old, new):
        file = library / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    """
    code = textwrap.dedent(start) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_edit_of_the_library_takes_effect_when_the_module_is_reloaded(checkout):
    lines = run(
        checkout,
        """
        edit("reviewControls.py", "_(\\"Edit\\")", "_(\\"Revise\\")")
        print(widget.ui.editButton.text)
        widget.onReload()
        reloaded = module.widgetRepresentation().self()
        print(reloaded.ui.editButton.text, reloaded is not widget)
        """,
    )
    assert lines == ["Edit", "Revise True"]


def test_reload_and_test_runs_the_self_test_of_the_edited_module(checkout):
    lines = run(
        checkout,
        """
        import logging, qt, slicer
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        slicer.app.userSettings().setValue("Developer/DeveloperMode", True)
        widget.onReload()
        holder = module.widgetRepresentation()
        code = Path(module.path)
        code.write_text(code.read_text(encoding="utf-8").replace("Test passed", "Edited test passed"), encoding="utf-8")
        button = next(each for each in holder.findChildren("QPushButton") if each.text == "Reload and Test")
        button.click()
        print(holder.self().logic.getParameterNode().inputVolume.GetName())
        """,
    )
    assert lines == ["Edited test passed", "Sample chest (synthetic)"]


def test_every_file_of_the_library_is_reloaded(checkout):
    lines = run(
        checkout,
        """
        def loaded():
            return {name: code for name, code in sys.modules.items() if name.startswith("Reg2RGModuleLib")}
        before = loaded()
        widget.onReload()
        after = loaded()
        print(len(before) > 20, set(before) == set(after))
        print([name for name in before if before[name] is after[name]])
        """,
    )
    assert lines == ["True True", "[]"]
