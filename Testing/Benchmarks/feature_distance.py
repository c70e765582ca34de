"""How far real CTs lie from phantoms, in the features of a model's vision side and in plain statistics of the image.

    python Testing/Benchmarks/feature_distance.py [--data ../shared/data] [--phantoms 60] [--thresholds]

Real CTs are prepared as for training: resampled, with the regions of the thresholds segmenter. Features and statistics
of a region are those of the model's view of it, so that the voxels are about as large in phantoms and CTs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_erosion, uniform_filter
from torch import Tensor

from reg2rg.checkpoints import ModelFolder
from reg2rg.evaluation import Cell, Table, to_markdown
from reg2rg.models.ood_detector import KindStatistics
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.phantom import PhantomConfig, make_phantom
from reg2rg.phantom.body import POPULATIONS
from reg2rg.planting import open_host, read_host_list
from reg2rg.preprocessing import prepare
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.segmentation.thresholds.body_mask import find_body
from reg2rg.volumes import read_volume

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST_SEED = 7_000_000
PLACES = 200
"""Number of places in a region at which features are sampled."""
DIRECTIONS = 8
"""Number of principal directions of mean features; fewer than the phantoms that they are fitted on."""
SPLITS = 8
"""Number of times that the phantoms are divided, to measure how far phantoms lie from phantoms."""
FAT_HU = (-150, -30)
DENSE_LUNG_HU = -600
TABLE_HU = -500
TABLE_GAP_MM = 8.0
"""What is denser than TABLE_HU this far behind the body is a table."""
BODY_GRID_MM = 4.0
"""Voxel size at which body and table are told apart."""
BODY = "body"
"""Name of the whole volume among the regions."""

Values = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Sample:
    """What is measured in one volume.

    Attributes:
        features: region and layer -> features at random places in the region, (PLACES, width).
        statistics: region and quantity -> value.
    """

    features: dict[tuple[str, str], Tensor]
    statistics: Values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of real CTs")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "Resources/Models/phantom", help="model folder")
    parser.add_argument("--phantoms", type=int, default=60, help="number of phantoms (default: 60)")
    parser.add_argument("--population", choices=POPULATIONS, default=POPULATIONS[0], help="population of the phantoms")
    parser.add_argument("--thresholds", action="store_true", help="find the regions of phantoms by thresholds, too")
    options = parser.parse_args()
    model = ModelFolder.open(options.model).load("cpu")
    phantoms = list(measured_phantoms(model, options.phantoms, options.population, options.thresholds))
    real = list(measured_cts(model, options.data))
    print(to_markdown(distance_table(phantoms, real)))
    print(to_markdown(statistics_table(phantoms, real)))


def measured_cts(model: Reg2RG, data: Path) -> Iterator[Sample]:
    """Measure the real CTs that the embedded model was trained or chosen with."""
    for entry in read_host_list(REPOSITORY / "Resources/Training/real_cts.yaml"):
        host = open_host(entry, data)
        whole = sitk.DICOMOrient(read_volume(data / entry.file), "LPS")  # the host is cropped to the body
        yield measure(model, host.volume, host.masks, body_statistics(whole))


def measured_phantoms(model: Reg2RG, count: int, population: str, thresholds: bool = False) -> Iterator[Sample]:
    """Measure phantoms, with their exact regions or with those from thresholds."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        phantom = make_phantom(seed, PhantomConfig(population=population))
        masks = ThresholdSegmenter().segment(phantom.volume) if thresholds else phantom.masks
        yield measure(model, phantom.volume, masks, body_statistics(phantom.volume))


@torch.inference_mode()
def measure(model: Reg2RG, volume: sitk.Image, masks: RegionMasks, statistics: Values) -> Sample:
    """Measure features and statistics of the regions of a volume, and add statistics of the whole volume."""
    config = model.config.preprocessing
    inputs = prepare(volume, masks, config)
    features: dict[tuple[str, str], Tensor] = {}
    statistics = dict(statistics)
    for region, texture in {BODY: inputs.image, **inputs.textures}.items():
        view = texture.squeeze(0)
        inside = view > -1
        for layer, values in layers(model, view).items():
            features[region, layer] = at_random_places(values, inside)
        if region == BODY:
            continue
        hu = config.hu_min + (config.hu_max - config.hu_min) * (view.numpy() + 1) / 2
        voxel_mm = inputs.crops[region].voxel_mm
        measured = region_statistics(region, hu, inside.numpy(), voxel_mm)
        statistics |= {(region, quantity): value for quantity, value in measured.items()}
    return Sample(features, statistics)


