"""The lexicon: an added row is an added wording, and an invalid row is an error that names its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS, LABELS, LabelTraits, RuleLabeler, extract_mentions, label_traits, rules
from reg2rg.labeler import lexicon as lexicon_module
from reg2rg.labeler.lexicon import FURTHER_TERMS_FILE, TERMS_FILE, read_lexicon


def _clear_caches() -> None:
    lexicon_module.load_lexicons.cache_clear()
    rules._read_sentence.cache_clear()


@pytest.fixture
def extend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Return a function that makes the labeler use terms.tsv with one more row."""

    def with_row(row: str) -> Path:
        path = tmp_path / "terms.tsv"
        path.write_text(f"{TERMS_FILE.read_text(encoding='utf-8')}{row}\n", encoding="utf-8")
        monkeypatch.setattr(lexicon_module, "TERMS_FILE", path)
        _clear_caches()
        return path

    yield with_row
    _clear_caches()


@pytest.mark.parametrize(("files", "labels"), [((TERMS_FILE,), LABELS), ((TERMS_FILE, FURTHER_TERMS_FILE), ALL_LABELS)])
def test_every_label_has_traits_and_terms(files: tuple[Path, ...], labels: tuple[str, ...]):
    lexicon = read_lexicon(*files)
    assert tuple(lexicon.labels) == labels
    assert {term.label for term in lexicon.terms} == set(labels)


def test_the_name_of_the_labeler_does_not_depend_on_the_further_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name, path = RuleLabeler().name, tmp_path / "further_terms.tsv"
    row = "term\tPneumothorax\tpresent\tair cap\t-\tany\t-\n"
    path.write_text(FURTHER_TERMS_FILE.read_text(encoding="utf-8") + row, encoding="utf-8")
    monkeypatch.setattr(lexicon_module, "FURTHER_TERMS_FILE", path)
    _clear_caches()
    found = [mention.label for mention in extract_mentions("An air cap is seen.", "pleura")]
    assert found == ["Pneumothorax"] and RuleLabeler().name == name
    monkeypatch.undo()
    _clear_caches()


def test_an_added_row_is_an_added_wording_and_changes_the_name_of_the_labeler(extend: Callable[[str], Path]):
    text, name = "Hydrops of the pleura is seen.", RuleLabeler().name
    assert extract_mentions(text, "pleura") == ()
    extend("term\tPleural effusion\tpresent\thydrops\tpleura\tpleura\t-")
    assert [mention.label for mention in extract_mentions(text, "pleura")] == ["Pleural effusion"]
    assert RuleLabeler().name != name


def test_an_added_cue_is_an_added_negation(extend: Callable[[str], Path]):
    text = "Emphysema: nihil."
    assert extract_mentions(text, "lung")[0].status.value == "present"
    extend("negation\tafter\tnihil")
    assert extract_mentions(text, "lung")[0].status.value == "absent"


def test_comments_and_the_width_of_columns_do_not_change_the_name_of_the_labeler(
    extend: Callable[[str], Path], tmp_path: Path
):
    name = RuleLabeler().name
    path = extend("# One more comment.")
    assert RuleLabeler().name == name
    path.write_text(path.read_text(encoding="utf-8").replace("\t", "\t\t") + "\n\n", encoding="utf-8")
    _clear_caches()
    assert RuleLabeler().name == name


def test_traits_say_which_details_a_label_can_have():
    assert label_traits("Lung nodule") == LabelTraits(sided=True, levels="lobe", sized=True, enlarged_mm=None)
    assert label_traits("Lymphadenopathy").enlarged_mm == 10
    assert not label_traits("Cardiomegaly").sided


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("terms\tEmphysema", "unknown kind of row 'terms'; expected one of: label, term, negation,"),
        ("term\tEmphysema\tpresent\temphysem", "expected 6 columns after 'term', got 3"),
        ("term\tEmphysaema\tpresent\temphysem\t-\tany\t-", "unknown label 'Emphysaema'; expected one of: Medical"),
        ("term\tEmphysema\tsure\temphysem\t-\tany\t-", "unexpected 'sure'; expected one of: absent, present, uncert"),
        ("term\tEmphysema\tpresent\temphysem\t-\tlungs\t-", "unknown region 'lungs'; expected some of: -, abdomen,"),
        ("term\tEmphysema\tpresent\temphysem(\t-\tany\t-", "unterminated subpattern"),
        ("negation\tbehind\tnil", "unexpected 'behind'; expected one of: after, before"),
        ("side\tup\tup", "unexpected 'up'; expected one of: both, left, right"),
    ],
)
def test_an_invalid_row_is_an_error_that_names_its_line(extend: Callable[[str], Path], row: str, message: str):
    path = extend(row)
    line = len(path.read_text(encoding="utf-8").splitlines())
    with pytest.raises(InputError, match=f"line {line}: ") as error:
        extract_mentions("Emphysema.")
    assert message in str(error.value) and "\n" not in str(error.value)
