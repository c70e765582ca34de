"""Where WordNet and Punkt are on this machine, and synonyms read from WordNet's database files.

Neither can be had by a package's name from the Python registry alone, so both may be absent. They are looked for in
NLTK's data folders (``NLTK_DATA``), WordNet also where Debian's ``wordnet-base`` puts it, Punkt also inside the package
``llama-index-core``, which carries it. NLTK's own reader of WordNet refuses Debian's files: they lack ``lexnames``,
which synonyms do not need. Format: wndb(5WN), morphology: morphy(7WN).
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

DEBIAN = Path("/usr/share/wordnet")
_ENDINGS = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}
_RULES = {part: [tuple(rule.split(":")) for rule in rules.split()] for part, rules in _ENDINGS.items()}


class WordNet:
    """WordNet's database in a folder (or inside a zip)."""

    def __init__(self, folder: Path | zipfile.Path) -> None:
        self.folder = folder
        self._data = {part: (folder / f"data.{part}").read_bytes() for part in _RULES}
        self._index = {part: dict(_index(folder / f"index.{part}")) for part in _RULES}
        self._exceptions = {part: dict(_index(folder / f"{part}.exc")) for part in _RULES}

    def synonyms(self, word: str) -> frozenset[str]:
        """Single words that share a sense with any base form of ``word``."""
        found: set[str] = set()
        for part in _RULES:
            for form in self._base_forms(word.lower(), part):
                fields = self._index[part][form].split()
                pointers, senses = int(fields[2]), int(fields[1])
                for offset in fields[5 + pointers : 5 + pointers + senses]:
                    found.update(self._words(part, int(offset)))
        return frozenset(found)

    def _words(self, part: str, offset: int) -> Iterable[str]:
        """Words of the sense at that place, those of several words and markers such as "(a)" left out."""
        data = self._data[part]
        fields = data[offset : data.index(b"\n", offset)].decode().split(" ")
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return [re.sub(r"\(.*\)$", "", word) for word in words if "_" not in word]

    def _base_forms(self, word: str, part: str) -> list[str]:
        if word in self._exceptions[part]:
            return self._known([word, *self._exceptions[part][word].split()], part)
        forms, known = [word], []
        candidates = [word]
        while forms and not known:
            forms = [form[: -len(old)] + new for form in forms for old, new in _RULES[part] if form.endswith(old)]
            known = self._known([*candidates, *forms], part)
            candidates = []
        return known

    def _known(self, forms: Iterable[str], part: str) -> list[str]:
        return [form for form in dict.fromkeys(forms) if form in self._index[part]]


def _index(file: Path | zipfile.Path) -> Iterable[tuple[str, str]]:
    """The first word of each line, and the rest; the licence at the beginning is indented."""
    lines = (line.partition(" ") for line in file.read_text(encoding="utf-8").splitlines() if line[:1] != " ")
    return ((word, rest) for word, _, rest in lines)


@cache
def find_wordnet() -> WordNet | None:
    """WordNet, None if it is not on this machine."""
    from nltk.data import path

    places = [Path(folder) / "corpora" for folder in path]
    for folder in (*(place / "wordnet" for place in places), DEBIAN):
        if (folder / "data.noun").is_file():
            return WordNet(folder)
    archives = [place / "wordnet.zip" for place in places]
    return next((WordNet(zipfile.Path(file) / "wordnet") for file in archives if file.is_file()), None)


@cache
def find_punkt() -> bool:
    """Whether NLTK has the English Punkt model; it is shown the one in llama-index-core if need be."""
    from nltk import data

    package = importlib.util.find_spec("llama_index")
    for folder in package.submodule_search_locations if package else ():
        carried = str(Path(folder) / "core" / "_static" / "nltk_cache")
        if carried not in data.path:
            data.path.append(carried)
    try:
        data.find("tokenizers/punkt_tab/english/")
    except LookupError:
        return False
    return True
