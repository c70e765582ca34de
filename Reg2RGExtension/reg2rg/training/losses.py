"""Training losses: the vision stage learns to recognize findings, and the text stage learns to report them.

With the text loss alone, a small model ends up writing "normal" everywhere. Labels per region, and a target for every
cell of the finding map where findings have masks, prevent this (docs/training.md).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.inference.detection import cues_from_output
from reg2rg.models.cue_encoder import CueEncoder, Cues
from reg2rg.models.finding_head import FindingOutput, Sighting
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.training.collation import Sections, collate_texts, pack_text
from reg2rg.training.samples import IGNORED_CELL, RegionSample, TrainingCase, decode_volumes

BACKGROUND_WEIGHT = 0.3
"""Weight of each cell of the finding map that shows no finding."""
FINDING_WEIGHT = 60.0
"""Weight of each cell of a finding with n cells, divided by sqrt(n), but at least 1, so that small findings count."""
NORMAL_SHARE = 0.35
"""Share of the regions without a finding that a vision step uses."""
MAP_LOSS_SCALE = 1 / 1000
"""Scales the sum over a region's cells, so that the loss of the map is about as large as that of the labels."""

TRUE_CUE_SHARE, PREDICTED_CUE_SHARE = 0.35, 0.35
"""Shares of regions whose cues come from their text and from the finding head. The others get empty cues."""
SWAPPED_IMAGE_SHARE = 0.15
"""Share of the regions with true cues that get the image of another case. This teaches the model to follow a cue that
contradicts the image, as it must when a user corrects the finding head."""

Losses = dict[str, Tensor]


def subsample_normal_regions(cases: Sequence[TrainingCase], rng: random.Random) -> tuple[list[RegionSample], Tensor]:
    """Select all regions with findings and some of those without, with weights that compensate for the selection.

    Four out of five regions show no finding. A step over all of them teaches little more than a step over some.

    Args:
        cases: the cases.
        rng: source of randomness.

    Returns:
        B samples and their weights (B,).
    """
    samples, weights = [], []
    for sample in (sample for case in cases for sample in case.regions):
        has_finding = bool((sample.labels == 1).any())
        if has_finding or rng.random() < NORMAL_SHARE:
            samples.append(sample)
            weights.append(1.0 if has_finding else 1 / NORMAL_SHARE)
    if not samples:
        samples = list(cases[0].regions)
        weights = [1.0] * len(samples)
    return samples, torch.tensor(weights)


def vision_losses(model: Reg2RG, samples: Sequence[RegionSample], weights: Tensor) -> Losses:
    """Compute the losses of the finding head, with random noise and contrast added to the volumes.

    Args:
        model: a model with a finding head.
        samples: B regions.
        weights: (B,) weight of each region.

    Returns:
        The weighted mean of each loss.
    """
    total = float(weights.sum())
    sums: Losses = {}
    for indices in group_by_shape(samples):
        group = [samples[index] for index in indices]
        textures = augment_intensity(_decode(model, [sample.texture for sample in group]))
        output = _detect(model, textures, group)
        for name, losses in head_losses(output, group).items():
            weighted = (losses * weights[indices].to(losses)).sum() / total
            sums[name] = sums[name] + weighted if name in sums else weighted
    return sums


def head_stage_losses(model: Reg2RG, cases: Sequence[TrainingCase], seen: Sequence[SeenCase]) -> Losses:
    """Compute the losses of what the finding head concludes from what was seen.

    Args:
        model: a model with a finding head.
        cases: the cases.
        seen: what was seen in each case.

    Returns:
        The mean of each loss over all regions.
    """
    samples = [sample for case in cases for sample in case.regions]
    sightings = [sighting for case in seen for sighting in case.sightings]
    sums: Losses = {}
    for indices in group_by_shape(samples):
        group = [samples[index] for index in indices]
        output = conclude(model, group, [sightings[index] for index in indices])
        for name, losses in head_losses(output, group).items():
            sums[name] = sums[name] + losses.sum() / len(samples) if name in sums else losses.sum() / len(samples)
    return sums


