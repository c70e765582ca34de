"""Model folders on disk: ``config.json``, safetensors weights, tokenizer files and ``MODEL_CARD.md``.

Files:

    model_folder  load, save and verify a model folder
    checksums     SHA-256 sums of its files
    assembly      a model built from stored tensors, one at a time
    new_model     an untrained model folder around a given language model
    convert/      the authors' checkpoint files to a model folder
"""
