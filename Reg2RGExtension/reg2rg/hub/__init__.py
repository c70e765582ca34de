"""Models: which exist, where they are, and installing them.

Files, in the order of use:

    registry  model folders on this machine
    catalog   models that can be fetched: where, how large, under which terms
    download  one file, resumed where it was cut off
    install   from a catalog entry to a model folder
"""

from reg2rg.hub.registry import DEFAULT_MODEL, find_model, list_models, place_for, user_models

__all__ = ["DEFAULT_MODEL", "find_model", "list_models", "place_for", "user_models"]
