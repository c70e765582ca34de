"""The table of terms: a row more is a wording more, a row that cannot be meant is refused with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS, LABELS, RuleLabeler, extract_mentions, lexicon, rules
from reg2rg.labeler.lexicon import FURTHER_FILE, TABLE_FILE, read_table


def _forget() -> None:
    lexicon.tables.cache_clear()
    rules._read_sentence.cache_clear()


@pytest.fixture
def extend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Makes the reader use the table with a row more."""

    def with_row(row: str) -> Path:
        path = tmp_path / "terms.tsv"
        path.write_text(f"{TABLE_FILE.read_text(encoding='utf-8')}{row}\n", encoding="utf-8")
        monkeypatch.setattr(lexicon, "TABLE_FILE", path)
        _forget()
        return path

    yield with_row
    _forget()


@pytest.mark.parametrize(("files", "labels"), [((TABLE_FILE,), LABELS), ((TABLE_FILE, FURTHER_FILE), ALL_LABELS)])
def test_every_label_has_a_row_and_terms(files: tuple[Path, ...], labels: tuple[str, ...]):
    terms = read_table(*files)
    assert tuple(terms.labels) == labels
    assert {term.label for term in terms.terms} == set(labels)


def test_words_of_the_further_labels_give_the_reader_of_the_published_ones_no_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name, path = RuleLabeler().name, tmp_path / "further_terms.tsv"
    row = "term\tPneumothorax\tsaid\tair cap\t-\tany\t-\n"
    path.write_text(FURTHER_FILE.read_text(encoding="utf-8") + row, encoding="utf-8")
    monkeypatch.setattr(lexicon, "FURTHER_FILE", path)
    _forget()
    found = [finding.label for finding in extract_mentions("An air cap is seen.", "pleura")]
    assert found == ["Pneumothorax"] and RuleLabeler().name == name
    monkeypatch.undo()
    _forget()


def test_a_row_more_is_a_wording_more_and_another_name_of_the_reader(extend: Callable[[str], Path]):
    text, name = "Hydrops of the pleura is seen.", RuleLabeler().name
    assert extract_mentions(text, "pleura") == ()
    extend("term\tPleural effusion\tsaid\thydrops\tpleura\tpleura\t-")
    assert [finding.label for finding in extract_mentions(text, "pleura")] == ["Pleural effusion"]
    assert RuleLabeler().name != name


def test_a_cue_more_is_a_denial_more(extend: Callable[[str], Path]):
    text = "Emphysema: nihil."
    assert extract_mentions(text, "lung")[0].status.value == "present"
    extend("deny\tafter\tnihil")
    assert extract_mentions(text, "lung")[0].status.value == "absent"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("terms\tEmphysema", "no kind of row is called 'terms'"),
        ("term\tEmphysema\tsaid\temphysem", "a 'term' row has 6 columns behind its kind, not 3"),
        ("term\tEmphysaema\tsaid\temphysem\t-\tany\t-", "no label is called 'Emphysaema'"),
        ("term\tEmphysema\tsure\temphysem\t-\tany\t-", "'sure' is none of absent, open, said"),
        ("term\tEmphysema\tsaid\temphysem\t-\tlungs\t-", "no region is called lungs"),
        ("term\tEmphysema\tsaid\temphysem(\t-\tany\t-", "unterminated subpattern"),
        ("deny\tbehind\tnil", "'behind' is none of after, before"),
        ("side\tup\tup", "'up' is none of both, left, right"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_with_its_line(extend: Callable[[str], Path], row: str, words: str):
    path = extend(row)
    line = len(path.read_text(encoding="utf-8").splitlines())
    with pytest.raises(InputError, match=f"line {line}: ") as error:
        extract_mentions("Emphysema.")
    assert words in str(error.value) and "\n" not in str(error.value)
