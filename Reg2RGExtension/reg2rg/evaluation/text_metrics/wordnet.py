"""WordNet and Punkt on this machine, and synonyms read from the WordNet database files.

Neither resource is available from PyPI under its own name, so both may be missing. They are searched for in NLTK's data
folders (``NLTK_DATA``). WordNet is also found where Debian's ``wordnet-base`` installs it, and Punkt inside the package
``llama-index-core``, which bundles it.

NLTK's own WordNet reader rejects Debian's files because they lack ``lexnames``, which synonyms do not need.

File format: https://wordnet.princeton.edu/documentation/wndb5wn
Base forms: https://wordnet.princeton.edu/documentation/morphy7wn
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

DEBIAN_FOLDER = Path("/usr/share/wordnet")
_SUFFIX_RULES = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}
_RULES = {
    part: [(rule.split(":")[0], rule.split(":")[1]) for rule in rules.split()] for part, rules in _SUFFIX_RULES.items()
}
"""Part of speech -> pairs of a suffix and its replacement."""


class WordNet:
    """A WordNet database in a folder or a zip file."""

    def __init__(self, folder: Path | zipfile.Path) -> None:
        """Load the database.

        Args:
            folder: Folder with the files data.noun, index.noun, noun.exc and those of the other parts of speech.
        """
        self.folder = folder
        self._data = {part: (folder / f"data.{part}").read_bytes() for part in _RULES}
        self._index = {part: dict(_read_lines(folder / f"index.{part}")) for part in _RULES}
        self._exceptions = {part: dict(_read_lines(folder / f"{part}.exc")) for part in _RULES}

    def synonyms(self, word: str) -> frozenset[str]:
        """Return the single words that share a synset with any base form of ``word``."""
        found: set[str] = set()
        for part in _RULES:
            for form in self._base_forms(word.lower(), part):
                fields = self._index[part][form].split()
                pointers, senses = int(fields[2]), int(fields[1])
                for offset in fields[5 + pointers : 5 + pointers + senses]:
                    found.update(self._synset_words(part, int(offset)))
        return frozenset(found)

    def _synset_words(self, part: str, offset: int) -> Iterable[str]:
        """Return the words of a synset, without collocations and without markers such as "(a)"."""
        data = self._data[part]
        fields = data[offset : data.index(b"\n", offset)].decode().split(" ")
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return [re.sub(r"\(.*\)$", "", word) for word in words if "_" not in word]

    def _base_forms(self, word: str, part: str) -> list[str]:
        if word in self._exceptions[part]:
            return self._known([word, *self._exceptions[part][word].split()], part)
        forms = candidates = [word]
        known: list[str] = []
        while forms and not known:
            forms = [form[: -len(old)] + new for form in forms for old, new in _RULES[part] if form.endswith(old)]
            known = self._known([*candidates, *forms], part)
            candidates = []
        return known

    def _known(self, forms: Iterable[str], part: str) -> list[str]:
        return [form for form in dict.fromkeys(forms) if form in self._index[part]]


def _read_lines(file: Path | zipfile.Path) -> Iterable[tuple[str, str]]:
    """Yield the first word and the rest of each line, skipping the license text, whose lines are indented."""
    lines = (line.partition(" ") for line in file.read_text(encoding="utf-8").splitlines() if line[:1] != " ")
    return ((word, rest) for word, _, rest in lines)


@cache
def find_wordnet() -> WordNet | None:
    """Return WordNet, or None if it is not installed."""
    from nltk.data import path

    folders = [Path(folder) / "corpora" for folder in path]
    for folder in (*(place / "wordnet" for place in folders), DEBIAN_FOLDER):
        if (folder / "data.noun").is_file():
            return WordNet(folder)
    archives = [place / "wordnet.zip" for place in folders]
    return next((WordNet(zipfile.Path(file) / "wordnet") for file in archives if file.is_file()), None)


@cache
def find_punkt() -> bool:
    """Return whether NLTK has the English Punkt model, after adding the one in llama-index-core to its search path."""
    from nltk import data

    package = importlib.util.find_spec("llama_index")
    locations = package.submodule_search_locations if package else None
    for folder in locations or ():
        bundled = str(Path(folder) / "core" / "_static" / "nltk_cache")
        if bundled not in data.path:
            data.path.append(bundled)
    try:
        data.find("tokenizers/punkt_tab/english/")
    except LookupError:
        return False
    return True
