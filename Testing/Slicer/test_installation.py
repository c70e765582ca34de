"""Installation at the first run: missing packages are named, and installed with consent; Slicer's own are kept.

Runs in Slicer and in the host. pip is the real one; it installs into a separate folder.
"""

import importlib.metadata
import os
import shutil
import sys
import tempfile
import types
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import qt
import slicer
from hands import moduleWidget
from Reg2RGModuleLib import installation, locations

NO_SUCH_PACKAGE = "reg2rg-no-such-package>=2"


class InstallationTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.panel = moduleWidget().panel
        self.addCleanup(slicer.mrmlScene.Clear, 0)
        self.addCleanup(locations.setOwnPython, locations.ownPython())
        locations.setOwnPython("")
        self.panel.inputs.loadSample()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.site = self.folder / "site"
        self.site.mkdir()
        self.patch(mock.patch.dict(os.environ, {"PIP_TARGET": str(self.site), "PIP_NO_INDEX": "1"}))
        self.patch(mock.patch.object(sys, "path", [str(self.site), *sys.path]))
        self.patch(mock.patch.object(installation, "REQUIREMENTS", self.folder / "requirements.txt"))
        self.patch(mock.patch.object(installation, "isTesting", lambda: False))
        missing = installation.missingPackages  # torch may be missing in Slicer; its extension is tested below
        self.patch(
            mock.patch.object(installation, "missingPackages", lambda: [name for name in missing() if name != "torch"])
        )
        if shutil.which("PythonSlicer") is None:
            self.addPythonSlicer()

    def patch(self, patcher):
        patcher.start()
        self.addCleanup(patcher.stop)

    def addPythonSlicer(self):
        """Put a PythonSlicer on the path, as in Slicer."""
        script = self.folder / "bin" / "PythonSlicer"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        script.chmod(0o755)
        self.patch(mock.patch.dict(os.environ, {"PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}))

    def require(self, *lines):
        installation.REQUIREMENTS.write_text("\n".join(lines), encoding="utf-8")

    def generateAnd(self, agrees):
        """Click Generate and answer the question; returns the questions asked."""
        questions = []

        def answer(text, *arguments, **keywords):
            questions.append(text)
            return agrees

        with mock.patch.object(slicer.util, "confirmOkCancelDisplay", answer):
            self.panel.ui.generateButton.click()
        return questions

    def isRunning(self):
        return moduleWidget().logic.run.active

    def wheel(self, name, *needs):
        """Return a requirement for a package that is built here and has requirements itself."""
        file = self.folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {each}" for each in needs),
        ]
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name.replace('-', '_')}.py", "")
            archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
            about = ["Wheel-Version: 1.0", "Generator: test", "Root-Is-Purelib: true", "Tag: py3-none-any"]
            archive.writestr(f"{info}/WHEEL", "\n".join(about) + "\n")
            archive.writestr(f"{info}/RECORD", "")
        return f"{name} @ {file.as_uri()}"

    def test_nothingIsAskedIfNothingIsMissing(self):
        self.require()
        self.assertEqual(installation.missingPackages(), [])
        installation.ensureInstalled()

    def test_decliningTheInstallationChangesNothingAndShowsAMessage(self):
        self.require(NO_SUCH_PACKAGE)
        questions = self.generateAnd(agrees=False)
        self.assertIn(NO_SUCH_PACKAGE, questions[0])
        self.assertIn("PyTorch extension", questions[0])
        self.assertIn("Nothing was installed", self.panel.ui.messageLabel.text)
        self.assertFalse(self.isRunning())
        self.assertEqual(list(self.site.iterdir()), [])

    def test_aFailedInstallationIsReportedAndTheModuleStaysUsable(self):
        self.require(NO_SUCH_PACKAGE)
        self.generateAnd(agrees=True)
        self.assertIn("Installation failed", self.panel.ui.messageLabel.text)
        self.assertTrue(self.panel.ui.generateButton.enabled)
        self.require()
        self.panel.ui.generateButton.click()
        self.assertTrue(self.isRunning())
        self.panel.sceneClosing()

    def test_withConsentThePackagesAreInstalledAndTheRunStarts(self):
        self.require(self.wheel("reg2rg-probe-good"))
        self.generateAnd(agrees=True)
        self.assertTrue(self.isRunning(), self.panel.ui.messageLabel.text)
        self.assertEqual(importlib.metadata.version("reg2rg-probe-good"), "1.0")
        self.panel.sceneClosing()

    def test_aPackageThatWouldChangeSlicersOwnPackagesIsNotInstalled(self):
        numpy = importlib.metadata.version("numpy")
        self.require(self.wheel("reg2rg-probe-bad", "numpy<1.0"))
        self.generateAnd(agrees=True)
        self.assertIn("Installation failed", self.panel.ui.messageLabel.text)
        self.assertEqual(importlib.metadata.version("numpy"), numpy)
        self.assertEqual(list(self.site.iterdir()), [])

    def test_slicersOwnPackagesArePinnedToTheirVersions(self):
        self.assertIn(f"numpy=={importlib.metadata.version('numpy')}", installation._slicerVersions())

    def test_inTestingModeNothingIsInstalled(self):
        self.require(NO_SUCH_PACKAGE)
        with mock.patch.object(installation, "isTesting", lambda: True):
            self.panel.ui.generateButton.click()
        self.assertIn("testing mode", self.panel.ui.messageLabel.text)

    def ownPython(self):
        return os.environ.get("REG2RG_ENGINE_PYTHON") or sys.executable

    @unittest.skipIf(
        os.path.basename(sys.executable).startswith("Slicer") and "REG2RG_ENGINE_PYTHON" not in os.environ,
        "the user has chosen no Python",
    )
    def test_theUsersOwnPythonRunsTheEngineAndNothingIsInstalledIntoIt(self):
        python = self.ownPython()
        self.require()
        locations.setOwnPython(python)
        installation.ensureInstalled()
        self.assertEqual(locations.enginePython(), python)
        environment = locations.engineEnvironment()
        self.assertEqual(environment["PYTHONPATH"].split(os.pathsep), [str(locations.engineFolder())])

    def test_whatTheUsersOwnPythonLacksIsNamedWithTheCommandThatInstallsIt(self):
        self.require("safetensors>=0.4", NO_SUCH_PACKAGE)
        chosen = self.ownPython()
        self.panel.ui.pythonPathEdit.setCurrentPath(chosen)
        try:
            message = self.panel.ui.messageLabel.text
            self.assertIn(f"{chosen} lacks packages", message)
            self.assertIn(f"{chosen} -m pip install", message)
            self.assertIn(NO_SUCH_PACKAGE, message)
            self.panel.messages.clear()
            self.panel.ui.generateButton.click()
            self.assertEqual(self.panel.ui.messageLabel.text, message)
            self.assertFalse(self.isRunning())
        finally:
            self.panel.ui.pythonPathEdit.setCurrentPath("")
        self.assertEqual(self.panel.ui.messageLabel.text, "", "the message goes with the choice")

    def test_anEmptyFieldLetsSlicersPythonRunTheEngineAgain(self):
        self.require()
        self.panel.ui.pythonPathEdit.setCurrentPath(self.ownPython())
        self.assertEqual(locations.ownPython(), self.ownPython())
        self.panel.ui.pythonPathEdit.setCurrentPath("")
        self.assertEqual(locations.ownPython(), "")

    def test_aPathThatIsBeingTypedIsNotRunUntilItIsComplete(self):
        self.require()
        program, ran = self.folder / "py", self.folder / "ran"
        program.write_text(f"#!/bin/sh\necho >> {ran}\n")
        program.chmod(0o755)
        ui = self.panel.ui
        ui.inputsButton.collapsed = ui.advancedButton.collapsed = False
        self.addCleanup(setattr, ui.advancedButton, "collapsed", True)
        self.addCleanup(ui.pythonPathEdit.setCurrentPath, "")
        edit = ui.pythonPathEdit.findChild("QLineEdit")
        for letter in f"{program}thon":
            qt.QApplication.sendEvent(edit, qt.QKeyEvent(qt.QEvent.KeyPress, ord(letter), qt.Qt.NoModifier, letter))
        self.assertEqual(locations.ownPython(), f"{program}thon")
        self.assertEqual((ran.exists(), ui.messageLabel.text), (False, ""))
        qt.QApplication.sendEvent(edit, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier))
        self.assertIn("is not a Python that can be run", ui.messageLabel.text)
        ui.pythonPathEdit.setCurrentPath("")
        self.assertEqual(ui.messageLabel.text, "")

    def test_aFileThatIsNotAPythonIsRefusedWhenItIsChosen(self):
        for file in (
            str(self.folder / "missing"),
            str(installation.REQUIREMENTS),
            str(self.folder),
            shutil.which("ls"),
        ):
            with self.subTest(file=file):
                self.require()
                self.panel.ui.pythonPathEdit.setCurrentPath(file)
                self.assertIn("is not a Python that can be run", self.panel.ui.messageLabel.text)
        self.panel.ui.pythonPathEdit.setCurrentPath("")

    def test_aPythonThatIsTooOldIsRefusedWithItsVersion(self):
        self.require()
        with mock.patch.object(installation, "MINIMUM_PYTHON", "99.0"):
            with self.assertRaisesRegex(installation.InstallationError, "needs 99.0 or later"):
                installation.checkOwnPython(self.ownPython())


