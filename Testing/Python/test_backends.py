"""What every decoding backend must do: the texts of transformers' ``generate``, all at once, streamed, with a limit.

The same tests run for the packed backend, for the vLLM backend with a stand-in for vLLM, and for the vLLM backend with
vLLM itself where vLLM and a GPU are available.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
import vllm_stand_in
from test_decoding import untrained_model
from test_generation import inputs_for

from reg2rg.errors import InputError
from reg2rg.inference import ReportGenerator, SamplingConfig, fusing
from reg2rg.inference.backend import DecodingBackend, Prompt, TextState
from reg2rg.inference.memory import Workload
from reg2rg.inference.packed_backend import PackedBackend
from reg2rg.inference.placement import Candidate, list_candidates
from reg2rg.inference.vllm_backend import VllmBackend
from reg2rg.models.config import LoraSettings
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline.request import ReportRequest

COUNT = 16
SHARED, OWN = 40, 8
"""Tokens of a prompt: vLLM shares a prefix in blocks of 16."""


def make_model() -> Reg2RG:
    """Make a model with LoRA, of a shape that vLLM's kernels support, which writes nonsense."""
    shape = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2}
    return untrained_model(1, lora=LoraSettings(), **shape)


@dataclass
class Subject:
    """A backend under test.

    Attributes:
        model: the model as it was before it was fused.
        backend: the backend.
        tolerance: largest difference of log-probabilities. Fusing LoRA rounds the weights.
    """

    model: Reg2RG
    backend: DecodingBackend
    tolerance: float

    def prompts(self) -> list[Prompt]:
        """Return two prompts that have their first tokens in common."""
        rng = torch.Generator().manual_seed(3)
        shared, *own = (torch.randn(n, 128, generator=rng).to(self.model.device) for n in (SHARED, OWN, OWN + 3))
        return [Prompt(torch.cat([shared, each]), SHARED, 0b11 << 2 * i) for i, each in enumerate(own)]

    def texts(self, max_tokens: int = COUNT) -> list[TextState]:
        """Return two texts for each prompt."""
        first, second = self.prompts()
        starts = {0b1: (first, [5]), 0b10: (first, [7, 9, 11]), 0b100: (second, [5]), 0b1000: (second, [8, 8])}
        return [TextState(prompt, bits, start, max_tokens) for bits, (prompt, start) in starts.items()]

    def run(
        self, texts: list[TextState], eos: int | None = None, sampling: SamplingConfig | None = None
    ) -> list[TextState]:
        """Generate texts to their end, and return them."""
        with torch.inference_mode():
            for _ in self.backend.decode(texts, eos, sampling):
                pass
        return texts

    @torch.inference_mode()
    def expected(self, text: TextState) -> tuple[list[int], list[float]]:
        """Return the token IDs that transformers generates for a text alone, and their log-probabilities."""
        embeddings = torch.cat([text.prompt.embeddings, self.model.embed_words(text.start_ids)])
        generated = self.model.lang_model.generate(
            inputs_embeds=embeddings[None],
            max_new_tokens=COUNT,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
        ids = generated.sequences[0].tolist()
        logits = torch.cat(generated.logits).float().log_softmax(-1)
        return ids, [float(logits[i, token]) for i, token in enumerate(ids)]


@pytest.fixture(scope="module", params=["packed", "vLLM's stand-in", "vLLM"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "vLLM" and (importlib.util.find_spec("vllm") is None or not torch.cuda.is_available()):
        pytest.skip("vLLM and an NVIDIA GPU are required")
    model = make_model()
    if request.param == "packed":
        yield Subject(model, PackedBackend(fusing.fuse(copy.deepcopy(model))), 2e-3)
        return
    if request.param == "vLLM":
        model.to("cuda")
        yield Subject(model, VllmBackend(fusing.fuse(copy.deepcopy(model)), Workload(regions=4)), 0.05)
        return
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(sys.modules, "vllm", vllm_stand_in)
        monkeypatch.setattr(fusing, "can_pack", lambda dtype: False)  # layers are packed only on the CPU
        yield Subject(model, VllmBackend(fusing.fuse(copy.deepcopy(model)), Workload(regions=4)), 2e-3)


# --- what every backend must do --------------------------------------------------------------------------------------


def test_texts_of_prompts_with_a_shared_prefix_are_those_of_transformers_with_their_log_probabilities(subject):
    for _ in range(2):  # the second time, the prompts may be cached
        texts = subject.run(subject.texts())
        assert len({tuple(text.ids) for text in texts}) == len(texts), "the texts must differ to tell them apart"
        for text in texts:
            ids, log_probabilities = subject.expected(text)
            assert text.ids == ids
            assert [math.log(p) for p in text.probabilities] == pytest.approx(log_probabilities, abs=subject.tolerance)
            assert text.ended and not text.complete


def test_a_text_ends_before_the_end_of_sequence_token_and_the_others_continue(subject):
    first, *others = subject.texts()
    ids, _ = subject.expected(first)
    eos = ids[5]
    subject.run([first, *others], eos)
    assert first.ids == ids[: ids.index(eos)] and len(first.probabilities) == len(first.ids)
    assert first.complete and first.ended
    for text in others:
        expected, _ = subject.expected(text)
        assert text.ids == (expected[: expected.index(eos)] if eos in expected else expected)


@pytest.mark.parametrize("limit", [1, 5])
def test_a_text_never_exceeds_its_token_limit(subject, limit):
    for text in subject.run(subject.texts(limit)):
        assert text.ids == subject.expected(text)[0][:limit]
        assert text.ended and not text.complete


def test_tokens_are_streamed_as_they_are_generated_and_only_appended(subject):
    texts = subject.texts()
    lengths, versions = [], {text.text_bits: [()] for text in texts}
    with torch.inference_mode():
        for grown in subject.backend.decode(texts, None, None):
            assert all(len(text.ids) > len(versions[text.text_bits][-1]) for text in grown)
            for text in grown:
                versions[text.text_bits].append(tuple(text.ids))
            lengths.append(sum(len(text.ids) for text in texts))
    assert len(lengths) >= COUNT and lengths[0] <= len(texts)
    for seen in versions.values():
        assert all(later[: len(earlier)] == earlier for earlier, later in zip(seen, seen[1:], strict=False))


def test_closing_the_generator_cancels_the_texts_and_leaves_the_backend_usable(subject):
    canceled = subject.texts()
    with torch.inference_mode():
        passes = subject.backend.decode(canceled, None, None)
        next(passes)
        passes.close()
    before = [list(text.ids) for text in canceled]
    for text in subject.run(subject.texts()):
        assert text.ids == subject.expected(text)[0]
    assert [text.ids for text in canceled] == before


def test_the_caller_can_end_one_text_early(subject):
    first, *others = subject.texts()
    with torch.inference_mode():
        for _ in subject.backend.decode([first, *others], None, None):
            first.ended |= len(first.ids) == 3
    assert first.ids == subject.expected(first)[0][:3] and not first.complete
    assert [text.ids for text in others] == [subject.expected(text)[0] for text in others]


def test_an_earlier_version_of_a_text_does_not_change_it(subject):
    texts = subject.texts()
    for text in texts:
        right = subject.expected(text)[0]
        text.earlier_ids = [*right[:6], 3, *right[9:]]
    subject.run(texts)
    assert [text.ids for text in texts] == [subject.expected(text)[0] for text in texts]


def test_sampled_texts_depend_on_the_seed_but_not_on_the_other_texts(subject):
    sampling = SamplingConfig(seed=4, temperature=3.0)
    together = [text.ids for text in subject.run(subject.texts(), None, sampling)]
    assert [text.ids for text in subject.run(subject.texts(), None, sampling)] == together
    assert [text.ids for text in subject.run(subject.texts()[2:3], None, sampling)] == together[2:3]
    other_seed = SamplingConfig(seed=5, temperature=3.0)
    assert [text.ids for text in subject.run(subject.texts(), None, other_seed)] != together


def test_the_probabilities_of_sampled_tokens_are_those_of_the_model_without_the_temperature(subject):
    (text,) = subject.run(subject.texts()[:1], None, SamplingConfig(seed=4, temperature=3.0))
    with torch.inference_mode():
        words = subject.model.embed_words([*text.start_ids, *text.ids[:-1]])
        embeddings = torch.cat([text.prompt.embeddings, words])
        logits = subject.model.lang_model(inputs_embeds=embeddings[None]).logits[0, -len(text.ids) :].float()
    expected = [float(row[token]) for row, token in zip(logits.log_softmax(-1), text.ids, strict=True)]
    assert [math.log(p) for p in text.probabilities] == pytest.approx(expected, abs=subject.tolerance)


# --- the vLLM backend ------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the stand-in what ``import vllm`` returns, and leave layers unpacked, as on a GPU."""
    monkeypatch.setitem(sys.modules, "vllm", vllm_stand_in)
    monkeypatch.setattr(fusing, "can_pack", lambda dtype: False)


def test_reports_of_both_backends_are_the_same(stand_in):
    model = untrained_model(3)
    inputs = inputs_for(model, ["heart", "lung", "pleura"])
    options = {"parallel": True, "max_new_tokens": COUNT}
    expected = ReportGenerator(model).generate(inputs, **options)
    generator = ReportGenerator(model, VllmBackend(model))
    sections = generator.generate(inputs, **options)
    assert [(s.region, s.text, s.recognized) for s in sections] == [(s.region, s.text, s.recognized) for s in expected]
    again = generator.generate(inputs, regions=["lung"], **options)
    assert [s.text for s in again] == [expected[1].text]


def test_vllm_takes_over_the_language_model_shares_the_prefix_and_stays_offline(stand_in, monkeypatch):
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    model = untrained_model(1)
    backend = VllmBackend(model)
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert not hasattr(model, "lang_model"), "two copies of the weights would not fit into the memory of many GPUs"
    assert backend._engine.arguments.enable_prefix_caching
    assert not backend._engine.has_unfinished_requests()


def test_canceled_requests_are_removed_from_vllm(stand_in):
    backend = VllmBackend(untrained_model(1))
    text = TextState(Prompt(torch.randn(4, 32), 2, 1), 1, [5], COUNT)
    passes = backend.decode([text], None, None)
    next(passes)
    assert backend._engine.has_unfinished_requests()
    passes.close()
    assert not backend._engine.has_unfinished_requests()


# --- choosing a backend ----------------------------------------------------------------------------------------------


def test_an_unknown_backend_is_refused(tmp_path):
    with pytest.raises(InputError, match="Unknown backend 'tgi'; expected one of: packed, vllm"):
        ReportRequest(volume=tmp_path, output=tmp_path, backend="tgi")


def test_vllm_without_a_gpu_is_refused():
    with pytest.raises(InputError, match="requires the first visible NVIDIA GPU .device cuda., but the device is cpu"):
        list_candidates("cpu", "auto", "vllm")


def test_on_a_gpu_vllm_must_be_installed_and_runs_in_16_or_32_bits(monkeypatch):
    monkeypatch.setattr("reg2rg.inference.placement.choose_device", lambda name: "cuda")
    monkeypatch.setattr("reg2rg.inference.placement.half_precision", lambda device: "bf16")
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"requires vLLM: pip install 'reg2rg\[vllm\]'"):
        list_candidates("cuda", "auto", "vllm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert list_candidates("cuda", "auto", "vllm") == [Candidate("cuda", "bf16")]
    with pytest.raises(InputError, match="does not support 4bit weights; choose bf16 or fp16"):
        list_candidates("cuda", "4bit", "vllm")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has an NVIDIA GPU")
def test_the_command_line_says_in_one_line_that_vllm_needs_a_gpu(reg2rg, phantom_files, tiny_model_folder, tmp_path):
    volume, regions = phantom_files
    finished = reg2rg(
        "report", volume, "--regions", regions, "--model", tiny_model_folder, "--backend", "vllm", "-o", tmp_path / "r"
    )
    assert finished.returncode != 0 and not (tmp_path / "r").exists()
    (line,) = [line for line in finished.stderr.splitlines() if "vllm" in line]
    assert "requires the first visible NVIDIA GPU" in line