def layers(model: Reg2RG, view: Tensor) -> dict[str, Tensor]:
    """Return the features of a region's view (h, w, d) by layer, from fine to coarse, each (width, h', w', d')."""
    encoder = model.embedding_layer.vision_encoder
    tokens, finer = encoder.forward_pyramid(view[None])
    stem = {f"stem, 1/{len(view) // values.shape[2]}": values[0] for values in finer}
    return {**stem, "tokens": tokens[0].T.unflatten(1, encoder.grid(view[None]))}


def at_random_places(values: Tensor, inside: Tensor) -> Tensor:
    """Return features (width, h', w', d') at random places, (PLACES, width), most of whose voxels are inside."""
    share = F.adaptive_avg_pool3d(inside[None].float(), values.shape[1:]).flatten()
    places = torch.where(share >= min(0.5, float(share.max())))[0]
    chosen = torch.randint(len(places), (PLACES,), generator=torch.Generator().manual_seed(0))
    return values.flatten(1).T[places[chosen]].float()


def region_statistics(region: str, hu: np.ndarray, inside: np.ndarray, voxel_mm: Sequence[float]) -> dict[str, float]:
    """Return statistics of a region.

    Args:
        region: its name.
        hu: the model's view of the region in HU.
        inside: voxels of the view that belong to the region.
        voxel_mm: voxel size of the view.
    """
    values = hu[inside]
    found = {f"HU, {level}th percentile": float(np.percentile(values, level)) for level in (5, 25, 50, 75, 95)}
    found["fat, %"] = 100 * float(((values > FAT_HU[0]) & (values < FAT_HU[1])).mean())
    if region == "lung":
        found["denser than -600 HU, %"] = 100 * float((values > DENSE_LUNG_HU).mean())
    inner = binary_erosion(inside, np.ones((3, 3, 3)))
    if inner.any():
        mean, mean_square = (uniform_filter(each.astype(float), 3) for each in (hu, np.square(hu)))
        spread = np.sqrt(np.maximum(mean_square - np.square(mean), 0))
        found["noise: least spread over 3 voxels, HU"] = float(np.percentile(spread[inner], 10))
        found["texture: median spread over 3 voxels, HU"] = float(np.median(spread[inner]))
        slope = np.sqrt(sum(np.square(part) for part in np.gradient(hu, *voxel_mm)))
        found["edges: steepest 5%, HU/mm"] = float(np.percentile(slope[inner], 95))
    found["correlation length, mm"] = correlation_length(hu, inside, voxel_mm)
    return found


def correlation_length(hu: np.ndarray, inside: np.ndarray, voxel_mm: Sequence[float]) -> float:
    """Return the distance in mm over which the correlation of voxels falls to 1/e, judged by neighbors."""
    centered = hu - hu[inside].mean()
    lengths = []
    for axis, size in enumerate(voxel_mm):
        here, there = np.moveaxis(centered, axis, 0), np.moveaxis(inside, axis, 0)
        both = there[:-1] & there[1:]
        a, b = here[:-1][both], here[1:][both]
        correlation = float((a * b).mean() / max(float(np.sqrt((a**2).mean() * (b**2).mean())), 1e-6))
        lengths.append(-size / np.log(np.clip(correlation, 1e-3, 0.999)))
    return float(np.mean(lengths))


def body_statistics(volume: sitk.Image) -> Values:
    """Return statistics of a whole volume with LPS axes: fat, size of the trunk, and what lies behind it."""
    step = [max(1, round(BODY_GRID_MM / spacing)) for spacing in volume.GetSpacing()]
    hu = sitk.GetArrayFromImage(volume[:: step[0], :: step[1], :: step[2]]).astype(np.float32)
    z, y, x = (n * spacing for n, spacing in zip(step[::-1], volume.GetSpacing()[::-1], strict=True))
    body = find_body(hu, (z, y, x))
    tissue = body & (hu > FAT_HU[0])
    backs = hu.shape[1] - body[:, ::-1].argmax(axis=1)  # of each column (z, x)
    behind = np.arange(hu.shape[1])[None, :, None] > backs[:, None] + TABLE_GAP_MM / y
    table = behind & body.any(axis=1)[:, None] & (hu > TABLE_HU)
    voxel_ml = x * y * z / 1000
    slices = max(1, int(body.any(axis=(1, 2)).sum()))
    widths = body.any(axis=1).sum(axis=1) * x
    return {
        (BODY, "fat, % of tissue"): 100 * float((tissue & (hu < FAT_HU[1])).sum() / max(1, tissue.sum())),
        (BODY, "median width, mm"): float(np.median(widths[widths > 0])) if widths.any() else np.nan,
        (BODY, "table, ml per cm"): float(table.sum()) * voxel_ml / (slices * z / 10),
    }


