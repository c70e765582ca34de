"""``slicer.i18n``: texts are returned unchanged, because the host has no translations."""

from __future__ import annotations


def translate(context: str, text: str) -> str:
    """Return the text unchanged."""
    return text


def tr(text: str) -> str:
    """Return the text unchanged."""
    return text


def getContext(sourceFile: str) -> str:
    """Return the translation context of a source file."""
    return sourceFile
