"""Learning from reviews: a bias is planted into a model, its drafts are reviewed, and it learns from the reviews.

    python Testing/Benchmarks/learn_from_review.py -o out/learning

1. The model's finding head is trained on false labels, so that it detects calcified coronary arteries in every heart.
2. The changed model drafts reports of phantoms. A scripted reviewer, who knows what each phantom contains, accepts
   sections whose statements are right, corrects the others, and signs.
3. `reg2rg learn` trains the changed model on these reports.

The tables compare the changed model and what it learned, on reports that were held out and on other phantoms. The
phantoms that `reg2rg learn` rehearses say nothing about a finding that the reviews teach, so only the reviews can
remove the bias. Everything is kept in the output folder, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import SimpleITK as sitk
import torch

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.saving import save_model
from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.hub import find_model
from reg2rg.inference import ReportGenerator
from reg2rg.labeler import Status, extract_mentions, split_sentences
from reg2rg.models.config import ModelConfig
from reg2rg.phantom import PhantomCase, make_phantom
from reg2rg.preprocessing import prepare, with_scalars
from reg2rg.report import (
    REGIONS_FILE,
    REPORT_FILE,
    Geometry,
    Provenance,
    Report,
    ReportBuilder,
    ReviewState,
    SectionReview,
    sign,
)
from reg2rg.report.review import now
from reg2rg.report.review_changes import begin_review, with_section_review
from reg2rg.runtime.versions import versions
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import Stage
from reg2rg.training.datasets import PhantomSource, Statements
from reg2rg.training.feature_cache import SightingCache
from reg2rg.training.module import TrainingModule
from reg2rg.training.samples import TrainingCase, make_case
from reg2rg.volumes import read_volume
from reg2rg.volumes.voxel_hash import voxel_sha256

LABEL, REGION = "Coronary artery wall calcification", "heart"
REGIONS = ("heart", "pleura", "mediastinum", "trachea and bronchie", "esophagus", "thyroid")
"""Regions of the reports. The others take most of the time, and the comparison on other phantoms contains them."""

FIRST_SEED = 5_000_000
"""First seed of the phantoms; the embedded model was trained on others."""

FALSE_CASES, FALSE_STEPS = 20, 150
"""Phantoms with false labels, and the steps over which the bias is learned from them."""


class FalsePhantoms(PhantomSource):
    """Phantoms that all have LABEL, if one believes their labels."""

    def statements(self, name: str) -> Statements:
        """Return the false label."""
        return {REGION: {LABEL: True}}

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case of one region."""
        phantom = make_phantom(int(name))
        return make_case(phantom.volume, phantom.masks, {REGION: phantom.sections[REGION]}, config)


def plant_bias(output: Path) -> None:
    """Write a copy of the embedded model that was trained on false labels of one finding."""
    model = ModelFolder.open(find_model("phantom")).load()
    names = tuple(str(seed) for seed in range(FIRST_SEED - FALSE_CASES, FIRST_SEED))
    with tempfile.TemporaryDirectory() as scratch:
        cases = CaseCache(FalsePhantoms(names, ()), model.config, Path(scratch))
        stage = Stage("head", steps=FALSE_STEPS)
        module = TrainingModule(model, stage, cases, None, SightingCache(model, cases, Path(scratch)))
        optimizer = torch.optim.AdamW(module.trained_parameters().values(), lr=5e-4)
        for step in range(FALSE_STEPS):
            loss = sum(module(torch.arange(4 * step, 4 * step + 4) % FALSE_CASES).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    save_model(model.eval(), output, dtype=torch.float16, card=f"# biased\n\nDetects {LABEL} too often.\n")


def draft(generator: ReportGenerator, model: ModelFolder, phantom: PhantomCase, ct: Path, folder: Path) -> Report:
    """Write the CT of a phantom, and return the draft of a report on REGIONS, whose folder holds the regions."""
    sitk.WriteImage(phantom.volume, str(ct))
    volume, masks = read_volume(ct), phantom.masks.only(REGIONS)
    folder.mkdir(parents=True, exist_ok=True)
    write_regions(masks, folder / REGIONS_FILE)
    inputs = prepare(volume, masks, model.config.preprocessing, masks.present)
    inputs = with_scalars(inputs, volume, masks, model.config.scalars)
    detected = {region: found.findings for region, found in generator.detect(inputs).items()}
    texts = generator.generate(inputs, parallel=model.config.parallel)
    provenance = Provenance(
        model=model.config.name,
        model_sha256=model.weights_sha256,
        decoding="greedy",
        device="cpu",
        precision="fp32",
        seed=0,
        max_new_tokens=500,
        segmenter="phantom",
        segmenter_reason="They are those of the phantom.",
        versions=versions(),
        created=now(),
        stage_seconds={},
        geometry=Geometry.from_image(volume),
        volume_sha256=voxel_sha256(volume),
    )
    return ReportBuilder(volume, masks, detected=detected).report(texts, provenance, masks.missing)


def review(report: Report, truth: Mapping[str, str]) -> Report:
    """Return a report as a reviewer signs it who knows the truth: accepted where it is right, corrected elsewhere."""
    report = begin_review(report)
    for section in report.sections:
        text = corrected(section.region, section.draft, truth[section.region])
        state = ReviewState.ACCEPTED if text == section.draft else ReviewState.EDITED
        report = with_section_review(report, section.region, SectionReview(state, text))
    return sign(report, "Scripted reviewer")


def corrected(region: str, text: str, truth: str) -> str:
    """Return a text without sentences that contradict the truth, and with what they lack."""
    true = {label for label, present in statements(region, truth).items() if present}
    kept = [
        sentence
        for sentence in sentences(text)
        if all(present == (label in true) for label, present in statements(region, sentence).items())
    ]
    said = {label for sentence in kept for label in statements(region, sentence)}
    added = [sentence for sentence in sentences(truth) if set(statements(region, sentence)) & (true - said)]
    return " ".join([*kept, *added]) or truth


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [text[start:end] for start, end in split_sentences(text)]


def statements(region: str, text: str) -> dict[str, bool]:
    """Return which findings a text states or denies."""
    return {mention.label: mention.status is not Status.ABSENT for mention in extract_mentions(text, region)}


def main() -> None:
    """Run the steps that have not been done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--reports", type=int, default=60)
    arguments = parser.parse_args()
    output = arguments.output
    biased, cts, reports = output / "biased", output / "cts", output / "reports"
    cts.mkdir(parents=True, exist_ok=True)
    if not biased.exists():
        plant_bias(biased)
    model = ModelFolder.open(biased)
    generator = ReportGenerator(model.load())
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.reports):
        folder = reports / str(seed)
        if not (folder / REPORT_FILE).is_file():
            phantom = make_phantom(seed)
            signed = review(draft(generator, model, phantom, cts / f"{seed}.nrrd", folder), phantom.sections)
            (folder / REPORT_FILE).write_text(signed.to_json(), encoding="utf-8")
            edited = [r for r, section in signed.review.sections.items() if section.state is ReviewState.EDITED]
            print(f"{seed}: edited {', '.join(edited) or 'nothing'}")
    del generator
    command = ["learn", reports, "--cts", cts, "--model", biased, "-o", output / "learned"]
    raise SystemExit(subprocess.run([sys.executable, "-m", "reg2rg.cli", *map(str, command)]).returncode)


if __name__ == "__main__":
    main()
