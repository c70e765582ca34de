"""The pages of the documentation, and the commands on them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "Resources/**/*.md")
    for path in ROOT.glob(pattern)
)

FENCE = re.compile(r"^ *```(?P<language>[^\n]*)\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Line(NamedTuple):
    """A command on a page, without its comment. A line in a code block is complete; inline code may be partial."""

    page: str
    text: str
    complete: bool


def read(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def inline_code(page: str) -> list[str]:
    """Return the inline code of a page."""
    return INLINE.findall(FENCE.sub("", read(page)))


def lines() -> Iterator[Line]:
    """Return the code on all pages: the lines of blocks without a language, and inline code."""
    for page in PAGES:
        for block in FENCE.finditer(read(page)):
            if not block["language"]:
                for line in block["code"].splitlines():
                    yield Line(page, line.split(" #")[0].strip(), True)
        for code in inline_code(page):
            yield Line(page, code, False)


def find_commands(*beginnings: str) -> list[Line]:
    """Return the lines that begin with one of these words, each only once, without the folder of the program."""
    pattern = re.compile(rf"(\.venv/bin/)?({'|'.join(beginnings)})(\s|$)")
    found: dict[str, Line] = {}
    for line in lines():
        if pattern.match(line.text):
            text = line.text.removeprefix(".venv/bin/")
            if text not in found or line.complete > found[text].complete:
                found[text] = Line(line.page, text, line.complete)
    return list(found.values())


def commands(*beginnings: str) -> list[Any]:
    """Return the commands that begin with one of these words, as test parameters."""
    return [pytest.param(line, id=line.text) for line in find_commands(*beginnings)]


def words(text: str) -> list[str]:
    """Return the words of a command. Brackets mark optional ones."""
    return shlex.split(text.replace("[", "").replace("]", ""))
