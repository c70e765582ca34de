"""Model hub: which models exist, where they are, and how to install them.

Files, in the order of use:

    registry  model folders on this machine
    catalog   models that can be downloaded: source, size, terms
    download  download one file, resuming interrupted transfers
    install   turn a catalog entry into a model folder
"""

from reg2rg.hub.registry import DEFAULT_MODEL, find_model, list_models, new_model_folder, user_models_folder

__all__ = ["DEFAULT_MODEL", "find_model", "list_models", "new_model_folder", "user_models_folder"]
