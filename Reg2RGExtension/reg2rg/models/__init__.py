"""The network: from region tensors to logits.

Files, in the order data flows:

    config              architecture, preprocessing and prompt format of a model, as stored in config.json
    vision_transformer  volumes and masks to vision tokens
    perceiver           vision tokens to a fixed number of latents
    finding_head        vision tokens to finding probabilities, locations and maps
    cue_encoder         findings to tokens for the language model
    ood_detector        vision tokens to a distance from the training data
    region_encoder      all of the above for one volume
    special_tokens      ids of the prompt tokens that stand for image and region features
    language_model      the LLaMA-family language model and its LoRA adapters
    quantization        8-bit and 4-bit linear layers
    reg2rg              region encoder and language model joined

``special_tokens`` is separate from ``reg2rg`` because prompts are built without torch. Most files import torch, so the
package re-exports nothing.
"""
