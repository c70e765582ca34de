"""Lint of user-visible strings: all of them can be translated."""

from __future__ import annotations

import ast
import re

import pytest
from lint_sources import at, dotted, each_source, read

PHRASE = re.compile(r"[^\W\d_]{2,}[,.;:…]? \(?[^\W\d_]{2,}|[A-Z][a-z]+[.…:]$")
"""What looks like text that a user reads: two words in a row, or one that ends like a sentence."""
MARKUP = re.compile(r"[{};]|^Reg2RG\b|px solid|<[a-z]")
"""Style sheets, HTML, and names that begin with the extension's name."""
TEXT_SETTERS = {"QLabel", "QPushButton", "addItem", "setPlaceholderText", "setText", "setToolTip", "setWindowTitle"}
NOT_TRANSLATED = {
    "dicomSource.py": {"PLACEHOLDERS"},  # what Slicer's DICOM import writes
    "findingText.py": {"LABELS_BY_REGION"},  # part of the report, which is English
    "measurementText.py": {"NOT_GIVEN"},  # the same
    "Reg2RGModule.py": {"contributors"},
}
"""File to the names of variables and attributes whose strings are shown as they are."""


def is_translation(node: ast.AST) -> bool:
    """Return whether an expression is a call of ``_`` or ``translate``."""
    return isinstance(node, ast.Call) and dotted(node.func) in ("_", "translate")


def is_string(node: ast.AST) -> bool:
    """Return whether an expression is a string literal."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def translation_problems(source: str, not_translated: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Return user-visible strings that translators never see. lupdate collects only literal arguments of ``_``."""
    tree = ast.parse(source)
    problems = []
    skipped = set()
    for node in ast.walk(tree):
        if is_translation(node):
            skipped.update(id(child) for child in ast.walk(node))
            if not all(is_string(argument) for argument in node.args):
                problems.append(at(node, "the argument of _() is not a literal, so lupdate does not see it"))
        elif isinstance(node, ast.Expr) and is_string(node.value):
            skipped.add(id(node.value))  # docstrings
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {(dotted(target) or "").rpartition(".")[2] for target in targets}
            if names & not_translated:
                skipped.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        shown = [node] if is_string(node) and PHRASE.search(node.value) and not MARKUP.search(node.value) else []
        if isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] in TEXT_SETTERS:
            shown = [
                argument for argument in node.args if is_string(argument) and re.search(r"[^\W\d_]", argument.value)
            ]
        problems += [at(string, f"{string.value!r} is not translated") for string in shown if id(string) not in skipped]
    return sorted(set(problems))


@each_source
def test_every_string_that_a_user_reads_is_translated(file):
    assert translation_problems(read(file), NOT_TRANSLATED.get(file.name, set())) == []


@pytest.mark.parametrize(
    "source",
    [
        "label.setText('Cancel')",
        "qt.QPushButton('Done')",
        "raise RuntimeError('The volume is empty.')",
        "message = 'Select a CT volume first.'",
        "self.run.fail(f'The engine ended with {code} today')",
        "STATES = {1: '○ draft state'}",
        "_(STATES[state])",
        "_(f'The engine ended ({code}).')",
        "_('a' + name)",
        "message = 'Canceled.'",
    ],
)
def test_a_string_without_translation_is_caught(source):
    assert translation_problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "'A docstring in plain words.'",
        "label.setText(_('Cancel'))",
        "raise RuntimeError(_('The volume {0} ' 'is empty.').format(name))",
        "translate('qSlicerAbstractCoreModule', 'Informatics')",
        "STYLE = 'background: white; padding: 5px;'",
        "label.setText('')",
        "process.connect('finished(int,QProcess::ExitStatus)', f)",
        "def text(state):\n    return {1: _('○ draft'), 2: _('✎ edited')}[state]",
    ],
)
def test_a_translated_string_passes(source):
    assert translation_problems(source) == []


def test_strings_of_a_variable_can_be_exempt():
    assert translation_problems("LABELS = ('Lung nodule', 'Liver cyst')", {"LABELS"}) == []
