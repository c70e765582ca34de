"""From the authors' checkpoint files to a model folder, one tensor at a time, without running anything they hold.

Its modules, in the order of use:

    sources     files -> what tensors they hold, and the tensors, mapped into memory
    names       the authors' names -> ours
    sizes       shapes -> config
    stream      tensors -> model.safetensors
    card        where the weights come from -> MODEL_CARD.md
    checkpoint  the whole way
"""