def conclude(model: Reg2RG, samples: Sequence[RegionSample], sightings: Sequence[Sighting]) -> FindingOutput:
    """Return what the finding head concludes about samples of equal shape.

    Args:
        model: a model with a finding head.
        samples: B regions.
        sightings: what was seen in each of them.
    """
    head = model.embedding_layer.finding_head
    assert head is not None
    voxel_mm, scalars = (_stack(samples, name, model.device) for name in ("voxel_mm", "scalars"))
    odds = [sighting.odds for sighting in sightings if sighting.odds is not None]
    together = Sighting(
        torch.cat([sighting.tokens for sighting in sightings]).to(model.device).float(),
        torch.cat(odds).to(model.device).float() if odds else None,
        torch.cat([sighting.evidence for sighting in sightings]).to(model.device),
    )
    patches = zip(samples[0].texture.shape, model.config.vision.patch_size, strict=True)
    h, w, d = (size // patch for size, patch in patches)
    return head.conclude(together, (h, w, d), voxel_mm, scalars)


def _detect(model: Reg2RG, textures: Tensor, samples: Sequence[RegionSample]) -> FindingOutput:
    """Apply the finding head to the decoded textures of samples."""
    voxel_mm, scalars = (_stack(samples, name, model.device) for name in ("voxel_mm", "scalars"))
    return model.embedding_layer.detect_findings(textures, voxel_mm, scalars)


def head_losses(output: FindingOutput, samples: Sequence[RegionSample]) -> Losses:
    """Compute the losses of the finding head's output.

    Args:
        output: the head's output for B regions.
        samples: the regions with their targets.

    Returns:
        The losses (B,) of labels, sides, levels and sizes, and of the finding map if all samples have targets for it.
    """
    device = output.logits.device
    labels = _stack(samples, "labels", device)
    present = labels == 1
    bce = F.binary_cross_entropy_with_logits(output.logits, labels.nan_to_num(), reduction="none")
    losses = {"labels": (bce * ~labels.isnan()).sum(1)}
    for name, logits in (("sides", output.side_logits), ("levels", output.level_logits)):
        target = _stack(samples, name, device)
        each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1, reduction="none")
        losses[name] = (each.reshape(target.shape) * present).sum(1)
    sizes = _stack(samples, "sizes", device)
    error = F.smooth_l1_loss(output.log_size, sizes.nan_to_num(1.0).log(), reduction="none", beta=0.1)
    losses["sizes"] = (error * (present & ~sizes.isnan())).sum(1)
    if output.map_log_probs is not None and all(sample.cells is not None for sample in samples):
        losses["map"] = map_loss(output.map_log_probs, _stack(samples, "cells", device).long())
    return losses


def map_loss(log_probabilities: Tensor, cells: Tensor) -> Tensor:
    """Compute the weighted cross-entropy of finding maps.

    Args:
        log_probabilities: (B, F + 1, h, w, d), background first.
        cells: (B, h, w, d), target of each cell; cells of IGNORED_CELL do not count.

    Returns:
        The losses (B,).
    """
    counted = cells != IGNORED_CELL
    cells = cells.where(counted, 0)
    counts = log_probabilities.new_zeros(log_probabilities.shape[:2])
    counts.scatter_add_(1, cells.flatten(1), log_probabilities.new_ones(cells.flatten(1).shape))
    weights = (FINDING_WEIGHT / counts.clamp(min=1).sqrt()).clamp(min=1)
    weights[:, 0] = BACKGROUND_WEIGHT
    cell_weights = weights.gather(1, cells.flatten(1)).reshape(cells.shape) * counted
    return (F.nll_loss(log_probabilities, cells, reduction="none") * cell_weights).sum(dim=(1, 2, 3)) * MAP_LOSS_SCALE


@dataclass(frozen=True)
class CachedFeatures:
    """The output of the vision transformer and the finding head for one case.

    Attributes:
        image: bfloat16 (N, dim), vision tokens of the whole volume.
        tokens: for each region, bfloat16 (N, dim). With a finding head, they include its map's contribution.
        cues: the cues that the finding head predicts, one row per region; None without a head.
    """

    image: Tensor
    tokens: tuple[Tensor, ...]
    cues: Cues | None


@dataclass(frozen=True)
class SeenCase:
    """What a frozen vision transformer and finding map show of one case, before the finding head concludes anything.

    Attributes:
        image: bfloat16 (N, dim), vision tokens of the whole volume.
        sightings: for each region, one row; bfloat16, with its evidence in float32.
    """

    image: Tensor
    sightings: tuple[Sighting, ...]


def look(model: Reg2RG, case: TrainingCase) -> SeenCase:
    """Run the vision transformer and the finding map on a case. The caller disables gradients."""
    encoder = model.embedding_layer
    image = encoder.vision_encoder(_decode(model, [case.image]))[0].bfloat16()
    sightings = []
    for sample in case.regions:
        seen = encoder.look(_decode(model, [sample.texture]), _stack([sample], "voxel_mm", model.device))
        odds = None if seen.odds is None else seen.odds.bfloat16()
        sightings.append(Sighting(seen.tokens.bfloat16(), odds, seen.evidence.float()))
    return SeenCase(image, tuple(sightings))


