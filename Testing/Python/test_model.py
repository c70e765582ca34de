"""Properties of the model's parts that the parity tests do not cover."""

from __future__ import annotations

import pytest
import torch
from tiny_model import tiny_model

from reg2rg.models.config import VisionConfig
from reg2rg.models.reg2rg import PromptFeatures
from reg2rg.models.vision_transformer import LearnedPositions, SinePositions, VisionTransformer
from reg2rg.prompting import prompt_ids


def test_learned_positions_are_picked_with_a_stride_as_in_the_published_code():
    table = LearnedPositions((16, 16, 128), 6)
    codes = table((8, 8, 16)).reshape(8, 8, 16, 6)
    assert torch.equal(codes[3, 0, 0, :2], table.row_embed.weight[7])
    assert torch.equal(codes[0, 7, 0, 2:4], table.col_embed.weight[15])
    assert torch.equal(codes[0, 0, 2, 4:], table.dep_embed.weight[23])
    with pytest.raises(ValueError, match="only 16 entries"):
        table((17, 8, 16))


def test_sine_positions_are_unique_for_every_token():
    codes = SinePositions(24)((4, 5, 6))
    assert codes.shape == (120, 24) and len(codes.unique(dim=0)) == 120


def make_encoder(stem: str, patch_size: tuple[int, int, int]) -> VisionTransformer:
    return VisionTransformer(VisionConfig((32, 16, 16), patch_size, 1, 24, 1, 2, 8, 32, 0.0, "sine", stem)).eval()


@pytest.mark.parametrize(("stem", "patch_size", "tokens"), [("patch", (8, 8, 4), 32), ("pyramid", (8, 8, 8), 16)])
def test_every_stem_returns_one_token_per_patch(stem, patch_size, tokens):
    assert make_encoder(stem, patch_size)(torch.zeros(1, 32, 16, 16)).shape == (1, tokens, 24)


def test_a_pyramid_stem_with_other_patch_sizes_is_refused():
    with pytest.raises(ValueError, match="8 x 8 x 8"):
        make_encoder("pyramid", (8, 8, 4))


def test_tokens_are_in_row_major_order():
    volume = torch.zeros(1, 32, 16, 16)
    volume[0, 8:16, 0:8, 4:8] = torch.rand(8, 8, 4)  # patch (1, 0, 1) of a 4 x 2 x 4 grid
    stem = make_encoder("patch", (8, 8, 4)).to_patch_embedding
    changed = (stem(volume) != stem(torch.zeros_like(volume))).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [1 * 8 + 0 * 4 + 1]


def test_prompts_of_a_batch_may_have_different_numbers_of_regions():
    model = tiny_model()
    size, special = model.config.preprocessing.image_size, model.special
    with torch.inference_mode():
        image = model.embedding_layer.encode_volumes(torch.rand(1, *size))[0]
        regions = model.embedding_layer.encode_regions(torch.rand(3, *size), torch.rand(3, *size))
        one, three = (torch.tensor([prompt_ids(model.tokenizer, special, n, instruction=False)]) for n in (1, 3))
        ids = torch.zeros(2, three.shape[1], dtype=torch.long)
        ids[0, : one.shape[1]], ids[1] = one[0], three[0]
        together = model.embed(ids, [PromptFeatures(image, regions[:1]), PromptFeatures(image, regions)])
        alone = model.embed(one, [PromptFeatures(image, regions[:1])])
    assert torch.equal(together[0, : one.shape[1]], alone[0])
    first_region_token = three[0].tolist().index(special.region(2)[1])
    assert torch.equal(together[1, first_region_token], regions[2, 0])
