"""Learning from reviews: signed reports change a model, and the change is kept only if it is not worse.

Files in the order data flows:

    selection     which reports count, where their CTs are, and which of them are held out
    ct_search     the CTs in a folder, found by the hashes of their voxels
    recipe        how a model is trained on reviewed reports
    answers       what a model says about held-out cases, next to what is known about them
    comparison    both models on the same cases: tables, and whether the new one is worse
    card          the model card with the lineage
    run           the entry point behind ``reg2rg learn``

docs/learning.md says what is learned from a review, and when a model is refused.
"""

from reg2rg.learning.run import Learned, learn

__all__ = ["Learned", "learn"]
