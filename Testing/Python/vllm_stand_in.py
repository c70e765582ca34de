"""A stand-in for the parts of vLLM that reg2rg.inference.vllm_backend uses, for machines without a GPU.

It has vLLM's names and semantics (version 0.33, https://docs.vllm.ai/en/stable/api/), and runs the model with
transformers. Arguments that vLLM does not have, or that have no effect with prompt embeddings, are errors.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

import torch

from reg2rg.runtime.third_party import import_transformers


@dataclass
class EngineArgs:
    """Arguments of an engine; those that the backend uses."""

    model: str
    dtype: str
    skip_tokenizer_init: bool
    generation_config: str
    enable_prompt_embeds: bool
    enable_prefix_caching: bool
    max_model_len: int
    max_num_seqs: int
    kv_cache_memory_bytes: int
    gpu_memory_utilization: float
    disable_log_stats: bool


@dataclass
class SamplingParams:
    """How the tokens of one request are chosen."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    max_tokens: int = 16
    logprobs: int | None = None
    detokenize: bool = True
    ignore_eos: bool = False
    stop_token_ids: list[int] = field(default_factory=list)


@dataclass
class _Request:
    embeddings: torch.Tensor
    params: SamplingParams
    rng: torch.Generator
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[dict[int, Any]] = field(default_factory=list)


class LLMEngine:
    """Processes requests step by step, one token each."""

    def __init__(self, arguments: EngineArgs) -> None:
        assert arguments.enable_prompt_embeds and arguments.skip_tokenizer_init
        assert 0 < arguments.gpu_memory_utilization <= 1 and arguments.kv_cache_memory_bytes > 0
        self.arguments = arguments
        models = import_transformers().AutoModelForCausalLM
        self._model = models.from_pretrained(arguments.model, dtype=getattr(torch, arguments.dtype)).eval()
        self._requests: dict[str, _Request] = {}

    @classmethod
    def from_engine_args(cls, arguments: EngineArgs) -> LLMEngine:
        """Load the model of a folder."""
        return cls(arguments)

    def add_request(self, request_id: str, prompt: dict[str, torch.Tensor], params: SamplingParams) -> None:
        """Add a request, which the next step starts."""
        assert request_id not in self._requests and not params.detokenize and params.ignore_eos
        assert len(prompt["prompt_embeds"]) + params.max_tokens <= self.arguments.max_model_len
        rng = torch.Generator().manual_seed(params.seed or 0)
        self._requests[request_id] = _Request(prompt["prompt_embeds"], params, rng)

    def abort_request(self, request_ids: list[str]) -> None:
        """Remove requests; those that are not known are ignored."""
        for name in request_ids:
            self._requests.pop(name, None)

    def has_unfinished_requests(self) -> bool:
        """Return whether requests are left."""
        return bool(self._requests)

    @torch.inference_mode()
    def step(self) -> list[Any]:
        """Add one token to each request, and return all of its tokens so far, the stop token included."""
        outputs = []
        for name, request in list(self._requests.items()):
            log_probabilities = self._log_probabilities(request)
            token_id = _choose(log_probabilities, request)
            request.token_ids.append(token_id)
            request.logprobs.append({token_id: types.SimpleNamespace(logprob=float(log_probabilities[token_id]))})
            stopped = token_id in request.params.stop_token_ids
            finished = stopped or len(request.token_ids) == request.params.max_tokens
            if finished:
                del self._requests[name]
            completion = types.SimpleNamespace(token_ids=list(request.token_ids), logprobs=list(request.logprobs))
            outputs.append(types.SimpleNamespace(request_id=name, outputs=[completion], finished=finished))
        return outputs

    def _log_probabilities(self, request: _Request) -> torch.Tensor:
        words = self._model.get_input_embeddings()(torch.tensor(request.token_ids, dtype=torch.long))
        embeddings = torch.cat([request.embeddings, words])
        return self._model(inputs_embeds=embeddings[None]).logits[0, -1].float().log_softmax(-1)


def _choose(log_probabilities: torch.Tensor, request: _Request) -> int:
    params = request.params
    if params.temperature == 0:
        return int(log_probabilities.argmax())
    best, ids = (log_probabilities / params.temperature).topk(min(params.top_k, len(log_probabilities)))
    weights = best.softmax(-1)
    weights[weights.cumsum(-1) - weights >= params.top_p] = 0
    return int(ids[torch.multinomial(weights, 1, generator=request.rng)])