def features_of(model: Reg2RG, case: TrainingCase, seen: SeenCase) -> CachedFeatures:
    """Return the features of a case from what was seen in it. The caller disables gradients."""
    head = model.embedding_layer.finding_head
    assert head is not None
    cues = []
    for sample, sighting in zip(case.regions, seen.sightings, strict=True):
        output = conclude(model, [sample], [sighting])
        cues.append(cues_from_output(head.config, output, head.probabilities(output)))
    return CachedFeatures(seen.image, tuple(s.tokens[0] for s in seen.sightings), Cues.concatenate(cues))


def compute_features(model: Reg2RG, case: TrainingCase) -> CachedFeatures:
    """Run the vision transformer and the finding head on a case.

    The caller disables gradients if vision is frozen.

    Args:
        model: the model.
        case: the case.

    Returns:
        The features.
    """
    encoder = model.embedding_layer
    head = encoder.finding_head
    image = encoder.vision_encoder(_decode(model, [case.image]))[0].bfloat16()
    tokens: list[Tensor] = []
    cues: list[Cues] = []
    for sample in case.regions:
        texture = _decode(model, [sample.texture])
        if head is None:
            tokens.append(encoder.vision_encoder(texture)[0].bfloat16())
        else:
            output = _detect(model, texture, [sample])
            tokens.append(output.tokens[0].bfloat16())
            cues.append(cues_from_output(head.config, output, head.probabilities(output)))
    return CachedFeatures(image, tuple(tokens), None if head is None else Cues.concatenate(cues))


def text_losses(model: Reg2RG, cases: Sequence[TrainingCase], features: Sequence[CachedFeatures]) -> Losses:
    """Compute the loss of the texts of all regions.

    Args:
        model: the model.
        cases: the cases, whose regions all have texts; none gives a loss of 0.
        features: the features of each case.

    Returns:
        The loss, named "text".
    """
    encoder = model.embedding_layer
    samples = [sample for case in cases for sample in case.regions]
    if not samples:
        return {"text": torch.zeros((), device=model.device, requires_grad=True)}
    sizes = [model.config.preprocessing.texture_size_of(REGION_NAMES[sample.region]) for sample in samples]
    regions = _latents(model, [tokens for case in features for tokens in case.tokens], sizes)
    image_sizes = [model.config.preprocessing.image_size] * len(features)
    images = _latents(model, [case.image for case in features], image_sizes)
    masks = _stack(samples, "mask", model.device).float() / 255
    region_features = torch.cat([encoder.fc(torch.stack(regions)), encoder.encode_masks(masks)], dim=1)
    if encoder.cue_encoder is not None:
        draws = torch.rand(len(samples), device=model.device)
        shown = swap_images(samples, draws < SWAPPED_IMAGE_SHARE)
        predicted = Cues.concatenate([case.cues for case in features if case.cues is not None])
        cue_tokens = mix_cues(encoder.cue_encoder, samples, predicted.to(model.device).select(shown), draws)
        region_features = torch.cat([region_features[shown], cue_tokens], dim=1)
    prompts = _prompts(model, cases, encoder.fc(torch.stack(images)), region_features)
    texts = collate_texts([pack_text(model, sections) for sections, _ in prompts]).to(model.device)
    prompt_features = [prompt for _, prompt in prompts]
    return {"text": model(texts.ids, prompt_features, texts.attention_mask, texts.labels, texts.positions).loss}


