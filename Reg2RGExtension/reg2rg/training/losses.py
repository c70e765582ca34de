"""What training minimises: vision learns to see findings, then text learns to tell them.

The text loss alone leaves a small model at "always normal"; labels of regions, and a target under every cell of the
finding map where findings have masks, do not (design notes, "what made the difference").
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.inference.detection import cues_from_output
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.finding_head import FindingHead, FindingOutput
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.training.collation import Sections, collate_texts, packed_text
from reg2rg.training.samples import RegionSample, TrainingCase, decoded

BACKGROUND_WEIGHT = 0.3
"""Of a cell of the finding map that shows nothing."""
FINDING_WEIGHT = 60.0
"""Of a finding of n cells each has this by the root of n, at least 1: a small one must not drown."""
NORMAL_SHARE = 0.35
"""Of the regions that show no finding, how many a step of vision looks at."""
DENSE_SCALE = 1 / 1000
"""Of the sum over cells of a region, so that the map's loss weighs about as much as that of the labels."""

TRUE_CUES, PREDICTED_CUES = 0.35, 0.35
"""Share of regions whose cues are what the text says, and what the head says; the others' are silent."""
EXCHANGED = 0.15
"""Share of regions, of those with true cues, whose image is that of another case: so a cue is followed where it and the
image disagree, as they do when a user corrects the head."""

Losses = dict[str, Tensor]


def thinned(cases: Sequence[TrainingCase], chance: random.Random) -> tuple[list[RegionSample], Tensor]:
    """Regions of cases with all findings, but few of the others, and the weight of each that makes up for it.

    Four regions in five show nothing; a step over all of them teaches little more than one over some.
    """
    samples, weights = [], []
    for sample in (sample for case in cases for sample in case.regions):
        shows = bool((sample.labels == 1).any())
        if shows or chance.random() < NORMAL_SHARE:
            samples.append(sample)
            weights.append(1.0 if shows else 1 / NORMAL_SHARE)
    return samples or list(cases[0].regions), torch.tensor(weights or [1.0] * len(cases[0].regions))


def vision_losses(model: Reg2RG, samples: Sequence[RegionSample], weights: Tensor) -> Losses:
    """Losses of the finding head over regions (weights (B,)), volumes with a little noise and contrast of their own."""
    head, total = model.embedding_layer.finding_head, float(weights.sum())
    sums: Losses = {}
    for indices in by_shape(samples):
        group = [samples[index] for index in indices]
        textures = jittered(_volumes(model, [sample.texture for sample in group]))
        output = model.embedding_layer.detect_findings(textures, _stacked(group, "voxel_mm", model.device))
        for name, each in head_losses(head, output, group).items():
            sums[name] = sums.get(name, 0) + (each * weights[indices].to(each)).sum() / total
    return sums


def head_losses(head: FindingHead, output: FindingOutput, samples: Sequence[RegionSample]) -> Losses:
    """Losses (B,) of what the head says of regions: labels, side, level and size, and the finding map."""
    device = output.logits.device
    labels = _stacked(samples, "labels", device)
    present = labels == 1
    bce = F.binary_cross_entropy_with_logits(output.logits, labels.nan_to_num(), reduction="none")
    losses = {"labels": (bce * ~labels.isnan()).sum(1)}
    for name, logits in (("sides", output.side_logits), ("levels", output.level_logits)):
        target = _stacked(samples, name, device)
        each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1, reduction="none")
        losses[name] = (each.reshape(target.shape) * present).sum(1)
    sizes = _stacked(samples, "sizes", device)
    error = F.smooth_l1_loss(output.log_size, sizes.nan_to_num(1.0).log(), reduction="none", beta=0.1)
    losses["sizes"] = (error * (present & ~sizes.isnan())).sum(1)
    if output.map_log_probs is not None and all(sample.cells is not None for sample in samples):
        losses["map"] = map_loss(output.map_log_probs, _stacked(samples, "cells", device).long())
    return losses


def map_loss(dense: Tensor, cells: Tensor) -> Tensor:
    """Cross-entropy (B,) of maps' log-probabilities (B, F + 1, h, w, d) against the label of each cell (B, h, w, d)."""
    counts = dense.new_zeros(dense.shape[:2])
    counts.scatter_add_(1, cells.flatten(1), dense.new_ones(cells.flatten(1).shape))
    weights = (FINDING_WEIGHT / counts.clamp(min=1).sqrt()).clamp(min=1)
    weights[:, 0] = BACKGROUND_WEIGHT
    each = weights.gather(1, cells.flatten(1)).reshape(cells.shape)
    return (F.nll_loss(dense, cells, reduction="none") * each).sum(dim=(1, 2, 3)) * DENSE_SCALE


@dataclass(frozen=True)
class KeptVision:
    """What a frozen vision transformer makes of a case, computed once.

    Attributes:
        image: (N, dim) bfloat16 vision tokens of the whole volume.
        tokens: of each region, (N, dim) bfloat16; they know of the finding map if there is one.
        cues: what the finding head tells of the regions, one row each; None without a head.
    """

    image: Tensor
    tokens: tuple[Tensor, ...]
    cues: Cues | None


