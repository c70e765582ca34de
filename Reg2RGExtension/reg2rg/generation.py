"""Generation: how report text is drawn from the model, streamed, and filed under its region (reference A.6).

Greedy, with a key-value cache. All regions go into one prompt as published, or into several of
``config.regions_per_prompt`` regions, whose texts are then written side by side as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.errors import Cancelled, InputError
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.preprocessing import ModelInputs
from reg2rg.prompting import parse_report, prompt_ids


@dataclass(frozen=True)
class TextToken:
    """Characters ``start`` to ``end`` of a section's text, from a token that the model gave this probability."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class WrittenSection:
    """What the model wrote about one region.

    Attributes:
        region: the region it was asked about.
        recognised: the name it gave that region, as written; None if it wrote nothing about it.
        text: the report text.
        tokens: the text's tokens.
        complete: False while it grows, and if it was cut off at the token limit.
    """

    region: str
    recognised: str | None
    text: str
    tokens: tuple[TextToken, ...]
    complete: bool


def write_sections(
    model: Reg2RG,
    inputs: ModelInputs,
    *,
    max_new_tokens: int = 500,
    on_text: Callable[[WrittenSection], None] = lambda section: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[WrittenSection]:
    """Write one section for each region of ``inputs``, in their order.

    Args:
        max_new_tokens: limit per prompt; the model's context is another.
        on_text: told of a section whenever its text has grown, and once more when it is complete.
        cancelled: asked between tokens; Cancelled is raised when it says yes.
    """
    names = list(inputs.textures)
    size = model.config.regions_per_prompt
    groups = [names[i : i + size] for i in range(0, len(names), size)]
    with torch.inference_mode():
        features = encode_groups(model, inputs, groups, cancelled)
        prompts = [
            prompt_ids(model.tokenizer, model.special, len(group), instruction=model.config.instruction)
            for group in groups
        ]
        drafts = [_Draft(model.tokenizer, group) for group in groups]
        reported: dict[str, WrittenSection] = {}
        for ids, probabilities in decode(model, prompts, features, max_new_tokens, cancelled):
            for draft, token, probability in zip(drafts, ids, probabilities, strict=True):
                if draft.ended:
                    continue
                draft.append(token, probability)
                for section in draft.sections():
                    if reported.get(section.region) != section:
                        reported[section.region] = section
                        on_text(section)
    return [section for draft in drafts for section in draft.sections()]


def encode_groups(
    model: Reg2RG, inputs: ModelInputs, groups: Sequence[Sequence[str]], cancelled: Callable[[], bool] = lambda: False
) -> list[PromptFeatures]:
    """Features of each group's prompt; the whole volume and each region are encoded once."""
    encoder, device = model.embedding_layer, model.device
    image = encoder.encode_volumes(inputs.image[None].to(device))[0]
    regions = {}
    for name in (name for group in groups for name in group):
        if cancelled():
            raise Cancelled("Cancelled while the regions were encoded.")
        texture, mask = inputs.textures[name][None].to(device), inputs.masks[name][None].to(device)
        regions[name] = encoder.encode_regions(texture, mask)[0]
    return [PromptFeatures(image, torch.stack([regions[name] for name in group])) for group in groups]


def decode(
    model: Reg2RG,
    prompts: Sequence[Sequence[int]],
    features: Sequence[PromptFeatures],
    max_new_tokens: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[list[int], list[float]]]:
    """Greedy tokens of a batch of prompts, step by step: ids and their probabilities, one per prompt.

    Stops when every prompt has drawn EOS or at the limit; what a prompt draws after its EOS means nothing.
    """
    embeddings, attention_mask = _left_padded(model, prompts, features)
    limit = model.config.language.max_position_embeddings
    if embeddings.shape[1] >= limit:
        raise InputError(
            f"A prompt of {embeddings.shape[1]} tokens does not fit into the context of {model.config.name}, "
            f"{limit} tokens; ask for fewer regions."
        )
    positions = (attention_mask.cumsum(1) - 1).clamp(min=0)
    step: dict[str, Any] = {"inputs_embeds": embeddings}
    cache = None
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=embeddings.device)
    for _ in range(min(max_new_tokens, limit - embeddings.shape[1])):
        if cancelled():
            raise Cancelled("Cancelled while the report was written.")
        output = model.lang_model(
            **step,
            attention_mask=attention_mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        log_probabilities = F.log_softmax(output.logits[:, -1].float(), dim=-1)
        best, ids = log_probabilities.max(dim=-1)
        yield ids.tolist(), best.exp().tolist()
        ended |= ids == model.tokenizer.eos_token_id
        if ended.all():
            return
        cache = output.past_key_values
        step = {"input_ids": ids[:, None]}
        positions = positions[:, -1:] + 1
        attention_mask = F.pad(attention_mask, (0, 1), value=1)


def _left_padded(
    model: Reg2RG, prompts: Sequence[Sequence[int]], features: Sequence[PromptFeatures]
) -> tuple[Tensor, Tensor]:
    """Embedded prompts (B, N, width), ends aligned, and their attention mask (B, N)."""
    longest = max(map(len, prompts))
    padded = [[0] * (longest - len(ids)) + list(ids) for ids in prompts]
    mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts]
    embeddings = model.embed(torch.tensor(padded, device=model.device), features)
    return embeddings, torch.tensor(mask, device=model.device)


class _Draft:
    """The growing text of one prompt, seen as sections of its regions."""

    def __init__(self, tokenizer: Any, regions: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._regions = regions
        self._ids: list[int] = []
        self._ends: list[int] = []  # text length after each token
        self._probabilities: list[float] = []
        self._text = ""
        self.ended = False

    def append(self, token: int, probability: float) -> None:
        if token == self._tokenizer.eos_token_id:
            self.ended = True
            return
        self._ids.append(token)
        self._text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        self._ends.append(len(self._text))
        self._probabilities.append(probability)

    def sections(self) -> list[WrittenSection]:
        written = {slot.slot: slot for slot in parse_report(self._text)}
        sections = []
        for index, region in enumerate(self._regions):
            slot = written.get(index)
            if slot is None:
                sections.append(WrittenSection(region, None, "", (), self.ended))
                continue
            sections.append(
                WrittenSection(
                    region,
                    slot.recognised,
                    self._text[slot.start : slot.end],
                    tuple(self._tokens(slot.start, slot.end)),
                    slot.closed or self.ended,
                )
            )
        return sections

    def _tokens(self, start: int, end: int) -> Iterator[TextToken]:
        begin = 0
        for stop, probability in zip(self._ends, self._probabilities, strict=True):
            if max(begin, start) < min(stop, end):
                yield TextToken(max(begin, start) - start, min(stop, end) - start, probability)
            begin = stop
