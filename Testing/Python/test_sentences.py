"""The sentence splitter: abbreviations, numbers, lists, line breaks, brackets, quotes, and its guarantees."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reg2rg.labeler import Status, extract_mentions, side_and_level, split_sentences
from reg2rg.labeler.sentences import MAX_SENTENCE_LENGTH

SEPARATOR = " | "


def _split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def _check(marked: str) -> None:
    """Check that a text is split exactly where SEPARATOR stands; each is a single space in the text."""
    assert _split(marked.replace(SEPARATOR, " ")) == marked.split(SEPARATOR)


@pytest.mark.parametrize(
    "marked",
    [
        "Clear. | No nodule.",
        "Is there a nodule? | Yes! | It is large.",
        "A 5.5 mm nodule is seen. | Normal otherwise",
        "no mass was detected. | free fluid is seen.",
        "Stone? | is monitored.",
        "The lesion (?) is unchanged.",
        "A nodule, a mass or a cyst?, which is unchanged, is seen. | No effusion.",
        "Nodule is seen . | No effusion .",
        "What?! | Normal..",
    ],
)
def test_periods_question_marks_and_exclamation_marks_end_sentences(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "A nodule of approx. 5 mm is seen. | No effusion.",
        "Measures approx. 5 mm. | Seen by Dr. Who.",
        "A nodule of ca. 5 mm is seen. | No effusion.",
        "Seen by Dr. Smith and Prof. Jones. | No effusion.",
        "Known to dr. smith. | No effusion.",
        "Opacities, e.g. ground glass, are seen. | No effusion.",
        "Old lesions, e.g. Ghon foci, are seen.",
        "Sequelae, i.e. fibrosis, are seen. | No effusion.",
        "Nodule vs. Lymph node. | No effusion.",
        "See fig. 3 and Figs. 4 to 5. | No effusion.",
        "Left resp. right lower lobe. | No effusion.",
        "A nodule of max. 5 mm and min. 3 mm is seen. | No effusion.",
        "The effusion measures 5 mm max. | No nodule.",
        "A St. Jude valve is seen. | No effusion.",
        "Fracture of Th. 5 is seen. | No effusion.",
        "Nodules, cysts, etc. are seen. | No effusion.",
        "Nodules, cysts, etc. | No effusion.",
        "Described by Smith et al. in 2019. | No effusion.",
        "Scanned at 3 p.m. on Monday. | No effusion.",
        "Scanned at 3 p.m. | No effusion.",
        "Followed up for lung Ca. | However, no mass is seen.",
        "Followed up for lung Ca. | 5 mm nodule is seen.",
        "Ca. 5 mm nodule is seen.",
        "The fig. shows a nodule approx.5 mm wide and e.g.nodules.",
    ],
)
def test_abbreviations_do_not_end_sentences(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "A 1.5 cm nodule is seen. | A 5.5 mm one, too.",
        "It measures 1.5. | The other one 2,5.",
        "The diameter is 45 mm. | 3 nodules are seen.",
        "The aorta measures 4.5 x 3.2 cm. | Normal.",
        "Station No. 7 is large. | Effusion? | No. | Heart normal.",
        "Fracture of rib No. 3. | Effusion? | No. | Nodule? | No.",
        "Effusion? | No. | 3 nodules are seen.",
        "Lung-RADS 2. | No effusion.",
    ],
)
def test_decimals_and_numbers_after_no_do_not_end_sentences(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "1. Nodule. | 2. St. Jude valve.",
        "9. Nodule. | 10. Effusion of 1.5 cm.",
        "Impression: 1. Nodule in segment 2. | 2. Effusion.",
        "a. Nodule. | b. Effusion.",
        "I. Nodule. | II. Effusion. | iii. Cyst.",
        "1) Nodule. | 2) Effusion.",
        "\u2022 Nodule in the lung | \u2022 Effusion",
    ],
)
def test_list_numbers_stay_with_their_items(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Nodule\n2. Effusion of 5 mm\n3. Cyst", ["1. Nodule", "2. Effusion of 5 mm", "3. Cyst"]),
        ("Findings:\n- nodule\n- effusion", ["Findings:", "- nodule", "- effusion"]),
        ("* nodule\r\n* effusion\r\n", ["* nodule", "* effusion"]),
        ("\u2022 nodule\n\u2022 effusion", ["\u2022 nodule", "\u2022 effusion"]),
        ("no effusion\nmild atelectasis", ["no effusion", "mild atelectasis"]),
        ("No effusion\rNo nodule\u2028No cyst\x85No mass", ["No effusion", "No nodule", "No cyst", "No mass"]),
        ("No effusion\n\n\n  No nodule \n", ["No effusion", "No nodule"]),
        ("No effusion.\nNo nodule.", ["No effusion.", "No nodule."]),
    ],
)
def test_line_breaks_end_sentences(text: str, expected: list[str]):
    assert _split(text) == expected


LONG_LINE = "A well-defined solid nodule with a spiculated contour, measuring"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", " \n  "])
@pytest.mark.parametrize("rest", ["5 mm, is seen.", "1.5 cm is seen.", "a few mm is seen.", "12\u00d78 mm is seen."])
def test_a_hard_wrapped_line_does_not_end_a_sentence(line_break: str, rest: str):
    text = f"{LONG_LINE}{line_break}{rest}\nNo effusion."
    assert _split(text) == [f"{LONG_LINE}{line_break}{rest}", "No effusion."]


@pytest.mark.parametrize("rest", ["No effusion.", "2. Effusion.", "2) Effusion.", "b. effusion.", "- effusion."])
def test_a_long_line_ends_a_sentence_before_a_capital_or_a_list_item(rest: str):
    assert _split(f"{LONG_LINE}\n{rest}") == [LONG_LINE, rest]
    assert _split(f"{LONG_LINE}\n\nnodule") == [LONG_LINE, "nodule"], "a blank line always does"


@pytest.mark.parametrize(
    "marked",
    [
        "A nodule is seen (approx. 5 mm. No calcification). | No effusion.",
        "Mosaic attenuation (small airway disease? Small vessel disease?). | No nodule.",
        "A lesion (cyst?) (HU = 7.5) is seen. | No effusion.",
        "A lesion [see image 3. Series 2] is seen. | No effusion.",
        "(See the previous report.) | No effusion.",
        "A nodule is seen (5 mm.) | No effusion.",
        "A nodule is seen. | (cyst?). | No effusion.",
        "Small vessel disease?). | No nodule.",
        "A nodule (5 mm is seen. | No effusion.",
    ],
)
def test_brackets_are_not_divided(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        'The request reads "Nodule?" | No nodule is seen.',
        '"No effusion." | "No nodule."',
        'The referring note "No effusion." is outdated. | Normal.',
        "\u201cNo effusion.\u201d | \u201cNo nodule.\u201d",
        "The question \u2018Nodule?\u2019 is answered. | Normal.",
    ],
)
def test_closing_quotes_stay_with_their_sentences(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "The lungs ... are clear. | Normal.",
        "The lungs\u2026 are clear.",
        "Normal... | No effusion.",
        "Well\u2026 | No.",
    ],
)
def test_an_ellipsis_ends_a_sentence_only_before_a_capital(marked: str):
    _check(marked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion is seen.The heart is normal.", ["No effusion is seen.", "The heart is normal."]),
        ("Effusion?No.A nodule is seen.CT is advised.", ["Effusion?", "No.A nodule is seen.", "CT is advised."]),
        ("It measures 5 mm (cyst?).No effusion.", ["It measures 5 mm (cyst?).", "No effusion."]),
        ("It lies in segment 5.No effusion.", ["It lies in segment 5.", "No effusion."]),
        ("T1.L2 and www.reg2rg.org and Prof.Smith", ["T1.L2 and www.reg2rg.org and Prof.Smith"]),
    ],
)
def test_a_missing_space_does_not_join_sentences(text: str, expected: list[str]):
    assert _split(text) == expected


def test_white_space_around_sentences_is_left_out():
    assert _split("  Spaces.   5 mm node?  ") == ["Spaces.", "5 mm node?"]


@pytest.mark.parametrize("text", ["", " ", "\n \t\r\n", "\u2028"])
def test_a_text_without_visible_characters_has_no_sentences(text: str):
    assert split_sentences(text) == []


def test_a_part_of_a_text_is_split_like_a_text_of_its_own():
    text = "Lung: No nodule. A 1.5 cm cyst is seen. Heart: normal."
    start, end = text.index("No"), text.index(" Heart")
    assert [text[a:b] for a, b in split_sentences(text, start, end)] == ["No nodule.", "A 1.5 cm cyst is seen."]
    assert split_sentences(text, start, end) == [(a + start, b + start) for a, b in split_sentences(text[start:end])]


TEXTS = st.text(st.sampled_from("aAzZ19 .?!,:;()[]\"'\u201d\u2026\u2022\n\r\t\u2028-")) | st.lists(
    st.sampled_from(["No", "approx.", "e.g.", "Dr.", "1.", "a.", "5.5", "mm", "(", ")", ".", "...", "?", "\n", "\n\n"])
).map(" ".join)


@settings(deadline=None, max_examples=300)
@given(TEXTS | st.text())
def test_sentences_are_ordered_and_cover_all_visible_characters(text: str):
    spans = split_sentences(text)
    position = 0
    for start, end in spans:
        assert position <= start < end <= len(text)
        assert not text[position:start].strip(), "only white space lies between sentences"
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["word ", "x", "no nodule, ", "e.g. ", "5.5", "( "]), st.integers(1, 2000))
def test_no_sentence_is_longer_than_the_limit(piece: str, count: int):
    text = piece * count
    spans = split_sentences(text)
    assert all(end - start <= MAX_SENTENCE_LENGTH for start, end in spans)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())


def test_a_long_sentence_is_cut_between_words():
    assert set(" ".join(_split("nodule " * 1000)).split()) == {"nodule"}


@pytest.mark.parametrize(
    "piece",
    ["e.g. ", "( ", "(", "[(", "x", " ", "\n", "a.\n", ".", ". ", "?", "1", "No. ", ".\"'", "A.", "The region 1 "],
)
def test_the_time_grows_linearly_with_the_length(piece: str):
    start = time.process_time()
    split_sentences(piece * (200_000 // len(piece)))
    assert time.process_time() - start < 10, "a quadratic search takes minutes"


@pytest.mark.parametrize(
    ("text", "size_mm"),
    [
        ("A nodule of approx. 5 mm is seen in the left upper lobe.", 5),
        ("A nodule, described by Dr. Smith, of 5 mm is seen in the left upper lobe.", 5),
        ("A nodule, e.g. a granuloma, of 5 mm is seen in the left upper lobe.", 5),
        ("A nodule of 1.5 cm is seen in the left upper lobe.", 15),
        ("Nodule No. 3 of 5 mm is seen in the left upper lobe.", 5),
        ("1. A nodule of ca. 5 mm is seen in the left upper lobe.", 5),
        ("In the left upper lobe, resp. in its apex, a nodule of max. 5 mm is seen.", 5),
        (f"{LONG_LINE}\n5 mm is seen in the left upper lobe.", 5),
    ],
)
def test_the_labeler_finds_size_side_and_lobe_beyond_an_abbreviation(text: str, size_mm: float):
    (mention,) = [mention for mention in extract_mentions(text, "lung") if mention.label == "Lung nodule"]
    assert mention.status is Status.PRESENT
    assert side_and_level(mention) == ("left", "upper")
    assert mention.size_mm == size_mm
    assert text[mention.start : mention.end] == text


def test_a_denial_does_not_reach_the_next_line():
    text = "no effusion\nmild atelectasis in the left lower lobe"
    found = {mention.label: mention.status for mention in extract_mentions(text, "lung")}
    assert found == {"Pleural effusion": Status.ABSENT, "Atelectasis": Status.PRESENT}
