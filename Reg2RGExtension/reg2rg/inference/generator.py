"""The writer: a model that writes the sections of a report, and remembers what writing again can use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from reg2rg.errors import Cancelled, InputError
from reg2rg.inference.decoding import Text, decode
from reg2rg.inference.detection import SeenFinding, SeenRegion
from reg2rg.inference.encoding import FeatureEncoder, Said
from reg2rg.inference.packed_sequence import PackedSequence, Tokens
from reg2rg.inference.sampling import Sampler, Sampling
from reg2rg.inference.sections import Draft, GeneratedSection
from reg2rg.models.ood_detector import OutOfDistribution
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.preprocessing import ModelInputs
from reg2rg.prompting import opening_ids, prompt_ids
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel

ALL_TEXTS = (1 << len(REGION_NAMES)) - 1


class ReportGenerator:
    """Writes sections with one model.

    It keeps the features of what it has encoded, the prompts' key-value cache and the tokens of the last texts. Writing
    one region again starts from there: only a changed region is encoded again, the prompt is run from the first token
    that differs, and the last text proposes the tokens of the new one.
    """

    def __init__(self, model: Reg2RG) -> None:
        self.model = model
        self._features = FeatureEncoder(model.embedding_layer, model.config)
        self._sequence = PackedSequence(model.causal_lm)
        self._prompted: Tokens | None = None  # what stands at the beginning of the sequence
        self._drawn: dict[int, list[int]] = {}  # bits of a text -> its ids

    @torch.inference_mode()
    def generate(
        self,
        inputs: ModelInputs,
        *,
        only: Sequence[str] = (),
        parallel: bool = False,
        sampling: Sampling | None = None,
        max_new_tokens: int = 500,
        said: Said = MappingProxyType({}),
        cues: bool = True,
        on_text: Callable[[GeneratedSection], None] = lambda section: None,
        should_cancel: ShouldCancel = never_cancel,
    ) -> list[GeneratedSection]:
        """Write one section for each region of ``inputs``, in their order.

        Args:
            only: write about these regions alone. The prompt is the same as without; in one text for all regions,
                those before the wanted ones are written on the way, mostly as proposed by the last text.
            parallel: write each region in a text of its own that continues the prompt, all at once; otherwise the
                regions of a prompt follow one another in one text, as published. A model writes well only in the way
                it was trained for.
            sampling: draw by chance; the most probable tokens if None.
            max_new_tokens: limit per text; the model's context is another.
            said: region -> label -> whether it is there: findings that a user corrected, told as cues.
            cues: tell the language model what the finding head saw, where the model has one.
            on_text: told of a section whenever its text has grown, and once more when it is complete.
            cancelled: asked between passes; Cancelled is raised when it says yes.
        """
        said = self._checked(said)
        prompts = self._prompts(inputs, only, said, cues, should_cancel)
        self._run_prompts(prompts)
        wanted = set(only or inputs.textures)
        drafts = [draft for prompt in prompts for draft in self._drafts(prompt, wanted, parallel, max_new_tokens)]
        if only:
            for draft in drafts:
                draft.text.earlier = self._drawn.get(draft.text.bits, [])
        return self._write(drafts, wanted, Sampler(sampling), on_text, should_cancel)

    @torch.inference_mode()
    def findings(
        self, inputs: ModelInputs, should_cancel: ShouldCancel = never_cancel
    ) -> dict[str, tuple[SeenFinding, ...]]:
        """What the finding head sees in each region, the most probable finding first; empty without a finding head."""
        return {name: region.findings for name, region in self._look(inputs, should_cancel).items()}

    @torch.inference_mode()
    def familiarity(self, inputs: ModelInputs, should_cancel: ShouldCancel = never_cancel) -> OutOfDistribution | None:
        """Whether the volume is like the training cases; None without a finding head."""
        means = {name: region.mean for name, region in self._look(inputs, should_cancel).items()}
        return self.model.embedding_layer.ood_detector(means) if means else None

    def _look(self, inputs: ModelInputs, should_cancel: ShouldCancel) -> dict[str, SeenRegion]:
        return self._features.look(inputs, list(inputs.textures), should_cancel)

    def _checked(self, said: Said) -> Said:
        """``said``, if the model can be told of it; else InputError."""
        config = self.model.config
        labels = config.findings.labels if config.findings and config.findings.cues else ()
        unknown = sorted({label for of_region in said.values() for label in of_region} - set(labels))
        if unknown:
            raise InputError(
                f"The model {config.name} cannot be told of {', '.join(unknown)}; "
                f"expected {'one of ' + ', '.join(labels) if labels else 'nothing, since it takes no cues'}."
            )
        return said

    def _prompts(
        self, inputs: ModelInputs, only: Sequence[str], said: Said, cues: bool, should_cancel: ShouldCancel
    ) -> list[_Prompt]:
        """The prompts that hold the wanted regions, embedded."""
        model, config = self.model, self.model.config
        names, size = list(inputs.textures), config.regions_per_prompt
        groups = [names[i : i + size] for i in range(0, len(names), size)]
        groups = [group for group in groups if not only or set(group) & set(only)]
        wanted = [name for group in groups for name in group]
        image, regions = self._features.encode(inputs, wanted, should_cancel, said, cues=cues)
        prompts = []
        for group in groups:
            ids = prompt_ids(model.tokenizer, model.special, len(group), instruction=config.instruction)
            if len(ids) >= config.language.max_position_embeddings:
                raise InputError(
                    f"A prompt of {len(ids)} tokens does not fit into the context of {config.name}, "
                    f"{config.language.max_position_embeddings} tokens; ask for fewer regions."
                )
            features = PromptFeatures(image, torch.stack([regions[name] for name in group]))
            embeddings = model.embed(torch.tensor([ids], device=model.device), [features])[0]
            prompts.append(_Prompt(group, sum(_bit(name) for name in group), ids, embeddings))
        return prompts

    def _run_prompts(self, prompts: Sequence[_Prompt]) -> None:
        """Bring the sequence to where all prompts have been read but for the last token of each.

        What all prompts begin with alike stands there once.
        """
        shared = prompts[0].ids.index(self.model.special.region(0)[0])
        parts = [(prompts[0], 0, shared, ALL_TEXTS)]
        parts += [(prompt, shared, len(prompt.ids) - 1, prompt.bits) for prompt in prompts]
        tokens = Tokens(
            torch.cat([prompt.embeddings[first:end] for prompt, first, end, _ in parts]),
            [position for _, first, end, _ in parts for position in range(first, end)],
            [bits for _, first, end, bits in parts for _ in range(first, end)],
        )
        known = _alike(tokens, self._prompted) if self._prompted is not None else 0
        self._sequence.truncate(known)
        self._prompted = None  # until the pass has gone well
        if known < len(tokens.positions):
            rest = Tokens(tokens.embeddings[known:], tokens.positions[known:], tokens.texts[known:])
            self._sequence.add(rest)
        self._prompted = tokens

    def _drafts(self, prompt: _Prompt, wanted: Set[str], parallel: bool, max_new_tokens: int) -> Iterator[Draft]:
        """The texts that are to continue a prompt: one for each region, or one for all of them."""
        model, place = self.model, len(prompt.ids) - 1
        context = model.config.language.max_position_embeddings
        slots = dict(enumerate(prompt.regions))
        for regions in [{slot: name} for slot, name in slots.items()] if parallel else [slots]:
            if wanted.isdisjoint(regions.values()):
                continue
            opening = opening_ids(model.tokenizer, *regions, instruction=model.config.instruction) if parallel else []
            text = Text(
                bits=sum(map(_bit, regions.values())),
                start=[prompt.ids[-1], *opening],
                position=place,
                room=min(max_new_tokens, context - len(prompt.ids) - len(opening)),
            )
            text.ended = text.room <= 0
            yield Draft(model.tokenizer, text, opening, regions)

    def _write(
        self,
        drafts: Sequence[Draft],
        wanted: Set[str],
        chooser: Sampler,
        on_text: Callable[[GeneratedSection], None],
        should_cancel: ShouldCancel,
    ) -> list[GeneratedSection]:
        """Let the drafts grow until the wanted sections are complete, telling of what has changed."""
        draft_of = {draft.text.bits: draft for draft in drafts}
        written: dict[str, GeneratedSection] = {}

        def read(draft: Draft) -> bool:
            """Take what has changed; whether all is there that is wanted of this draft."""
            sections = [section for section in draft.sections() if section.region in wanted]
            for section in sections:
                if written.get(section.region) != section:
                    written[section.region] = section
                    on_text(section)
            return all(section.complete for section in sections)

        eos = self.model.tokenizer.eos_token_id
        for grown in decode(self._sequence, self._embed, [draft.text for draft in drafts], eos, chooser):
            if should_cancel():
                raise Cancelled("Cancelled while the report was written.")
            for text in grown:
                text.ended |= read(draft_of[text.bits])
        for draft in drafts:
            read(draft)
            if draft.text.whole or draft.text.bits not in self._drawn:
                self._drawn[draft.text.bits] = [*draft.text.drawn, *[eos] * draft.text.whole]
        return [written[name] for draft in drafts for name in draft.regions.values() if name in wanted]

    def _embed(self, ids: Sequence[int]) -> Tensor:
        return self.model.embedding_layer.weight[torch.tensor(ids, device=self.model.device)]


@dataclass(frozen=True)
class _Prompt:
    """A prompt for some regions: ids and embeddings (N, width), and the bits of the texts that continue it."""

    regions: Sequence[str]
    bits: int
    ids: list[int]
    embeddings: Tensor


def _bit(region: str) -> int:
    return 1 << REGION_NAMES.index(region)


def _alike(tokens: Tokens, others: Tokens) -> int:
    """How many tokens two sequences begin with alike."""
    length = min(len(tokens.positions), len(others.positions))
    same = (tokens.embeddings[:length] == others.embeddings[:length]).all(dim=1).tolist()
    pairs = [(t.positions[i], t.texts[i]) for t in (tokens, others) for i in range(length)]
    for i in range(length):
        if not same[i] or pairs[i] != pairs[length + i]:
            return i
    return length
