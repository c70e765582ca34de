"""The report generator, which writes the sections of a report with one model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import dataclass

import torch

from reg2rg.errors import Cancelled, InputError
from reg2rg.inference.backend import DecodingBackend, Prompt, TextState
from reg2rg.inference.detection import DetectedRegion
from reg2rg.inference.encoding import NO_CORRECTIONS, FeatureEncoder
from reg2rg.inference.packed_backend import PackedBackend
from reg2rg.inference.sampling import SamplingConfig
from reg2rg.inference.sections import GeneratedSection, GrowingText
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.preprocessing import ModelInputs
from reg2rg.prompting import opening_ids, prompt_ids
from reg2rg.regions import REGION_NAMES, Corrections
from reg2rg.report import OutOfDistribution
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel

SectionCallback = Callable[[GeneratedSection], None]


class ReportGenerator:
    """Generates sections with one model, and caches what makes regeneration faster.

    It caches the encoded regions and the tokens of the last texts; the backend caches the keys and values of the
    prompts. When a region is regenerated, only changed regions are encoded, the prompt is processed from the first
    token that differs, and the tokens of the last text are proposed for the new one.

    Attributes:
        model: the model.
    """

    def __init__(self, model: Reg2RG, backend: DecodingBackend | None = None) -> None:
        """Start with empty caches.

        Args:
            model: the model.
            backend: what generates the texts; a PackedBackend if None.
        """
        self.model = model
        self._features = FeatureEncoder(model.embedding_layer, model.config)
        self._backend = PackedBackend(model) if backend is None else backend
        self._last_ids: dict[int, list[int]] = {}  # bits of a text -> its token IDs

    @torch.inference_mode()
    def generate(
        self,
        inputs: ModelInputs,
        *,
        regions: Sequence[str] = (),
        parallel: bool = False,
        sampling: SamplingConfig | None = None,
        max_new_tokens: int = 500,
        corrections: Corrections = NO_CORRECTIONS,
        use_cues: bool = True,
        supported: Collection[str] | None = None,
        on_section: SectionCallback = lambda section: None,
        should_cancel: ShouldCancel = never_cancel,
    ) -> list[GeneratedSection]:
        """Generate one section per region.

        Args:
            inputs: the volume's tensors.
            regions: generate only these regions; all if empty. The prompt remains the same. If all regions share one
                text, the preceding ones are generated as well, mostly from the tokens of the last text.
            parallel: generate one text per region, all at once, instead of one text for all regions of a prompt. The
                model must have been trained for it.
            sampling: settings for random sampling. If None, the most probable token is always chosen.
            max_new_tokens: token limit per text. The model's context length is an additional limit.
            corrections: a reviewer's corrections, passed to the language model as cues.
            use_cues: whether to pass the finding head's findings to the language model.
            supported: labels of the findings to pass; None for all.
            on_section: called with a section whenever its text has grown, and once more when it is complete.
            should_cancel: checked between forward passes.

        Returns:
            The sections, in the order of ``inputs``.

        Raises:
            InputError: the model does not know a corrected finding, or the prompt exceeds its context length.
            Cancelled: ``should_cancel`` returned True.
        """
        self._check(corrections)
        groups = self._build_prompts(inputs, regions, corrections, use_cues, supported, should_cancel)
        wanted = set(regions or inputs.textures)
        texts = [text for group in groups for text in self._texts(group, wanted, parallel, max_new_tokens)]
        if regions:
            for text in texts:
                text.state.earlier_ids = self._last_ids.get(text.state.text_bits, [])
        return self._decode(texts, wanted, sampling, on_section, should_cancel)

    @torch.inference_mode()
    def detect(self, inputs: ModelInputs, should_cancel: ShouldCancel = never_cancel) -> dict[str, DetectedRegion]:
        """Return what the finding head detects in each region. Empty if the model has no finding head.

        Args:
            inputs: the volume's tensors.
            should_cancel: checked between batches.

        Raises:
            Cancelled: ``should_cancel`` returned True.
        """
        scale = self._logit_scale(inputs, should_cancel)
        return self._features.detect(inputs, list(inputs.textures), should_cancel, scale)

    @torch.inference_mode()
    def out_of_distribution(
        self, inputs: ModelInputs, should_cancel: ShouldCancel = never_cancel
    ) -> OutOfDistribution | None:
        """Return how far the volume is from the training data. None if the model has no finding head.

        Args:
            inputs: the volume's tensors.
            should_cancel: checked between batches.

        Raises:
            Cancelled: ``should_cancel`` returned True.
        """
        means = self._features.mean_tokens(inputs, list(inputs.textures), should_cancel)
        return self.model.embedding_layer.ood_detector(means) if means else None

    def supported(self, out_of_distribution: OutOfDistribution | None) -> tuple[str, ...] | None:
        """Return the labels that a draft may state in a volume; None for all.

        Args:
            out_of_distribution: how far the volume is from the training data, and from which kind.
        """
        findings = self.model.config.findings
        if findings is None or out_of_distribution is None:
            return None
        return findings.supported.get(out_of_distribution.kind)

    def _logit_scale(self, inputs: ModelInputs, should_cancel: ShouldCancel) -> float:
        """Return by how much the logits of findings are scaled in this kind of volume."""
        findings = self.model.config.findings
        if findings is None or not findings.kind_temperatures:
            return 1.0
        out_of_distribution = self.out_of_distribution(inputs, should_cancel)
        kind = out_of_distribution.kind if out_of_distribution is not None else ""
        return findings.temperature / findings.kind_temperatures.get(kind, findings.temperature)

    def _check(self, corrections: Corrections) -> None:
        """Refuse corrections that the model has no cues for."""
        config = self.model.config
        labels = config.findings.labels if config.findings and config.findings.cues else ()
        corrected = {label for of_region in corrections.values() for label in of_region}
        unknown = sorted(corrected - set(labels))
        if unknown and not labels:
            raise InputError(f"The model {config.name} takes no corrections: it was trained without cues.")
        if unknown:
            raise InputError(
                f"The model {config.name} does not know the finding {unknown[0]!r}; expected one of: "
                f"{', '.join(labels)}."
            )

    def _build_prompts(
        self,
        inputs: ModelInputs,
        regions: Sequence[str],
        corrections: Corrections,
        use_cues: bool,
        supported: Collection[str] | None,
        should_cancel: ShouldCancel,
    ) -> list[_RegionPrompt]:
        """Return the embedded prompts that contain the requested regions."""
        model, config = self.model, self.model.config
        names, size = list(inputs.textures), config.regions_per_prompt
        groups = [names[i : i + size] for i in range(0, len(names), size)]
        groups = [group for group in groups if not regions or set(group) & set(regions)]
        encoded = [name for group in groups for name in group]
        image, tokens = self._features.encode(
            inputs,
            encoded,
            should_cancel,
            corrections,
            use_cues=use_cues,
            supported=supported,
            logit_scale=self._logit_scale(inputs, should_cancel),
        )
        prompts = []
        for group in groups:
            ids = prompt_ids(model.tokenizer, model.special, len(group), instruction=config.instruction)
            if len(ids) >= config.language.max_position_embeddings:
                raise InputError(
                    f"The prompt has {len(ids)} tokens, but the context of {config.name} has "
                    f"{config.language.max_position_embeddings}; request fewer regions."
                )
            features = PromptFeatures(image, torch.stack([tokens[name] for name in group]))
            embeddings = model.embed(torch.tensor([ids], device=model.device), [features])[0]
            shared = ids.index(model.special.region(0)[0])
            prompt = Prompt(embeddings[:-1], shared, sum(_text_bit(name) for name in group))
            prompts.append(_RegionPrompt(group, prompt, ids[-1]))
        return prompts

    def _texts(
        self, group: _RegionPrompt, wanted: Set[str], parallel: bool, max_new_tokens: int
    ) -> Iterator[GrowingText]:
        """Yield the texts that continue a prompt: one per region, or one for all regions."""
        model = self.model
        tokenizer, config = model.tokenizer, model.config
        room = config.language.max_position_embeddings - len(group.prompt.embeddings) - 1
        slots = dict(enumerate(group.regions))
        for regions in [{slot: name} for slot, name in slots.items()] if parallel else [slots]:
            if wanted.isdisjoint(regions.values()):
                continue
            opening = opening_ids(tokenizer, next(iter(regions)), instruction=config.instruction) if parallel else []
            max_tokens = min(max_new_tokens, room - len(opening))
            state = TextState(
                group.prompt,
                text_bits=sum(_text_bit(name) for name in regions.values()),
                start_ids=[group.last_id, *opening],
                max_tokens=max_tokens,
                ended=max_tokens <= 0,
            )
            yield GrowingText(tokenizer, state, opening, regions)

    def _decode(
        self,
        texts: Sequence[GrowingText],
        wanted: Set[str],
        sampling: SamplingConfig | None,
        on_section: SectionCallback,
        should_cancel: ShouldCancel,
    ) -> list[GeneratedSection]:
        """Generate the texts until the requested sections are complete, and report every change."""
        text_of = {text.state.text_bits: text for text in texts}
        generated: dict[str, GeneratedSection] = {}

        def update(text: GrowingText) -> bool:
            """Report the changed sections of a text, and return whether all requested ones are complete."""
            sections = [section for section in text.sections() if section.region in wanted]
            for section in sections:
                if generated.get(section.region) != section:
                    generated[section.region] = section
                    on_section(section)
            return all(section.complete for section in sections)

        eos_token_id = self.model.tokenizer.eos_token_id
        states = [text.state for text in texts]
        with contextlib.closing(self._backend.decode(states, eos_token_id, sampling)) as passes:
            for grown in passes:
                if should_cancel():
                    raise Cancelled("Cancelled while generating the report.")
                for state in grown:
                    state.ended |= update(text_of[state.text_bits])
        for text in texts:
            update(text)
            state = text.state
            if state.complete or state.text_bits not in self._last_ids:
                self._last_ids[state.text_bits] = [*state.ids, eos_token_id] if state.complete else list(state.ids)
        return [generated[name] for text in texts for name in text.regions.values() if name in wanted]


@dataclass(frozen=True)
class _RegionPrompt:
    """A prompt for some regions.

    Attributes:
        regions: the regions in slot order.
        prompt: the prompt without its last token.
        last_id: ID of its last token.
    """

    regions: Sequence[str]
    prompt: Prompt
    last_id: int


def _text_bit(region: str) -> int:
    return 1 << REGION_NAMES.index(region)