class TorchTest(unittest.TestCase):
    def setUp(self):
        without = {name: code for name, code in sys.modules.items() if name != "PyTorchUtils"}
        patcher = mock.patch.dict(sys.modules, without, clear=True)
        patcher.start()
        self.addCleanup(patcher.stop)

    def extension(self, outcome):
        """Replace the PyTorch extension by one whose installation returns or raises something."""
        module = types.ModuleType("PyTorchUtils")
        logic = mock.Mock()
        logic.installTorch.side_effect = [outcome]
        module.PyTorchUtilsLogic = lambda: logic
        sys.modules["PyTorchUtils"] = module

    def test_withoutThePyTorchExtensionTheMessageSaysHowToInstallIt(self):
        sys.modules["PyTorchUtils"] = None
        with self.assertRaisesRegex(installation.InstallationError, "Extensions Manager"):
            installation._installTorch()

    def test_aFailedInstallationOfPyTorchIsReported(self):
        for outcome, message in ((None, "PyTorch was not installed"), (ValueError("no network"), "no network")):
            self.extension(outcome)
            with self.assertRaisesRegex(installation.InstallationError, message):
                installation._installTorch()

    def test_pyTorchIsInstalledByItsExtension(self):
        self.extension(types.ModuleType("torch"))
        installation._installTorch()

    def test_slicersPackagingModuleIsUsedIfItExists(self):
        asked = []
        packaging = types.ModuleType("slicer.packaging")
        packaging.pip_install = lambda requirements, constraints=None, requester=None: asked.append(
            (requirements, Path(constraints).read_text().splitlines(), requester)
        )
        sys.modules["slicer.packaging"] = packaging
        with mock.patch.object(slicer, "packaging", packaging, create=True):
            installation._pipInstall(["peft>=0.17"])
        requirements, pins, requester = asked[0]
        self.assertEqual((requirements, requester), (["peft>=0.17"], "Reg2RG"))
        self.assertIn(f"numpy=={importlib.metadata.version('numpy')}", pins)
