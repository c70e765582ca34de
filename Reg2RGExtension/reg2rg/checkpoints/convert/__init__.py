"""Convert the authors' checkpoint files to a model folder, one tensor at a time, without running code from the files.

Files, in the order data flows:

    tensor_files  list, read and write the tensors of checkpoint files
    key_mapping   map the authors' tensor names to ours
    infer_config  infer a config from tensor shapes
    model_card    MODEL_CARD.md: where the weights come from
    convert       the whole conversion
"""
