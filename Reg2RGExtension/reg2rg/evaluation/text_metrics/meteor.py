"""METEOR as in the published tables: NLTK with alpha 0.9, beta 3, gamma 0.5, Porter stems and WordNet synonyms.

NLTK looks up the synonyms of stems, not of words: "large" and "big" do not match, because "larg" is not a word. It
requests the stems and synonyms of the same words many times, so both are cached here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from reg2rg.evaluation.text_metrics.wordnet import find_punkt, find_wordnet
from reg2rg.labeler import split_sentences

if TYPE_CHECKING:
    from nltk.stem.porter import PorterStemmer

WITHOUT_WORDNET = (
    "WordNet was not found, so METEOR matched only identical words and stems, not synonyms. Its values are lower and "
    "must not be compared with published ones. Install it with 'apt-get install wordnet-base' (Debian, Ubuntu) or "
    "nltk.download('wordnet')."
)
WITHOUT_PUNKT = (
    "NLTK's Punkt model was not found, so METEOR's tokens come from the built-in sentence splitter and its values "
    "differ slightly from published ones. Install it with 'pip install --no-deps llama-index-core' or "
    "nltk.download('punkt_tab')."
)


def meteor_name() -> str:
    """Return the name of the metric; it differs from METEOR if WordNet is missing."""
    return "METEOR" if find_wordnet() else "METEOR (stems only)"


def meteor_notes() -> list[str]:
    """Return a note for each missing resource; empty if METEOR is computed as published."""
    return [*([] if find_wordnet() else [WITHOUT_WORDNET]), *([] if find_punkt() else [WITHOUT_PUNKT])]


def meteor(reference: str, prediction: str) -> float:
    """Compute METEOR of one text; 0 if either text is empty."""
    from nltk.translate.meteor_score import single_meteor_score

    return single_meteor_score(_words(reference), _words(prediction), stemmer=_Stemmer(), wordnet=_Synonyms())


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    from nltk.tokenize import word_tokenize

    if find_punkt():
        return tuple(word_tokenize(text))
    sentences = (text[start:end] for start, end in split_sentences(text))
    return tuple(token for sentence in sentences for token in word_tokenize(sentence, preserve_line=True))


class _Stemmer:
    """Stemmer interface of NLTK, with a cache."""

    def stem(self, word: str) -> str:
        return _stem(word)


@cache
def _stem(word: str) -> str:
    return _porter().stem(word)


@cache
def _porter() -> PorterStemmer:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


@dataclass(frozen=True)
class _Lemma:
    word: str

    def name(self) -> str:
        return self.word


@dataclass(frozen=True)
class _Synset:
    words: tuple[_Lemma, ...]

    def lemmas(self) -> tuple[_Lemma, ...]:
        return self.words


class _Synonyms:
    """The part of NLTK's WordNet interface that METEOR uses."""

    def synsets(self, word: str) -> tuple[_Synset, ...]:
        return _synsets(word)


@cache
def _synsets(word: str) -> tuple[_Synset, ...]:
    wordnet = find_wordnet()
    return (_Synset(tuple(map(_Lemma, sorted(wordnet.synonyms(word))))),) if wordnet else ()
