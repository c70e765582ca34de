"""Language models of the LLaMA family, one of them a real one: converted, trained with LoRA, and used for writing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_config

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.new_model import create_model
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.inference import ReportGenerator
from reg2rg.models.config import LanguageConfig, LoraSettings, ModelConfig
from reg2rg.models.language_model import LLAMA_FAMILY, build_language_model, to_transformers_config
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.phantom import make_phantom
from reg2rg.preprocessing import prepare
from reg2rg.prompting import prompt_ids, training_ids
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import PhantomData, Stage
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.module import TrainingModule
from reg2rg.training.samples import TrainingCase
from reg2rg.training.tokenizers import train_tokenizer

VOCABULARY = 130
SHAPE = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
)
KINDS = {
    "llama": {},
    "llama with a narrow head": {"head_dim": 4},
    "llama with biases": {"attention_bias": True, "mlp_bias": True},
    "llama 3": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
    "tied llama": {"tie_word_embeddings": True},
    "mistral": {"sliding_window": 16},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "smollm3": {},
    "granite": {"embedding_multiplier": 3.0, "attention_multiplier": 0.25, "residual_multiplier": 0.5},
}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["The region 0 is lung: The lungs are clear."] * 4, VOCABULARY)


def saved_language_model(kind: str, tokenizer, folder: Path) -> torch.nn.Module:
    """Save a small language model with random weights and biases in the format of transformers."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    fields = {**SHAPE, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None, **KINDS[kind]}
    family = next(word for word in kind.split() if word in LLAMA_FAMILY)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **fields)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_model_computes_the_same_inside_a_model_folder(kind: str, tokenizer, tmp_path: Path):
    theirs = saved_language_model(kind, tokenizer, tmp_path / "theirs")
    create_model(tmp_path / "theirs", tmp_path / "ours", tiny_config(VOCABULARY, 1))
    ours = ModelFolder.open(tmp_path / "ours").load()
    ids = torch.randint(3, VOCABULARY, (2, 100))
    with torch.inference_mode():
        assert torch.equal(ours.lang_model(ids).logits, theirs(ids).logits)
    assert not any(tensor.is_meta for tensor in (*ours.parameters(), *ours.buffers()))
    assert ModelConfig.from_dict(json.loads(json.dumps(ours.config.to_dict()))) == ours.config


def test_every_supported_architecture_is_tested_above():
    assert {next(word for word in kind.split() if word in LLAMA_FAMILY) for kind in KINDS} == set(LLAMA_FAMILY)


def test_only_lora_and_vision_are_new_and_trainable(tokenizer, tmp_path: Path):
    saved_language_model("llama", tokenizer, tmp_path / "theirs")
    create_model(tmp_path / "theirs", tmp_path / "ours", tiny_config(VOCABULARY, 1), seed=1)
    create_model(tmp_path / "theirs", tmp_path / "others", tiny_config(VOCABULARY, 1), seed=2)
    first, second = (dict(ModelFolder.open(tmp_path / name).load().named_parameters()) for name in ("ours", "others"))
    assert first["embedding_layer.fc.weight"].ne(second["embedding_layer.fc.weight"]).all()
    trained = {name for name, parameter in first.items() if parameter.requires_grad}
    assert trained == {name for name in first if not name.startswith("lang_model.") or "lora_" in name}
    assert all(torch.equal(first[name], second[name]) for name in first.keys() - trained)


def test_default_fields_describe_a_llama():
    config = ModelFolder.open(find_model("phantom")).config.language
    assert (config.model_type, config.bos_token_id, config.eos_token_id, config.pad_token_id) == ("llama", 1, 2, 0)
    assert to_transformers_config(LanguageConfig()).rope_parameters == {"rope_type": "default", "rope_theta": 10000.0}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2'; expected one of: llama"),
        ({"model_type": "../evil"}, "expected one of: llama"),
        ({"config_overrides": {"auto_map": {"AutoConfig": "evil.py"}}}, "auto_map.*expected fields of llama"),
        ({"config_overrides": {"attn_implementation": "some/kernel"}}, "expected fields of llama"),
        ({"config_overrides": "nothing"}, "expected fields of llama"),
    ],
)
def test_unsupported_config_fields_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        build_language_model(LanguageConfig(**{**SHAPE, "lora": None, **fields}))


def test_an_invalid_language_model_is_refused(tokenizer, tmp_path: Path):
    like, output = tiny_config(VOCABULARY, 1), tmp_path / "new"
    with pytest.raises(InputError, match="is not a language model"):
        create_model(tmp_path / "absent", output, like)
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(InputError, match="cannot be read as a language model"):
        create_model(tmp_path / "bad.gguf", output, like)
    saved_language_model("llama", tokenizer, tmp_path / "good")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        create_model(tmp_path / "good", tmp_path / "full", like)
    tokenizer.save_pretrained(tmp_path / "good")
    config = tmp_path / "good" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": 20}))
    with pytest.raises(InputError, match="tokens, but the model only 20"):
        create_model(tmp_path / "good", output, like)
    assert not output.exists()


