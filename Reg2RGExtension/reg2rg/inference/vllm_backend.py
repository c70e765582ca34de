"""The vLLM backend: texts that vLLM generates (https://docs.vllm.ai), on an NVIDIA GPU.

vLLM gets the prompts as embeddings. Texts with the same prompt share its keys and values through vLLM's prefix cache.

No GPU was available while this was written, so it has never been run with vLLM on a GPU; docs/speed.md states what was
tested instead. Nothing imports vLLM until a backend is created.
"""

from __future__ import annotations

import importlib
import itertools
import math
import os
from collections.abc import Generator, Sequence
from typing import Any

import torch

from reg2rg.inference.backend import TextState
from reg2rg.inference.memory import Workload, cache_bytes_per_token, prompt_tokens
from reg2rg.inference.sampling import SamplingConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.devices import free_share
from reg2rg.runtime.staging import scratch_folder

_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine runs in this process, so that it is released with the backend
    "VLLM_NO_USAGE_STATS": "1",  # otherwise vLLM reports its use online
    "VLLM_LOGGING_LEVEL": "ERROR",
}


class VllmBackend:
    """Generates texts with vLLM, which takes over the language model of a Reg2RG."""

    def __init__(self, model: Reg2RG, workload: Workload | None = None) -> None:
        """Move the language model to vLLM: write it to a temporary folder, delete it, and let vLLM load the folder.

        Args:
            model: the fused model, in a precision that is not quantized. Afterward it has no language model, only its
                word embeddings.
            workload: what a report requires of the model. None stands for a report of ten regions.
        """
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._vllm: Any = importlib.import_module("vllm")
        self._model = model
        self._numbers = itertools.count()
        workload = workload or Workload()
        config, dtype = model.config, model.embedding_layer.weight.dtype
        prompt = prompt_tokens(config, min(workload.regions, config.regions_per_prompt))
        # Tokenizers differ, so the prompt may be longer than estimated.
        length = min(config.language.max_position_embeddings, 2 * prompt + workload.max_new_tokens)
        texts = workload.regions if workload.parallel else math.ceil(workload.regions / config.regions_per_prompt)
        token_bytes = cache_bytes_per_token(config, "fp32" if dtype == torch.float32 else "bf16")
        with scratch_folder() as folder:
            model.lang_model.save_pretrained(folder)
            del model.lang_model
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
            arguments = self._vllm.EngineArgs(
                model=str(folder),
                dtype=str(dtype).removeprefix("torch."),
                skip_tokenizer_init=True,
                generation_config="vllm",  # nothing but the sampling parameters decides how tokens are chosen
                enable_prompt_embeds=True,
                enable_prefix_caching=True,
                max_model_len=length,
                max_num_seqs=max(texts, 2),
                # Enough for all texts without sharing; the rest of the memory is left to the vision encoder.
                kv_cache_memory_bytes=(texts + 1) * length * token_bytes,
                gpu_memory_utilization=0.95 * free_share(str(model.device)),
                disable_log_stats=True,
            )
            self._engine: Any = self._vllm.LLMEngine.from_engine_args(arguments)

    def decode(
        self, texts: Sequence[TextState], eos_token_id: int | None, sampling: SamplingConfig | None
    ) -> Generator[list[TextState], None, None]:
        """Generate texts; see DecodingBackend. With sampling, the texts differ from those of other backends."""
        growing = {f"text-{next(self._numbers)}": text for text in texts if not text.ended}
        try:
            for name, text in growing.items():
                self._engine.add_request(name, self._prompt(text), self._parameters(text, eos_token_id, sampling))
            while growing:
                grown = []
                for output in self._engine.step():
                    text = growing[output.request_id]
                    _update(text, output, eos_token_id)
                    grown.append(text)
                yield grown
                ended = [name for name, text in growing.items() if text.ended]
                self._engine.abort_request(ended)  # has no effect on those that vLLM has finished
                growing = {name: text for name, text in growing.items() if name not in ended}
        finally:
            self._engine.abort_request(list(growing))

    def _prompt(self, text: TextState) -> dict[str, torch.Tensor]:
        start = self._model.embed_words(text.start_ids)
        return {"prompt_embeds": torch.cat([text.prompt.embeddings, start]).cpu()}

    def _parameters(self, text: TextState, eos_token_id: int | None, sampling: SamplingConfig | None) -> Any:
        chosen: dict[str, Any] = {"temperature": 0.0}
        if sampling is not None:
            chosen = {
                "temperature": sampling.temperature,
                "top_k": sampling.top_k,
                "top_p": sampling.top_p,
                "seed": sampling.seed_of(text.number),
            }
        return self._vllm.SamplingParams(
            **chosen,
            max_tokens=text.max_tokens,
            logprobs=0,  # of the chosen token only
            detokenize=False,
            ignore_eos=True,  # vLLM has no tokenizer to take the token from
            stop_token_ids=[] if eos_token_id is None else [eos_token_id],
        )


def _update(text: TextState, output: Any, eos_token_id: int | None) -> None:
    """Append the new tokens of a vLLM RequestOutput, which contains all tokens so far."""
    completion, known = output.outputs[0], len(text.ids)
    for token_id, logprobs in zip(completion.token_ids[known:], completion.logprobs[known:], strict=True):
        text.append(token_id, math.exp(logprobs[token_id].logprob), eos_token_id)
    text.ended |= output.finished