def kept_vision(model: Reg2RG, case: TrainingCase) -> KeptVision:
    """What the vision transformer and the finding head, as they are now, make of a case.

    Without gradients where the vision transformer is frozen: the caller's ``torch.no_grad``.
    """
    encoder = model.embedding_layer
    image = encoder.vision_encoder(_volumes(model, [case.image]))[0].bfloat16()
    tokens: dict[int, Tensor] = {}
    cues: dict[int, Cues] = {}
    for sample in case.regions:
        texture = _volumes(model, [sample.texture])
        if encoder.finding_head is None:
            tokens[sample.region] = encoder.vision_encoder(texture)[0].bfloat16()
            continue
        output = encoder.detect_findings(texture, _stacked([sample], "voxel_mm", model.device))
        tokens[sample.region] = output.tokens[0].bfloat16()
        head = encoder.finding_head
        cues[sample.region] = cues_from_output(head.config, output, head.probabilities(output))
    told = None if encoder.finding_head is None else Cues.concatenate(list(cues.values()))
    return KeptVision(image, tuple(tokens.values()), told)


def text_losses(model: Reg2RG, cases: Sequence[TrainingCase], kept: Sequence[KeptVision]) -> Losses:
    """Loss of the texts of all regions, on what was kept of the cases' vision."""
    encoder = model.embedding_layer
    samples = [sample for case in cases for sample in case.regions]
    sizes = [model.config.preprocessing.texture_size_of(REGION_NAMES[sample.region]) for sample in samples]
    regions = _latents(model, [tokens for case in kept for tokens in case.tokens], sizes)
    images = _latents(model, [case.image for case in kept], [model.config.preprocessing.image_size] * len(kept))
    masks = _stacked(samples, "mask", model.device).float() / 255
    features = torch.cat([encoder.fc(torch.stack(regions)), encoder.encode_masks(masks)], dim=1)
    if encoder.cue_encoder is not None:
        draw = torch.rand(len(samples), device=model.device)
        shown = exchanged(samples, draw < EXCHANGED)
        seen = Cues.concatenate([case.cues for case in kept]).to(model.device).select(shown)
        features = torch.cat([features[shown], mixed_cues(model, samples, seen, draw)], dim=1)
    prompts = _prompts(model, cases, encoder.fc(torch.stack(images)), features)
    texts = collate_texts([packed_text(model, sections) for sections, _ in prompts]).to(model.device)
    prompted = [features for _, features in prompts]
    return {"text": model(texts.ids, prompted, texts.attention_mask, texts.labels, texts.positions).loss}


def by_shape(samples: Sequence[RegionSample]) -> Iterator[list[int]]:
    """Indices of the samples whose textures have one shape, together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.texture.shape, []).append(index)
    yield from groups.values()


def jittered(volumes: Tensor) -> Tensor:
    """Volumes with a little noise, contrast and offset of their own; background stays at -1."""
    chance = volumes.new_empty(3, len(volumes), 1, 1, 1)
    scale, shift = 1 + 0.04 * chance[0].normal_(), 0.01 * chance[1].normal_()
    noise = 0.01 * chance[2].uniform_() * torch.randn_like(volumes)
    changed = ((volumes + 1) * scale - 1 + shift + noise).clamp(-1, 1)
    return torch.where(volumes > -1, changed, volumes)


def true_cues(samples: Sequence[RegionSample], seen: Cues) -> Cues:
    """Cues that say what the texts say; of findings that are absent, the head's likeliest are told first."""
    device = seen.probability.device
    labels, sizes = _stacked(samples, "labels", device).nan_to_num(0.5), _stacked(samples, "sizes", device)
    return Cues(
        probability=labels,
        side=_stacked(samples, "sides", device).clamp(min=0),
        level=_stacked(samples, "levels", device).clamp(min=0),
        size_mm=torch.where(sizes.isnan(), seen.size_mm * (sizes > 0), sizes).nan_to_num(),
        priority=labels * 10 + seen.probability,
    )


def mixed_cues(model: Reg2RG, samples: Sequence[RegionSample], seen: Cues, draw: Tensor) -> Tensor:
    """Cue tokens (B, cues, width) of which some tell the truth, some what the head saw and some nothing.

    Which of them says a number in [0, 1] for each, ``draw`` (B). So the text learns to do without, and to follow both.
    """
    encoder = model.embedding_layer.cue_encoder
    draw = draw[:, None, None]
    true, predicted = encoder(true_cues(samples, seen)), encoder(seen)
    told = torch.where(draw < TRUE_CUES, true, predicted)
    return torch.where(draw < TRUE_CUES + PREDICTED_CUES, told, encoder.null_cues(len(samples)))


def exchanged(samples: Sequence[RegionSample], wanted: Tensor) -> Tensor:
    """Whose image stands for that of each region: where it is wanted (B,) the next case's, its own else.

    Of another case, but of the same region; its own, too, where no other case of the batch has that region.
    """
    places: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        places.setdefault(sample.region, []).append(index)
    shown = torch.arange(len(samples), device=wanted.device)
    for alike in places.values():
        for index, following in zip(alike, [*alike[1:], alike[0]], strict=True):
            if wanted[index]:
                shown[index] = following
    return shown


def _latents(model: Reg2RG, tokens: Sequence[Tensor], sizes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Latents (latents, dim) of volumes from their vision tokens, in the order given."""
    encoder = model.embedding_layer
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    latents: list[Tensor] = [tokens[0]] * len(tokens)
    for size, indices in groups.items():
        volumes = torch.empty(1, *size, device=model.device)  # only its shape is read
        made = encoder.latents(volumes, torch.stack([tokens[index] for index in indices]).to(model.device).float())
        for index, row in zip(indices, made, strict=True):
            latents[index] = row
    return latents


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


def _volumes(model: Reg2RG, codes: Sequence[np.ndarray]) -> Tensor:
    """Coded volumes of one shape as what the model sees: (B, H, W, D)."""
    return decoded(codes, model.config.preprocessing).to(model.device)


def _stacked(samples: Sequence[RegionSample], name: str, device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples])).to(device)
