"""Prompts match the published ones token by token, and generated text is split into slots however malformed it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from reg2rg.models.special_tokens import SpecialTokens
from reg2rg.prompting import parse_report, prompt_ids, report_text, training_ids
from reg2rg.regions import REGION_NAMES

SPECIAL = SpecialTokens(vocab_size=32000, latents=32, region_length=33)


@pytest.fixture(scope="module")
def tokenizer(shared: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(shared / "reference/llama_tokenizer")


@pytest.fixture(scope="module")
def fixtures(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "reference/prompt_token_fixtures.json").read_text())


@pytest.mark.parametrize("slots", [1, 2, 10])
def test_prompt_ids_are_the_published_ones(
    tokenizer: PreTrainedTokenizerBase, fixtures: dict[str, Any], slots: int
) -> None:
    assert prompt_ids(tokenizer, SPECIAL, slots) == fixtures[f"prompt_{slots}_regions"]


def test_prompt_and_report_ids_are_the_published_ones_and_end_with_eos(
    tokenizer: PreTrainedTokenizerBase, fixtures: dict[str, Any]
) -> None:
    ids, prompt_length = training_ids(tokenizer, SPECIAL, [("lung", "Both lungs are clear.")])
    assert ids == [*fixtures["full_1_region_report"]["ids_nopad"], 2]
    assert ids[:prompt_length] == fixtures["prompt_1_regions"]


def test_special_tokens_are_numbered_in_the_published_order(fixtures: dict[str, Any]) -> None:
    names = fixtures["special_token_order"]
    number = {name: 32000 + index for index, name in enumerate(names)}
    assert SPECIAL.image == [number[n] for n in ("<image>", *(f"<image{i}>" for i in range(32)), "</image>")]
    for slot in (0, 9):
        inside = [f"<region{33 * slot + i}>" for i in range(33)]
        assert SPECIAL.region(slot) == [number[n] for n in ("<region>", *inside, "</region>")]


def texts(report: str) -> dict[int, tuple[str, str]]:
    """Return the recognized region and the text of each slot."""
    return {slot.slot: (slot.recognized, report[slot.start : slot.end]) for slot in parse_report(report)}


def test_a_complete_report_is_read_back() -> None:
    sections = [(name, f"Text of {name}: with a colon. And 5.5 mm.") for name in REGION_NAMES]
    assert texts(report_text(sections)) == dict(enumerate(sections))


def test_text_before_the_first_slot_is_dropped() -> None:
    assert texts("Certainly! Here it is. The region 0 is lung: Clear.") == {0: ("lung", "Clear.")}


def test_the_first_text_of_a_repeated_slot_counts() -> None:
    looped = "The region 0 is lung: Clear. The region 1 is heart: Normal. " + "The region 0 is lung: Again. " * 5
    assert texts(looped) == {0: ("lung", "Clear."), 1: ("heart", "Normal.")}


def test_slots_may_be_missing_and_in_any_order() -> None:
    assert texts("The region 2 is bone: Intact. The region 0 is lung: Clear.") == {
        2: ("bone", "Intact."),
        0: ("lung", "Clear."),
    }


def test_an_unknown_region_name_is_kept_as_written() -> None:
    assert texts("The region 0 is left spleen: Normal.") == {0: ("left spleen", "Normal.")}


def test_a_loop_cut_off_at_the_token_limit_leaves_complete_sections() -> None:
    cut = "The region 0 is lung: Clear. The region 1 is heart: Normal. Normal. The region 2 is med"
    slots = parse_report(cut)
    assert texts(cut) == {0: ("lung", "Clear."), 1: ("heart", "Normal. Normal.")}
    assert [slot.closed for slot in slots] == [True, True]
    assert not parse_report("The region 0 is lung: Cle")[0].closed


@pytest.mark.parametrize(
    "text", ["", "   ", "The region", "The region 0 is", "no slots at all", "The region x is lung: a"]
)
def test_text_without_slots_yields_no_slots(text: str) -> None:
    assert parse_report(text) == []


def test_an_empty_section_stays_empty() -> None:
    assert texts("The region 0 is lung: The region 1 is heart: Normal.") == {0: ("lung", ""), 1: ("heart", "Normal.")}
