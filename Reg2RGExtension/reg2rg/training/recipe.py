"""The recipe of the embedded phantom model: vision first, on findings; then text, on frozen vision tokens."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.phantom import FINDINGS
from reg2rg.regions import REGION_NAMES
from reg2rg.training.auxiliary import AuxiliaryHeads, RegionTargets
from reg2rg.training.cases import RegionSample, TrainingCase
from reg2rg.training.texts import Sections, collate_texts, packed_text

Log = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """Steps, learning rates and batch size (in cases) of the two stages."""

    vision_steps: int = 1300
    text_steps: int = 1300
    batch_cases: int = 4
    vision_rate: float = 1.5e-3
    text_rate: float = 1e-3
    warmup_steps: int = 40
    seed: int = 0


def train_vision(model: Reg2RG, heads: AuxiliaryHeads, cases: Sequence[TrainingCase], recipe: Recipe, log: Log) -> None:
    """Teach the vision transformer and the perceiver to see findings."""
    encoder = model.embedding_layer
    trained = nn.ModuleList([encoder.vision_encoder, encoder.perceiver, heads])

    def loss(batch: Sequence[TrainingCase]) -> dict[str, Tensor]:
        samples = [sample for case in batch for sample in case.regions]
        textures, targets = jittered(textures_of(samples)), targets_of(samples)
        tokens = encoder.vision_encoder(textures)
        return {
            "dense": 4 * heads.dense_loss(tokens, targets),
            "region": heads.region_loss(encoder.latents(textures, tokens), targets),
        }

    _optimise(trained, loss, cases, recipe, recipe.vision_steps, recipe.vision_rate, log, "vision")


def train_text(model: Reg2RG, heads: AuxiliaryHeads, cases: Sequence[TrainingCase], recipe: Recipe, log: Log) -> None:
    """Teach everything behind the vision transformer to write; its tokens are computed once and kept."""
    encoder = model.embedding_layer
    encoder.vision_encoder.requires_grad_(False)
    kept = {id(case): _vision_tokens(model, case) for case in cases}
    trained = nn.ModuleList([model, heads.region])

    def loss(batch: Sequence[TrainingCase]) -> dict[str, Tensor]:
        samples = [sample for case in batch for sample in case.regions]
        tokens = torch.cat([kept[id(case)] for case in batch]).float()
        volumes = torch.empty(len(tokens), *samples[0].texture.shape)  # only its shape is read
        latents = encoder.latents(volumes, tokens)
        is_image = torch.cat([torch.arange(len(case.regions) + 1) == 0 for case in batch])
        embedded = encoder.fc(latents)
        geometry = encoder.encode_masks(stacked([sample.mask for sample in samples]).float() / 255)
        regions = torch.cat([embedded[~is_image], geometry], dim=1)
        prompts = _prompts(model, batch, embedded[is_image], regions)
        texts = collate_texts([packed_text(model, sections) for sections, _ in prompts])
        features = [features for _, features in prompts]
        text = model(texts.ids, features, texts.attention_mask, texts.labels, texts.positions).loss
        return {"text": text, "region": 0.25 * heads.region_loss(latents[~is_image], targets_of(samples))}

    _optimise(trained, loss, cases, recipe, recipe.text_steps, recipe.text_rate, log, "text")
    encoder.vision_encoder.requires_grad_(True)


def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    """Arrays of one shape as a tensor (B, ...)."""
    return torch.from_numpy(np.stack(arrays))


def textures_of(samples: Sequence[RegionSample]) -> Tensor:
    """Textures of regions, float in [-1, 1]: (B, H, W, D)."""
    return stacked([sample.texture for sample in samples]).float() / 127.5 - 1


def targets_of(samples: Sequence[RegionSample]) -> RegionTargets:
    """Auxiliary targets of regions."""
    return RegionTargets(
        tokens=stacked([sample.tokens for sample in samples]),
        findings=stacked([sample.findings for sample in samples]),
        side=torch.tensor([sample.side for sample in samples]),
        level=torch.tensor([sample.level for sample in samples]),
    )


def jittered(volumes: Tensor) -> Tensor:
    """Volumes with a little noise, contrast and offset of their own; background stays at -1."""
    shape = (len(volumes), 1, 1, 1)
    scale, shift = 1 + 0.05 * torch.randn(shape), 0.03 * torch.randn(shape)
    changed = (volumes * scale + shift + 0.02 * torch.randn_like(volumes)).clamp(-1, 1)
    return torch.where(volumes > -1, changed, volumes)


def _prompts(
    model: Reg2RG, cases: Sequence[TrainingCase], images: Tensor, regions: Tensor
) -> list[tuple[Sections, PromptFeatures]]:
    """Sections and features of each prompt, from those of the cases' images and of all their regions in turn."""
    prompts, size, first = [], model.config.regions_per_prompt, 0
    for case, image in zip(cases, images, strict=True):
        for start in range(0, len(case.regions), size):
            group = case.regions[start : start + size]
            sections = [(REGION_NAMES[sample.region], sample.text) for sample in group]
            prompts.append((sections, PromptFeatures(image, regions[first : first + len(group)])))
            first += len(group)
    return prompts


@torch.no_grad()
def _vision_tokens(model: Reg2RG, case: TrainingCase) -> Tensor:
    """Vision tokens of the whole volume, then of each region: (1 + regions, tokens, dim), bfloat16."""
    volumes = torch.cat([stacked([case.image]).float() / 127.5 - 1, textures_of(case.regions)])
    with torch.autocast("cpu", torch.bfloat16):
        return model.embedding_layer.vision_encoder(volumes).bfloat16()


def _optimise(
    trained: nn.Module,
    loss: Callable[[Sequence[TrainingCase]], dict[str, Tensor]],
    cases: Sequence[TrainingCase],
    recipe: Recipe,
    steps: int,
    rate: float,
    log: Log,
    stage: str,
) -> None:
    """AdamW with warm-up and cosine decay, gradients clipped at 1, matrix products in bfloat16."""
    parameters = [p for p in trained.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, recipe.warmup_steps))
    trained.train()
    started, means = time.monotonic(), {}
    for step, batch in enumerate(_batches(cases, recipe.batch_cases, steps, recipe.seed), start=1):
        with torch.autocast("cpu", torch.bfloat16):
            parts = loss(batch)
        optimiser.zero_grad()
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        for name, value in parts.items():
            means[name] = 0.95 * means.get(name, value.item()) + 0.05 * value.item()
        if step % 50 == 0 or step == steps:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            log(f"{stage} step {step}/{steps}: {losses} ({(time.monotonic() - started) / step:.2f} s a step)")
    trained.eval()


def _rate(step: int, steps: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _batches(cases: Sequence[TrainingCase], size: int, steps: int, seed: int) -> Iterator[list[TrainingCase]]:
    """``steps`` batches, each pass over the cases in a new order."""
    shuffle, order = random.Random(seed), []
    for _ in range(steps):
        if len(order) < size:
            order = list(range(len(cases)))
            shuffle.shuffle(order)
        yield [cases[order.pop()] for _ in range(size)]


def new_heads(model: Reg2RG) -> AuxiliaryHeads:
    """Auxiliary heads for the phantoms' findings."""
    return AuxiliaryHeads(model.config, len(FINDINGS))
