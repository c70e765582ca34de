"""``slicer.i18n``: texts stay as they are, for the host has no translations."""

from __future__ import annotations


def translate(context: str, text: str) -> str:
    return text


def tr(text: str) -> str:
    return text


def getContext(sourceFile: str) -> str:
    return sourceFile
