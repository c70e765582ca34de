"""MkDocs hook for links from the documentation to the rest of the repository.

Pages in ``docs/`` and Markdown files elsewhere link to each other by their paths in the repository, so that the links
also work when the repository is browsed. In the site, files outside ``docs/`` are copied to ``repository/``, and the
links are changed to match. Only files that pages link to, or that ``mkdocs.yml`` names, are copied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

COPIES = "repository"
"""Folder of the site that contains files from outside ``docs/``."""

_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#:]+)(?P<after>#[^)\s]*)?(?=[)\s])")
"""The target of a Markdown link or image, unless it is a URL or an anchor of the same page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add files outside ``docs/`` that the configuration names or that pages link to."""
    root = Path(config.docs_dir).parent
    named = {*_leaves(config.nav), config.theme["logo"], config.theme["favicon"]}
    wanted = [_repository_path(uri) for uri in sorted(named) if uri.startswith(f"{COPIES}/")]
    for file in list(files.documentation_pages()):
        wanted += _linked_paths(root, _repository_path(file.src_uri))
    added = set()
    while wanted:
        path = wanted.pop()
        if path.startswith("docs/") or path in added or not (root / path).is_file():
            continue
        added.add(path)
        files.append(File.generated(config, f"{COPIES}/{path}", abs_src_path=str(root / path)))
        if path.endswith(".md"):
            wanted += _linked_paths(root, path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change the links of a page to the paths in the site."""
    here = page.file.src_uri
    source = _repository_path(here)

    def change(match: re.Match[str]) -> str:
        target = _site_path(_resolve(source, match["target"]))
        if files.get_file_from_path(target) is None:
            return match[0]  # MkDocs warns about it
        return match["before"] + posixpath.relpath(target, posixpath.dirname(here) or ".") + (match["after"] or "")

    return _LINK.sub(change, markdown)


def _linked_paths(root: Path, page: str) -> list[str]:
    """Return the paths in the repository that a page links to."""
    matches = _LINK.finditer((root / page).read_text(encoding="utf-8"))
    return [_resolve(page, match["target"]) for match in matches]


def _resolve(page: str, target: str) -> str:
    """Return the repository path of a link's target."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def _repository_path(uri: str) -> str:
    """Return the repository path of a file in the site."""
    return uri.removeprefix(f"{COPIES}/") if uri.startswith(f"{COPIES}/") else f"docs/{uri}"


def _site_path(path: str) -> str:
    """Return the site path of a file in the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{COPIES}/{path}"


def _leaves(nav: Any) -> Iterable[str]:
    """Yield the paths in a navigation."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, (list, dict)):
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(entry)
