"""METEOR as NLTK computes it (alpha 0.9, beta 3, gamma 0.5; Porter stems, WordNet synonyms; reference C.2).

NLTK looks synonyms up of what is left after stemming, that is of stems: "large" and "big" do not match, because "larg"
is no word. It asks for stems and synonyms of the same words over and over; here they are remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

from reg2rg.evaluation.text_metrics.wordnet import find_punkt, find_wordnet
from reg2rg.labeler import split_sentences

WITHOUT_WORDNET = (
    "WordNet was not found, so METEOR matched equal words and stems only, no synonyms: it comes out lower and must not "
    "be compared with published values. Debian: apt-get install wordnet-base; elsewhere: nltk.download('wordnet')."
)
WITHOUT_PUNKT = (
    "NLTK's Punkt model was not found, so METEOR's tokens come from our own sentence splitter: values differ slightly "
    "from published ones. pip install --no-deps llama-index-core carries it, or: nltk.download('punkt_tab')."
)


def meteor_name() -> str:
    """What the number is called, which says so if it is not METEOR as published."""
    return "METEOR" if find_wordnet() else "METEOR (stems only)"


def meteor_notes() -> list[str]:
    """What a reader must know of the number; empty if it is METEOR as published."""
    return [*([] if find_wordnet() else [WITHOUT_WORDNET]), *([] if find_punkt() else [WITHOUT_PUNKT])]


def meteor(reference: str, prediction: str) -> float:
    """METEOR of one text, 0 if either is empty."""
    from nltk.translate.meteor_score import single_meteor_score

    tools = {"stemmer": _Stemmer(), "wordnet": _Synonyms()}
    return single_meteor_score(_words(reference), _words(prediction), **tools)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    from nltk.tokenize import word_tokenize

    if find_punkt():
        return tuple(word_tokenize(text))
    sentences = (text[start:end] for start, end in split_sentences(text))
    return tuple(token for sentence in sentences for token in word_tokenize(sentence, preserve_line=True))


class _Stemmer:
    def stem(self, word: str) -> str:
        return _stem(word)


@cache
def _stem(word: str) -> str:
    return _porter().stem(word)


@cache
def _porter():
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


@dataclass(frozen=True)
class _Lemma:
    word: str

    def name(self) -> str:
        return self.word


@dataclass(frozen=True)
class _Sense:
    words: tuple[_Lemma, ...]

    def lemmas(self) -> tuple[_Lemma, ...]:
        return self.words


class _Synonyms:
    """What NLTK asks of its reader of WordNet."""

    def synsets(self, word: str) -> tuple[_Sense, ...]:
        return _senses(word)


@cache
def _senses(word: str) -> tuple[_Sense, ...]:
    wordnet = find_wordnet()
    return (_Sense(tuple(map(_Lemma, sorted(wordnet.synonyms(word))))),) if wordnet else ()
