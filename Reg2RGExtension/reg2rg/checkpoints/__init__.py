"""Model folders on disk: ``config.json``, safetensors weights, tokenizer files and ``MODEL_CARD.md``.

Files:

    model_folder  open, verify and load a model folder
    checksums     SHA-256 checksums of its files
    legacy        names in model folders of earlier versions
    weights_file  read a safetensors file: the shapes of its tensors, or one tensor at a time
    assembly      build a model from stored tensors, one at a time
    tokenizer     load a tokenizer from a folder
    saving        write a model folder
    new_model     create an untrained model folder around a language model
    convert/      convert the authors' checkpoint files to a model folder

The package itself does not import torch. ``saving``, ``new_model`` and ``convert`` do; import them directly.
"""

from reg2rg.checkpoints.model_folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelFolder

__all__ = ["CARD_FILE", "CONFIG_FILE", "WEIGHTS_FILE", "ModelFolder"]