def test_prompts_lack_a_first_token_if_the_tokenizer_has_none(tokenizer):
    special = Reg2RG(tiny_config(VOCABULARY, 1)).special
    with_bos = prompt_ids(tokenizer, special, 1)
    plain = train_tokenizer(["The region 0 is lung: The lungs are clear."] * 4, VOCABULARY)
    plain.bos_token = None
    assert prompt_ids(plain, special, 1) == with_bos[1:]


def test_models_new_creates_a_valid_model_folder(models, tokenizer, tmp_path: Path):
    saved_language_model("llama", tokenizer, tmp_path / "theirs")
    finished = models("new", "--language", tmp_path / "theirs", "-o", tmp_path / "mine", "--like", "phantom")
    assert finished.stdout == f"{tmp_path / 'mine'}\n", finished.stderr
    assert ModelFolder.open(tmp_path / "mine").config.vision == ModelFolder.open(find_model("phantom")).config.vision
    assert "learned nothing about CT" in (tmp_path / "mine" / "MODEL_CARD.md").read_text()


@pytest.fixture(scope="module")
def smollm2(smollm2_model_folder: Path) -> Reg2RG:
    return ModelFolder.open(smollm2_model_folder).load()


@pytest.mark.slow
def test_smollm2_keeps_its_knowledge(smollm2: Reg2RG):
    ids = torch.tensor([smollm2.tokenizer.encode("The capital of France is")])
    with torch.inference_mode():
        best = smollm2.lang_model(ids).logits[0, -1].argmax()
    assert smollm2.tokenizer.decode(best) == " Paris"


@pytest.mark.slow
def test_prompts_use_smollm2s_own_special_tokens(smollm2: Reg2RG):
    tokenizer, special = smollm2.tokenizer, smollm2.special
    language = smollm2.config.language
    assert (tokenizer.decode(language.bos_token_id), tokenizer.decode(language.eos_token_id)) == (
        "<|im_start|>",
        "<|im_end|>",
    )
    assert language.pad_token_id is None, "its padding token also ends texts"
    sections = [("lung", "Both lungs are clear."), ("heart", "Normal in size.")]
    for instruction in (True, False):
        prompt = prompt_ids(tokenizer, special, 2, instruction=instruction)
        ids, length = training_ids(tokenizer, special, sections, instruction=instruction)
        assert ids[:length] == prompt and ids[-1] == language.eos_token_id
        written = tokenizer.decode(ids[length:], skip_special_tokens=True)
        assert written.strip() == "The region 0 is lung: Both lungs are clear. The region 1 is heart: Normal in size."
        assert prompt[0] == language.bos_token_id and max(ids[length:]) < language.vocab_size <= special.image[0]


@pytest.mark.slow
def test_lora_training_teaches_smollm2_a_case_without_changing_its_own_weights(
    smollm2_model_folder: Path, tmp_path: Path
):
    model = ModelFolder.open(smollm2_model_folder).load()
    source = PhantomSource.from_config(PhantomData("phantoms", 1, first_seed=1))
    lesson = TwoRegions(source, model.config, tmp_path / "cases")
    before = {name: parameter.clone() for name, parameter in model.named_parameters() if not parameter.requires_grad}
    module = TrainingModule(model, Stage("text", steps=8), lesson, None)
    torch.manual_seed(0)  # for the order of regions
    optimiser = torch.optim.AdamW(module.trained_parameters().values(), lr=3e-3)
    losses = []
    for _ in range(8):
        module.train()
        loss = sum(module(torch.tensor([0])).values())
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        optimiser.zero_grad(set_to_none=len(losses) < 8)
    assert losses[-1] < 0.5 * losses[0]
    graded = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert graded and all("lora_" in name or name.startswith("embedding_layer.") for name in graded)
    assert all(torch.equal(before[name], model.get_parameter(name)) for name in before)
    save_model(model, tmp_path / "taught", dtype=torch.float16, card="# taught\n")
    again = ModelFolder.open(tmp_path / "taught").load()
    phantom = make_phantom(1)
    inputs = prepare(phantom.volume, phantom.masks, again.config.preprocessing, ["lung", "heart"])
    sections = ReportGenerator(again).generate(inputs, max_new_tokens=12)
    assert {section.region for section in sections} == {"lung", "heart"}
    assert all(section.recognized for section in sections), "these few steps are enough to learn the form of the answer"


class TwoRegions(CaseCache):
    """Cases with two regions only, so that training takes seconds."""

    def __getitem__(self, index: int) -> TrainingCase:
        case = super().__getitem__(index)
        return dataclasses.replace(case, regions=case.regions[:2])


def test_lora_can_target_layers_other_than_queries_and_values():
    lora = LoraSettings(rank=2, targets=("q_proj", "o_proj"))
    names = [name for name, _ in build_language_model(LanguageConfig(**SHAPE, lora=lora)).named_parameters()]
    assert {name.split(".")[-4] for name in names if "lora_A" in name} == {"q_proj", "o_proj"}