def distance_table(phantoms: Sequence[Sample], real: Sequence[Sample]) -> Table:
    """Return one row per region and layer: how far the features of phantoms and real CTs lie apart.

    Args:
        phantoms: at least six; the first has every region.
        real: real CTs. Regions that fewer than two of them have are left out.
    """
    rows: list[tuple[Cell, ...]] = []
    for region, layer in phantoms[0].features:
        ours, theirs = (
            [sample.features[region, layer] for sample in samples if (region, layer) in sample.features]
            for samples in (phantoms, real)
        )
        if len(theirs) < 2:
            continue
        distance, floor = frechet_to_real(ours, theirs), frechet_floor(ours, len(theirs))
        rows.append((region, layer, len(theirs), distance, floor, distance / floor, *volume_distances(ours, theirs)))
    ratios, volumes = (np.array([row[column] for row in rows], float) for column in (5, 6))
    rows.append(("all", "all", len(real), None, None, geometric_mean(ratios), geometric_mean(volumes), None))
    description = (
        "Fréchet: squared distance between the features of phantoms and CTs at random places, relative to the variance "
        "in phantoms. Floor: the same between as many phantoms and the others. CT: distance of the mean features of a "
        "CT from those of phantoms as the model's check for unusual volumes measures it, median of the CTs, where the "
        "median of other phantoms is 1. Limit: what 95% of other phantoms stay below. The last row holds geometric "
        "means."
    )
    columns = ("region", "layer", "CTs", "Fréchet", "floor", "Fréchet / floor", "CT", "limit")
    return Table("distances", "Features of phantoms and real CTs", description, columns, tuple(rows))


def geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean of positive values."""
    return float(np.exp(np.log(values).mean()))


def frechet_to_real(phantoms: Sequence[Tensor], real: Sequence[Tensor]) -> float:
    return frechet(torch.cat(list(phantoms)), torch.cat(list(real)))


def frechet_floor(phantoms: Sequence[Tensor], count: int) -> float:
    """Return the mean distance between ``count`` phantoms and the others."""
    rng = np.random.default_rng(0)
    distances = []
    for _ in range(SPLITS):
        order = rng.permutation(len(phantoms))
        some, others = order[:count], order[count:]
        distances.append(frechet_to_real([phantoms[i] for i in others], [phantoms[i] for i in some]))
    return float(np.mean(distances))


def frechet(first: Tensor, second: Tensor) -> float:
    """Return the squared Fréchet distance between two samples (N, width), relative to the variance of the first.

    The samples are treated as normally distributed (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule
    Converge to a Local Nash Equilibrium", NeurIPS 2017).
    """
    first, second = first.double(), second.double()
    a, b = first.T.cov(), second.T.cov()
    values, vectors = torch.linalg.eigh(a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    distance = (first.mean(0) - second.mean(0)).square().sum() + a.trace() + b.trace() - 2 * shared
    return float(distance / a.trace())


def volume_distances(phantoms: Sequence[Tensor], real: Sequence[Tensor]) -> tuple[float, float]:
    """Return the median distance of CTs from phantoms and the limit for phantoms, relative to the median phantom."""
    region = REGION_NAMES[0]  # the statistics are kept by region; any of them serves
    means = [{region: features.mean(0)} for features in phantoms]
    half = len(means) // 2
    statistics = KindStatistics(phantoms[0].shape[1], min(DIRECTIONS, half - 2))
    statistics.fit(means[:half], means[half:])
    found = [statistics({region: features.mean(0)}) for features in real]
    return float(np.median([distance for distance, _ in found])), found[0][1]


def statistics_table(phantoms: Sequence[Sample], real: Sequence[Sample]) -> Table:
    """Return one row per region and quantity: its mean in phantoms and real CTs."""
    rows: list[tuple[Cell, ...]] = []
    for region, quantity in phantoms[0].statistics:
        ours, theirs = (
            np.array([s.statistics[region, quantity] for s in samples if (region, quantity) in s.statistics])
            for samples in (phantoms, real)
        )
        if len(theirs) > 1:
            difference = (theirs.mean() - ours.mean()) / max(np.hypot(ours.std(), theirs.std()), 1e-6)
            rows.append((region, quantity, *(v for a in (ours, theirs) for v in (a.mean(), a.std())), difference))
    description = (
        "Mean and standard deviation over volumes. Difference: that of the means, relative to the standard deviations "
        "of both kinds together."
    )
    columns = ("region", "quantity", "phantoms", "±", "real CTs", "±", "difference")
    return Table("statistics", "Images of phantoms and real CTs", description, columns, tuple(rows))


if __name__ == "__main__":
    main()