def group_by_shape(samples: Sequence[RegionSample]) -> list[list[int]]:
    """Return the indices of the samples, grouped by the shape of their textures."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.texture.shape, []).append(index)
    return list(groups.values())


def augment_intensity(volumes: Tensor) -> Tensor:
    """Randomly vary contrast, brightness and noise.

    Args:
        volumes: (B, H, W, D) in [-1, 1].

    Returns:
        The varied volumes (B, H, W, D). The background stays at -1.
    """
    draws = volumes.new_empty(3, len(volumes), 1, 1, 1)
    scale, shift = 1 + 0.04 * draws[0].normal_(), 0.01 * draws[1].normal_()
    noise = 0.01 * draws[2].uniform_() * torch.randn_like(volumes)
    changed = ((volumes + 1) * scale - 1 + shift + noise).clamp(-1, 1)
    return torch.where(volumes > -1, changed, volumes)


def true_cues(samples: Sequence[RegionSample], predicted: Cues) -> Cues:
    """Return the cues that the texts assert.

    Args:
        samples: B regions.
        predicted: the finding head's cues for them. Among the absent findings, those that the head rates most probable
            are preferred.

    Returns:
        The cues, B rows.
    """
    device = predicted.probability.device
    labels, sizes = _stack(samples, "labels", device), _stack(samples, "sizes", device)
    labels = labels.nan_to_num(0.5)
    return Cues(
        probability=labels,
        side=_stack(samples, "sides", device).clamp(min=0),
        level=_stack(samples, "levels", device).clamp(min=0),
        size_mm=torch.where(sizes.isnan(), predicted.size_mm * (sizes > 0), sizes).nan_to_num(),
        priority=labels * 10 + predicted.probability,
        scalars=predicted.scalars,
    )


def without_unknown(samples: Sequence[RegionSample], cues: Cues) -> Cues:
    """Return cues without findings that a case may have and its text does not mention.

    Otherwise, the model would learn from such texts to ignore what the finding head detects in real CTs.

    Args:
        samples: B regions.
        cues: their cues, B rows.
    """
    labels = _stack(samples, "labels", cues.probability.device)
    incomplete = torch.tensor([[bool(sample.unknown)] for sample in samples], device=labels.device)
    hidden = labels.isnan() & incomplete
    return dataclasses.replace(
        cues,
        probability=cues.probability.masked_fill(hidden, 0),
        priority=cues.priority.masked_fill(hidden, 0),
    )


def mix_cues(encoder: CueEncoder, samples: Sequence[RegionSample], predicted: Cues, draws: Tensor) -> Tensor:
    """Encode true cues for some regions, predicted cues for others and empty cues for the rest.

    This teaches the model to follow both kinds of cues, and to do without them.

    Args:
        encoder: the model's cue encoder.
        samples: B regions.
        predicted: the finding head's cues for them.
        draws: (B,) random numbers in [0, 1), which determine the kind of cues for each region.

    Returns:
        Cue tokens (B, cues, width).
    """
    draws = draws[:, None, None]
    true_tokens, predicted_tokens = (
        encoder(without_unknown(samples, cues)) for cues in (true_cues(samples, predicted), predicted)
    )
    informative = torch.where(draws < TRUE_CUE_SHARE, true_tokens, predicted_tokens)
    return torch.where(draws < TRUE_CUE_SHARE + PREDICTED_CUE_SHARE, informative, encoder.null_cues(len(samples)))


def swap_images(samples: Sequence[RegionSample], swap: Tensor) -> Tensor:
    """Choose which region's image each region is paired with.

    Args:
        samples: B regions of a batch of cases.
        swap: (B,) whether to use the image of the same region in the next case. A region that no other case in the
            batch has keeps its own image.

    Returns:
        (B,) index of the region whose image is used.
    """
    by_region: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        by_region.setdefault(sample.region, []).append(index)
    shown = torch.arange(len(samples), device=swap.device)
    for indices in by_region.values():
        for index, following in zip(indices, [*indices[1:], indices[0]], strict=True):
            if swap[index]:
                shown[index] = following
    return shown


def _latents(model: Reg2RG, tokens: Sequence[Tensor], sizes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Return the latents (latents, dim) of volumes of the given sizes from their vision tokens, in order."""
    encoder = model.embedding_layer
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, size in enumerate(sizes):
        by_size.setdefault(size, []).append(index)
    latents: dict[int, Tensor] = {}
    for size, indices in by_size.items():
        volumes = torch.empty(1, *size, device=model.device)  # only its shape is used
        stacked = torch.stack([tokens[index] for index in indices]).to(model.device).float()
        latents |= zip(indices, encoder.latents(volumes, stacked), strict=True)
    return [latents[index] for index in range(len(tokens))]


def _prompts(
    model: Reg2RG, cases: Sequence[TrainingCase], images: Tensor, regions: Tensor
) -> list[tuple[Sections, PromptFeatures]]:
    """Return the sections and the features of each prompt.

    ``images`` has one row per case; ``regions`` has the rows of all cases' regions, one case after the other.
    """
    prompts: list[tuple[Sections, PromptFeatures]] = []
    size, first = model.config.regions_per_prompt, 0
    for case, image in zip(cases, images, strict=True):
        for start in range(0, len(case.regions), size):
            group = case.regions[start : start + size]
            sections = [(REGION_NAMES[sample.region], sample.text) for sample in group]
            prompts.append((sections, PromptFeatures(image, regions[first : first + len(group)])))
            first += len(group)
    return prompts


def _decode(model: Reg2RG, codes: Sequence[np.ndarray]) -> Tensor:
    """Return encoded volumes of equal shape as the model's input (B, H, W, D)."""
    return decode_volumes(codes, model.config.preprocessing).to(model.device)


def _stack(samples: Sequence[RegionSample], name: str, device: torch.device) -> Tensor:
    """Return an array field of the samples as a tensor (B, ...)."""
    return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples])).to(device)
