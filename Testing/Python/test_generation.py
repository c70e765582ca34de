"""Report generation: one section per region, streaming, cancellation, and context limits."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_model import RECOGNIZED, SENTENCES, tiny_model

from reg2rg.errors import Cancelled, InputError
from reg2rg.inference import GeneratedSection, ReportGenerator
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.preprocessing import ModelInputs
from reg2rg.prompting import prompt_ids
from reg2rg.regions import REGION_NAMES


@pytest.fixture(scope="module")
def model() -> Reg2RG:
    return tiny_model()


def inputs_for(model: Reg2RG, names) -> ModelInputs:
    size = model.config.preprocessing.image_size
    generator = torch.Generator().manual_seed(1)
    textures = {name: torch.rand(size, generator=generator) for name in names}
    return ModelInputs(torch.rand(size, generator=generator), textures, {n: t.round() for n, t in textures.items()}, {})


@pytest.mark.parametrize("count", [1, 3, 10])
def test_every_region_gets_its_section_in_the_requested_order(model, count):
    names = REGION_NAMES[:count]
    sections = ReportGenerator(model).generate(inputs_for(model, names))
    assert [section.region for section in sections] == list(names)
    assert {(section.recognized, section.text, section.complete) for section in sections} == {
        (RECOGNIZED, SENTENCES, True)
    }


def test_tokens_cover_the_text_and_have_probabilities(model):
    (section,) = ReportGenerator(model).generate(inputs_for(model, ["heart"]))
    covered = "".join(section.text[token.start : token.end] for token in section.tokens)
    assert covered == section.text
    assert all(0 < token.probability <= 1 for token in section.tokens)


def test_sections_are_streamed_while_they_are_generated(model):
    streamed: list[GeneratedSection] = []
    ReportGenerator(model).generate(inputs_for(model, ["heart", "lung"]), on_section=streamed.append)
    growing = [section.text for section in streamed if section.region == "heart"]
    assert len(growing) > 5 and growing[-1] == SENTENCES
    assert all(later.startswith(earlier) for earlier, later in zip(growing, growing[1:], strict=False))
    assert [section.complete for section in streamed if section.region == "heart"].count(True) == 1


def test_text_cut_off_at_the_token_limit_is_marked_incomplete(model):
    (section,) = ReportGenerator(model).generate(inputs_for(model, ["heart"]), max_new_tokens=8)
    assert not section.complete and section.text and SENTENCES.startswith(section.text)


def test_a_region_that_the_model_never_reaches_has_no_text_and_is_incomplete(model):
    (section,) = ReportGenerator(model).generate(inputs_for(model, ["heart"]), max_new_tokens=2)
    assert section.text == "" and section.recognized is None and not section.complete


def test_generation_stops_when_it_is_canceled(model):
    answers = iter([False] * 5 + [True] * 100)
    with pytest.raises(Cancelled):
        ReportGenerator(model).generate(inputs_for(model, ["heart", "lung"]), should_cancel=lambda: next(answers))


def test_the_context_length_of_the_model_also_limits_the_text(model):
    short = tiny_model()
    limit = len(prompt_ids(model.tokenizer, model.special, 1, instruction=False)) + 8
    short.config = dataclasses.replace(
        model.config, language=dataclasses.replace(model.config.language, max_position_embeddings=limit)
    )
    (section,) = ReportGenerator(short).generate(inputs_for(model, ["heart"]), max_new_tokens=500)
    assert not section.complete and SENTENCES.startswith(section.text)


def test_a_prompt_longer_than_the_context_is_refused(model):
    short = tiny_model()
    language = dataclasses.replace(model.config.language, max_position_embeddings=10)
    short.config = dataclasses.replace(model.config, language=language)
    with pytest.raises(InputError, match="but the context of"):
        ReportGenerator(short).generate(inputs_for(model, ["heart"]))


def test_a_prompt_for_several_regions_assigns_each_text_to_the_region_of_its_slot():
    model = tiny_model(slots=3)
    names = ["heart", "lung", "pleura"]
    sections = ReportGenerator(model).generate(inputs_for(model, names))
    assert [(s.region, s.recognized, s.text, s.complete) for s in sections] == [
        (name, RECOGNIZED, SENTENCES, True) for name in names
    ]


def test_a_prompt_with_more_slots_than_regions_is_an_error(model):
    ids = torch.tensor([prompt_ids(model.tokenizer, model.special, 2)])
    with torch.inference_mode():
        image = model.embedding_layer.encode_volumes(torch.rand(1, *model.config.preprocessing.image_size))[0]
        one_region = PromptFeatures(image, torch.zeros(1, 3, image.shape[-1]))
        with pytest.raises(ValueError, match="slot beyond its 1 regions"):
            model.embed(ids, [one_region])


def test_prompts_of_different_lengths_give_the_same_texts_together_and_alone():
    model = tiny_model(slots=3)
    names = list(REGION_NAMES[:4])  # one prompt of three regions, one of a single region
    together = ReportGenerator(model).generate(inputs_for(model, names))
    alone = [
        *ReportGenerator(model).generate(inputs_for(model, names[:3])),
        *ReportGenerator(model).generate(inputs_for(model, names[3:])),
    ]
    assert [section.text for section in together] == [section.text for section in alone]
