"""Finding head, finding map, cues and out-of-distribution detector."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_model import tiny_model

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.inference import ReportGenerator
from reg2rg.inference.detection import MAP_THRESHOLD, apply_corrections, cues_from_output
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.models.config import FindingConfig, ModelConfig
from reg2rg.models.cue_encoder import CueEncoder, Cues
from reg2rg.models.finding_head import LEVELS, SIDES
from reg2rg.models.ood_detector import OODDetector
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.preprocessing import Crop, ModelInputs
from reg2rg.runtime.callbacks import never_cancel
from reg2rg.runtime.dataclass_io import from_plain, to_plain

LABELS = ("Lung nodule", "Atelectasis", "Pleural effusion")
FINDINGS = FindingConfig(LABELS, sided=LABELS, leveled=LABELS[:2], sized=("Lung nodule",), width=16, cues=2)


def make_model(findings: FindingConfig | None, stem: str = "pyramid") -> Reg2RG:
    """Make the tiny model with a finding head with random weights."""
    tiny = tiny_model(trained=False)
    vision = dataclasses.replace(tiny.config.vision, stem=stem, windows=((0.0, 0.5),) if stem == "pyramid" else ())
    torch.manual_seed(1)
    model = Reg2RG(dataclasses.replace(tiny.config, vision=vision, findings=findings))
    model.tokenizer = tiny.tokenizer
    return model.eval()


def make_inputs(*regions: str, size: tuple[int, int, int] = (16, 16, 16), seed: int = 0) -> ModelInputs:
    generator = torch.Generator().manual_seed(seed)
    textures = {name: torch.rand(size, generator=generator) * 2 - 1 for name in regions}
    masks = {name: torch.ones(16, 16, 16) for name in regions}
    crop = Crop((slice(0, 16),) * 3, (3.0, 3.0, 3.0), (2, 1, 0), (False, False, False))
    return ModelInputs(torch.zeros(16, 16, 16), textures, masks, {}, dict.fromkeys(regions, crop))


@pytest.mark.parametrize("stem", ["pyramid", "patch"])
def test_all_findings_have_a_probability_and_probable_ones_a_map(stem):
    seen = ReportGenerator(make_model(FINDINGS, stem)).detect(make_inputs("lung", "pleura"))
    assert set(seen) == {"lung", "pleura"}
    for region in seen.values():
        findings = region.findings
        assert {finding.label for finding in findings} == set(LABELS)
        probabilities = [finding.probability for finding in findings]
        assert probabilities == sorted(probabilities, reverse=True) and 0 < min(probabilities) < max(probabilities) < 1
        for finding in findings:
            assert (finding.label in region.maps) == (finding.probability >= MAP_THRESHOLD)
            assert finding.side in SIDES and finding.level in (LEVELS if finding.label in LABELS[:2] else (None,))
            assert (finding.size_mm is not None) == (finding.label == "Lung nodule")


def test_the_map_uses_the_finest_grid_of_the_stem():
    fine, coarse = (
        ReportGenerator(make_model(FINDINGS, stem)).detect(make_inputs("lung")) for stem in ("pyramid", "patch")
    )
    assert {each.shape for each in fine["lung"].maps.values()} <= {(8, 8, 8)}
    assert {each.shape for each in coarse["lung"].maps.values()} <= {(2, 2, 2)}


def test_without_a_finding_map_the_attention_shows_the_location():
    seen = ReportGenerator(make_model(dataclasses.replace(FINDINGS, dense=False))).detect(make_inputs("lung"))
    for finding_map in seen["lung"].maps.values():
        assert finding_map.shape == (2, 2, 2) and finding_map.max() == 1


def test_a_model_without_a_finding_head_detects_no_findings_and_no_distribution_shift():
    generator, inputs = ReportGenerator(make_model(None)), make_inputs("lung")
    assert generator.detect(inputs) == {}
    assert generator.out_of_distribution(inputs) is None
    with pytest.raises(InputError, match="takes no corrections"):
        generator.generate(inputs, corrections={"lung": {"Lung nodule": False}})


def test_a_different_voxel_size_is_encoded_again():
    model = make_model(FINDINGS)
    generator, inputs = ReportGenerator(model), make_inputs("lung")
    finer = dataclasses.replace(
        inputs, crops={name: dataclasses.replace(crop, voxel_mm=(1.0, 1.0, 1.0)) for name, crop in inputs.crops.items()}
    )
    first, second = (generator.detect(given)["lung"].findings for given in (inputs, finer))
    assert [f.probability for f in first] != [f.probability for f in second]


SCALARS = dataclasses.replace(FINDINGS, scalars=("volume", "mean_hu", "low_attenuation"))


def test_scalars_change_findings_and_cues_of_a_model_that_reads_them():
    inputs = make_inputs("lung")
    emphysema = torch.tensor([[0.9, 1.0], [-0.8, 1.0], [0.4, 1.0]])
    measured = dataclasses.replace(inputs, scalars={"lung": emphysema})
    generator = ReportGenerator(make_model(SCALARS))
    unknown, known = (generator.detect(given)["lung"].findings for given in (inputs, measured))
    assert [finding.probability for finding in unknown] != [finding.probability for finding in known]
    encoder = CueEncoder(SCALARS, 8)
    cues = dataclasses.replace(make_cues([0.9, 0.1, 0.7]), scalars=torch.zeros(1, 6))
    assert not torch.equal(encoder(cues), encoder(dataclasses.replace(cues, scalars=emphysema.flatten()[None])))


def test_a_model_without_scalars_has_no_weights_for_them():
    without, with_scalars = (make_model(findings).state_dict() for findings in (FINDINGS, SCALARS))
    assert set(with_scalars) - set(without) == {
        "embedding_layer.cue_encoder.scalar_projection.weight",
        "embedding_layer.cue_encoder.scalar_projection.bias",
    }


def test_unknown_scalars_are_refused():
    with pytest.raises(InputError, match="scalars.*expected some of volume, mean_hu"):
        from_plain(FindingConfig, to_plain(dataclasses.replace(FINDINGS, scalars=("weight",))), "findings")


def test_regions_may_have_different_texture_sizes():
    model = make_model(FINDINGS)
    both = make_inputs("lung", "pleura")
    mixed = dataclasses.replace(both, textures={**both.textures, "pleura": torch.zeros(16, 16, 24)})
    assert len(ReportGenerator(model).generate(mixed, max_new_tokens=4)) == 2
    assert set(ReportGenerator(model).detect(mixed)) == {"lung", "pleura"}


def test_a_model_with_a_finding_head_survives_saving_and_loading(tmp_path):
    model = make_model(dataclasses.replace(FINDINGS, temperature=1.7))
    save_model(model, tmp_path, card="x")
    loaded = ModelFolder.open(tmp_path).load()
    assert loaded.config == model.config == ModelConfig.from_dict(model.config.to_dict())
    before, after = (ReportGenerator(m).detect(make_inputs("lung"))["lung"].findings for m in (model, loaded))
    assert [f.label for f in before] == [f.label for f in after]
    assert [f.probability for f in before] == pytest.approx([f.probability for f in after])


def test_a_higher_temperature_makes_the_head_less_confident():
    def lowest_confidence(temperature: float) -> float:
        model = make_model(dataclasses.replace(FINDINGS, temperature=temperature))
        return min(
            abs(f.probability - 0.5) for f in ReportGenerator(model).detect(make_inputs("lung"))["lung"].findings
        )

    assert lowest_confidence(4.0) < lowest_confidence(1.0) < lowest_confidence(0.25)


def make_cues(probability: list[float], weight: list[float] | None = None) -> Cues:
    zeros = torch.zeros(1, len(probability), dtype=torch.long)
    priority = torch.tensor([weight or [0.0] * len(LABELS)])
    return Cues(torch.tensor([probability]), zeros + 1, zeros + 2, zeros + 12.0, priority, torch.zeros(1, 0))


def test_cues_are_the_most_probable_findings_after_those_with_priority():
    encoder = CueEncoder(FINDINGS, 8)
    tokens = encoder(make_cues([0.9, 0.1, 0.7]))
    assert tokens.shape == (1, 2, 8)
    assert torch.equal(tokens, encoder(make_cues([0.9, 0.0, 0.7])))
    assert not torch.equal(tokens, encoder(make_cues([0.9, 0.0, 0.7], [0.0, 1.0, 0.0])))


def test_only_likely_findings_have_a_location_in_their_cue():
    encoder = CueEncoder(FINDINGS, 8)
    likely, unlikely = make_cues([0.8, 0.0, 0.0]), make_cues([0.3, 0.0, 0.0])
    elsewhere = dataclasses.replace(likely, side=likely.side + 1)
    assert not torch.equal(encoder(likely), encoder(elsewhere))
    assert torch.equal(encoder(unlikely), encoder(dataclasses.replace(unlikely, side=unlikely.side + 1)))


def test_more_cues_than_labels_are_refused():
    with pytest.raises(ValueError, match="only 3 findings"):
        CueEncoder(dataclasses.replace(FINDINGS, cues=4), 8)


def test_a_correction_changes_the_cues():
    model = make_model(FINDINGS)
    texture = torch.rand(1, 16, 16, 16)
    output = model.embedding_layer.detect_findings(texture, torch.full((1, 3), 3.0), torch.zeros(1, 0, 2))
    seen = cues_from_output(FINDINGS, output, model.embedding_layer.finding_head.probabilities(output))
    said = apply_corrections(FINDINGS, seen, {"Atelectasis": True, "Lung nodule": False})
    assert said.probability[0].tolist()[:2] == [0.0, 1.0]
    assert said.probability[0, 2] == seen.probability[0, 2]
    assert not torch.equal(model.embedding_layer.cue_encoder(seen), model.embedding_layer.cue_encoder(said))


def test_cues_follow_a_regions_own_tokens():
    model, inputs = make_model(FINDINGS), make_inputs("lung")

    def tokens(said: dict[str, bool], *, cues: bool = True) -> torch.Tensor:
        encoder = FeatureEncoder(model.embedding_layer, model.config)
        with torch.no_grad():
            return encoder.encode(inputs, ["lung"], never_cancel, {"lung": said}, use_cues=cues)[1]["lung"]

    with_cues, without_cues = tokens({}), tokens({}, cues=False)
    own = model.config.perceiver.latents + 1
    assert len(with_cues) == len(without_cues) == own + FINDINGS.cues
    assert torch.equal(with_cues[:own], without_cues[:own])
    assert not torch.equal(with_cues[own:], without_cues[own:])
    assert not torch.equal(tokens({"Lung nodule": True}), tokens({"Lung nodule": False}))


def test_a_correction_with_an_unknown_label_is_refused():
    with pytest.raises(InputError, match="does not know the finding 'Goitre'; expected one of: Lung nodule"):
        ReportGenerator(make_model(FINDINGS)).generate(make_inputs("lung"), corrections={"lung": {"Goitre": True}})


def test_a_volume_unlike_the_training_cases_is_out_of_distribution():
    torch.manual_seed(0)
    mixing = torch.randn(4, 24)

    def case(scale: float = 1.0, shift: float = 0.0) -> dict[str, torch.Tensor]:
        return {n: torch.randn(4) @ mixing * scale + 0.1 * torch.randn(24) + shift for n in ("lung", "heart")}

    detector = OODDetector(24, 4)
    detector.fit(0, [case() for _ in range(300)], [case() for _ in range(100)])
    distances = [detector(case()).distance for _ in range(200)]
    assert 0.7 < sum(distances) / len(distances) < 1.3
    assert sum(detector(case()).detected for _ in range(200)) < 20
    assert detector(case(shift=1.0)).detected
    assert detector(case(scale=6.0)).detected
    assert detector({**case(), "heart": case(shift=1.0)["heart"]}).detected, "one unusual region is enough"


def test_the_limit_depends_on_the_regions():
    torch.manual_seed(0)
    detector = OODDetector(8, 2)
    cases = [{n: torch.randn(8) for n in ("lung", "heart")} for _ in range(400)]
    detector.fit(0, cases[:200], cases[200:])
    alone = [detector({"lung": torch.randn(8)}) for _ in range(200)]
    both = detector(cases[0])
    assert alone[0].limit < both.limit, "the farthest of two regions is farther than one"
    assert sum(result.detected for result in alone) < 20


def test_a_volume_belongs_to_the_nearest_kind_and_may_be_far_from_all():
    torch.manual_seed(0)

    def case(shift: float) -> dict[str, torch.Tensor]:
        return {"lung": torch.randn(8) + shift}

    detector = OODDetector(8, 2, ("phantoms", "CTs"))
    for number, shift in enumerate((0.0, 40.0)):
        detector.fit(number, [case(shift) for _ in range(200)], [case(shift) for _ in range(100)])
    results = [detector(case(shift)) for shift in (0.0, 40.0, 20.0)]
    assert [result.kind for result in results[:2]] == ["phantoms", "CTs"]
    assert [result.detected for result in results] == [False, False, True]


def test_an_unfitted_detector_flags_nothing():
    assert not OODDetector(8, 2)({"lung": torch.full((8,), 100.0)}).detected
