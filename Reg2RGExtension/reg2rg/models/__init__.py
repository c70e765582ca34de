"""The network: from region tensors to logits.

Files, in the order data flows:

    config              architecture, preprocessing and prompt format of a model, as stored in config.json
    vision_transformer  turn volumes and masks into vision tokens
    perceiver           reduce vision tokens to a fixed number of latents
    finding_head        predict finding probabilities, locations and maps from vision tokens
    cue_encoder         turn findings into tokens for the language model
    ood_detector        measure the distance of vision tokens from the training data
    region_encoder      all of the above for one volume
    special_tokens      IDs of the prompt tokens that stand for image and region features
    language_model      the LLaMA-family language model and its LoRA adapters
    precision           precisions of the language model's weights, and which of them a device supports
    quantization        8-bit and 4-bit linear layers
    reg2rg              region encoder and language model joined

``special_tokens`` and ``precision`` are separate from ``reg2rg`` and ``quantization`` because prompts are built, and
memory is estimated, without torch. Most files import torch, so the
package re-exports nothing.
"""
