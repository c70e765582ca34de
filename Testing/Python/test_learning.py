"""`reg2rg learn`: which reports count, what a review teaches, and when a model is refused."""

from __future__ import annotations

import dataclasses
import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Run, error_line
from dicom_files import write_series
from learning_files import (
    CLEAR,
    FINDINGS,
    NODULE,
    draft,
    reviewed,
    with_logit,
    write_ct,
    write_signed,
    write_tiny_model,
)
from safetensors.torch import load_file
from tiny_chest import tiny_chest
from tiny_model import tiny_config, tiny_model

from reg2rg import learning
from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.learning.answers import Answer, Answers
from reg2rg.learning.comparison import judge
from reg2rg.learning.recipe import TAUGHT, taught_findings, training_config
from reg2rg.learning.selection import select_reports, split_by_patient
from reg2rg.models.config import LoraSettings
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.report import REGIONS_FILE, REPORT_FILE, addendum, sign
from reg2rg.report.reviewed_findings import reviewed_findings, reviewed_text
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import MixedData, ReviewedCase, ReviewedData
from reg2rg.training.datasets import open_source
from reg2rg.training.head_calibration import fit_offsets
from reg2rg.training.losses import features_of, look
from reg2rg.training.module import select_parameters, with_texts
from reg2rg.volumes import read_volume


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with CTs and signed reports: the reviewer removed the nodule of each draft."""
    folder = tmp_path_factory.mktemp("signed")
    for number in range(8):
        volume = write_ct(folder / "cts", number)
        write_signed(folder / "reports" / f"r{number}", volume, NODULE, CLEAR, heart=None)
    return folder


def learn(reg2rg: Run, folder: Path, model: Path, output: Path):
    return reg2rg(
        "learn", folder / "reports", "--cts", folder / "cts", "--model", model, "-o", output, "--device", "cpu"
    )


def changed_tensors(before: Path, after: Path) -> set[str]:
    old, new = (load_file(folder / "model.safetensors") for folder in (before, after))
    return {name for name, tensor in old.items() if not torch.equal(tensor, new[name])}


# What a review says


def test_a_review_speaks_about_what_was_kept_removed_added_denied_and_marked(tmp_path: Path):
    report = draft(tmp_path / "a", tiny_chest(), f"{NODULE} Consolidation is present.", {"Bronchiectasis": True})
    report = reviewed(report, "A nodule of 12 mm is seen. There is atelectasis. Possible fibrosis.")
    said = reviewed_findings(report)["lung"]
    assert said == {
        "Lung nodule": True,
        "Consolidation": False,
        "Atelectasis": True,
        "Pulmonary fibrotic sequela": None,
        "Bronchiectasis": True,
    }
    assert "Emphysema" not in said, "the draft denied it, and the reviewer no longer mentions it"
    assert "Pleural effusion" not in said, "nobody mentioned it"


def test_a_rejected_section_teaches_only_what_was_marked(tmp_path: Path):
    report = reviewed(draft(tmp_path / "a", tiny_chest(), NODULE, {"Emphysema": True}), None)
    assert reviewed_findings(report) == {"lung": {"Emphysema": True}, "heart": {"Cardiomegaly": True}}
    assert reviewed_text(report, "lung") == "" and reviewed_text(report, "heart") == "The heart is enlarged."


def test_a_text_that_contradicts_a_mark_is_not_learned(tmp_path: Path):
    report = reviewed(draft(tmp_path / "a", tiny_chest(), NODULE, {"Lung nodule": False}), NODULE)
    assert reviewed_findings(report)["lung"]["Lung nodule"] is False and reviewed_text(report, "lung") == ""


def test_what_a_review_does_not_speak_about_is_masked(tmp_path: Path):
    volume = write_ct(tmp_path / "cts", 1)
    write_signed(tmp_path / "a", volume, NODULE, CLEAR, heart=None)
    (ct,) = (tmp_path / "cts").iterdir()
    source = open_source(ReviewedData("reviewed", (ReviewedCase(tmp_path / "a", ct),)))
    model = tiny_model(trained=False, findings=dataclasses.replace(FINDINGS, labels=(*FINDINGS.labels, "Fracture")))
    cases = CaseCache(source, model.config, tmp_path / "cache")
    lung, heart = sorted(cases[0].regions, key=lambda sample: -sample.region)
    np.testing.assert_array_equal(lung.labels, [0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(heart.labels, [np.nan] * 4)
    with torch.no_grad():
        features = features_of(model, cases[0], look(model, cases[0]))
    (kept,), _ = with_texts([cases[0]], [features])
    assert [sample.text for sample in kept.regions] == [CLEAR], "the rejected section has no text to learn"


# Which reports count


def test_only_signed_unchanged_reports_with_a_ct_count(tmp_path: Path):
    volumes = [write_ct(tmp_path / "cts", number) for number in range(5)]
    reports = tmp_path / "reports"
    write_signed(reports / "good", volumes[0], NODULE, CLEAR)
    draft(reports / "drafted", volumes[1], NODULE)
    write_signed(reports / "tampered", volumes[2], NODULE, CLEAR)
    text = (reports / "tampered" / REPORT_FILE).read_text(encoding="utf-8")
    (reports / "tampered" / REPORT_FILE).write_text(text.replace("no nodule", "a nodule"), encoding="utf-8")
    write_signed(reports / "elsewhere", tiny_chest(99), NODULE, CLEAR)
    first = write_signed(reports / "first", volumes[3], NODULE, CLEAR)
    second = sign(reviewed(addendum(first), NODULE), "Dr. B")
    (reports / "second").mkdir()
    (reports / "second" / REPORT_FILE).write_text(second.to_json(), encoding="utf-8")
    write_signed(reports / "third", volumes[4], NODULE, NODULE)
    (reports / "third" / REGIONS_FILE).write_bytes(b"NRRD0004\n")
    shutil.copytree(reports / "good", reports / "good again")
    selection = select_reports([reports], tmp_path / "cts")
    assert [each.case.report.name for each in selection.reports] == ["good"]
    assert selection.message == (
        "7 of 8 reports are left out: 1 copied from another (good again); 1 changed after signing (tampered); 1 not "
        "signed (drafted); 1 whose CT was not found (elsewhere); 1 amended by another (first); 2 without readable "
        "regions (second, third)."
    )


def test_a_message_about_reports_agrees_in_number(tmp_path: Path):
    draft(tmp_path / "reports" / "a", write_ct(tmp_path / "cts", 1), NODULE)
    message = select_reports([tmp_path / "reports"], tmp_path / "cts").message
    assert message == "1 of 1 report is left out: 1 not signed (a)."


def test_a_dicom_series_is_found_by_its_voxels_and_gives_the_patient(tmp_path: Path):
    write_series(tmp_path / "cts" / "x", tiny_chest(3))
    write_signed(tmp_path / "reports" / "a", read_volume(tmp_path / "cts" / "x"), NODULE, CLEAR)
    (found,) = select_reports([tmp_path / "reports"], tmp_path / "cts").reports
    assert found.case.ct == tmp_path / "cts" / "x" and found.case.series and found.patient.startswith("patient ")


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_and_no_ct_is_in_two_parts(signed: Path, seed: int):
    reports = select_reports([signed / "reports"], signed / "cts").reports
    twice = [*reports, *(dataclasses.replace(each) for each in reports)]  # two reports of each CT
    siblings = [dataclasses.replace(each, patient=f"patient {index // 2 % 4}") for index, each in enumerate(twice)]
    for each in (twice, siblings):
        split = split_by_patient(each, 0.25, seed)
        patients = [{report.patient for report in part} for part in (split.training, split.validation, split.held_out)]
        assert all(patients) and not patients[0] & patients[1] and not patients[2] & (patients[0] | patients[1])
        assert split == split_by_patient(each, 0.25, seed)


def test_too_few_patients_are_refused(signed: Path):
    reports = select_reports([signed / "reports"], signed / "cts").reports[:2]
    for count, words in ((0, "0 patients"), (1, "1 patient"), (2, "2 patients")):
        with pytest.raises(InputError, match=f"of {words}; expected at least 3"):
            split_by_patient(reports[:count], 0.25, 0)


# How a model learns


def test_offsets_correct_a_finding_that_is_stated_too_often_and_leave_unknown_ones_alone():
    logits = torch.tensor([[3.0, 2.0, -1.0]] * 40)
    labels = torch.zeros(40, 3)
    labels[:10, 0], labels[:, 2] = 1, torch.nan
    offsets = fit_offsets(logits, labels)
    assert torch.sigmoid(logits[0, 0] + offsets[0]).item() == pytest.approx(0.25, abs=0.15)
    assert offsets[1] < -3 and offsets[2] == 0


def test_phantoms_are_rehearsed_without_what_the_reviews_teach(signed: Path, tmp_path: Path):
    reports = select_reports([signed / "reports"], signed / "cts").reports
    assert len(reports) >= TAUGHT and taught_findings(reports) == (), "no report says where they are present"
    kept = reviewed(draft(tmp_path / "kept", tiny_chest(), NODULE), f"{NODULE} {CLEAR}")
    both = [*reports, *[dataclasses.replace(reports[0], report=kept)] * TAUGHT]
    assert taught_findings(both) == ("Lung nodule",)
    model = tiny_model(trained=False, findings=FINDINGS)
    for purpose, kind in (("synthetic phantoms", MixedData), ("chest CTs", ReviewedData)):
        model.config = dataclasses.replace(model.config, trained_for=purpose)
        save_model(model, tmp_path / purpose, card="# tiny\n")
        split = split_by_patient(reports, 0.25, 0)
        config = training_config(ModelFolder.open(tmp_path / purpose), "new", split, "cpu", 0)
        assert type(config.data) is kind


# When a model is worse


def answers(*rows: tuple[bool, float | None, bool], claims: float = 1.0) -> Answers:
    """Return answers from rows of: present, probability, stated."""
    return Answers(tuple(Answer("Emphysema", *row) for row in rows), claims, 1.0)


GOOD = answers((True, 0.9, True), (False, 0.1, False))


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        (GOOD, GOOD, set()),
        (answers((True, 0.4, False), (False, 0.6, True)), GOOD, set()),
        (GOOD, answers((True, 0.9, False), (False, 0.1, False)), {"text F1"}),
        (GOOD, answers((True, 0.4, True), (False, 0.1, False)), {"finding head F1", "Brier score"}),
        (GOOD, answers((True, 0.8, True), (False, 0.2, False)), {"Brier score"}),
        (GOOD, answers((True, 0.9, True), (False, 0.1, False), claims=2.0), {"claims per CT"}),
        (answers((False, None, False)), answers((False, None, True)), {"text F1"}),
    ],
)
def test_a_model_is_worse_if_one_of_the_numbers_is(before: Answers, after: Answers, worse: set[str]):
    assert {number.name for number in judge("cases", before, after) if number.worse} == worse


# The command


def test_a_bias_is_unlearned_and_the_card_tells_the_lineage(reg2rg: Run, signed: Path, tmp_path: Path):
    base = write_tiny_model(tmp_path / "base", with_logit(3.0))
    finished = learn(reg2rg, signed, base, tmp_path / "learned")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == str(tmp_path / "learned")
    assert "Findings in held-out reports" in finished.stdout and "Lung nodule" in finished.stdout
    after = ModelFolder.open(tmp_path / "learned").config
    changed = changed_tensors(base, tmp_path / "learned")
    assert "embedding_layer.finding_head.output_bias" in changed
    kept = ("vision_encoder.", "finding_map.", "evidence_to_tokens.", "ood_detector.")
    assert not [name for name in changed if any(part in name for part in kept) and "mask_encoder" not in name]
    assert after.name == "learned" and after.trained_for == "unknown data, then 5 reviewed reports"
    card = (tmp_path / "learned" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert ModelFolder.open(base).weights_sha256 in card and "--held-out 0.25 --seed 0" in card
    assert "5 for training, 1 for validation and calibration,\n  2 held out, of 8 patients" in card
    (row,) = [line for line in card.splitlines() if line.startswith("| Lung nodule |")]
    before, after_learning = map(float, row.split("|")[7].split("→"))
    assert before > 0.8 and after_learning < 0.5 * before, "the Brier score on held-out reports"
    assert "Created on 2026-01-01" in card
    assert "Dr. A" not in card and str(tmp_path) not in card and "r0" not in card
    assert not ModelFolder.open(tmp_path / "learned").is_card_edited
    assert {file.name for file in tmp_path.iterdir()} == {"base", "learned"}, "nothing else is left behind"


def test_a_worse_model_is_refused(reg2rg: Run, signed: Path, tmp_path: Path):
    reports = select_reports([signed / "reports"], signed / "cts").reports
    held_out = split_by_patient(reports, 0.25, 0).held_out
    for number, each in enumerate(reports):  # all others say the opposite
        text = CLEAR if each in held_out else NODULE
        write_signed(tmp_path / "reports" / f"r{number}", read_volume(each.case.ct), NODULE, text, heart=None)
    (tmp_path / "cts").symlink_to(signed / "cts")
    base = write_tiny_model(tmp_path / "base", with_logit(-3.0))
    finished = learn(reg2rg, tmp_path, base, tmp_path / "learned")
    assert finished.returncode == 3
    assert finished.stderr.splitlines()[-1] == (
        f"reg2rg: The new model is worse than {base} (Brier score on held-out reports); nothing was written."
    )
    assert "Before and after learning" in finished.stdout, "the numbers are shown"
    assert not (tmp_path / "learned").exists()


def test_of_a_language_model_with_lora_only_its_lora_is_trained(signed: Path, tmp_path: Path):
    plain = tiny_model(trained=False)
    config = tiny_config(plain.config.language.vocab_size, 1)
    language = dataclasses.replace(config.language, lora=LoraSettings(rank=2))
    model = Reg2RG(dataclasses.replace(config, language=language))
    model.tokenizer = plain.tokenizer
    save_model(model.eval(), tmp_path / "base", card="# tiny\n")
    split = split_by_patient(select_reports([signed / "reports"], signed / "cts").reports, 0.25, 0)
    (stage,) = training_config(ModelFolder.open(tmp_path / "base"), "new", split, "cpu", 0).stages
    assert stage.kind == "text", "there is no finding head to train"
    trained = [name for name in select_parameters(model, stage) if name.startswith("lang_model.")]
    assert trained and all("lora_" in name for name in trained)


def test_a_folder_that_cannot_be_written_to_is_noticed_before_the_training(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    base, output, messages = write_tiny_model(tmp_path / "base"), tmp_path / "there", []
    output.mkdir()
    (make, refused) = (Path.mkdir, PermissionError(errno.EACCES, "Permission denied"))

    def mkdir(path: Path, *arguments, **options) -> None:
        if output in path.parents:
            raise refused
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)  # root may write everywhere
    with pytest.raises(PermissionError):
        learning.learn([signed / "reports"], output, cts=signed / "cts", model=str(base), on_message=messages.append)
    assert messages == []


def test_too_little_space_is_told_without_the_options_of_a_training(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    base, usage = write_tiny_model(tmp_path / "base"), shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(
        Reg2RGError, match=rf"^Learning needs 0\.\d MB, but only 0\.0 MB is free in {tmp_path}; free some"
    ):
        learning.learn([signed / "reports"], tmp_path / "new", cts=signed / "cts", model=str(base))
    assert not (tmp_path / "new").exists()


def test_an_existing_folder_and_missing_cts_are_refused(reg2rg: Run, signed: Path, tmp_path: Path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    assert "already exists" in error_line(learn(reg2rg, signed, tmp_path, tmp_path / "there"), 2)
    missing = reg2rg("learn", tmp_path / "none", "--cts", signed / "cts", "-o", tmp_path / "new")
    assert error_line(missing, 2).endswith("none does not exist; expected report folders.")
    missing = reg2rg("learn", signed / "reports", "--cts", tmp_path / "none", "-o", tmp_path / "new")
    assert "is not a folder; expected the folder of the CTs" in error_line(missing, 2)
