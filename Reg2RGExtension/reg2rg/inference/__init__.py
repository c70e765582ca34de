"""Generation: from prepared tensors to one section of text per region (reference A.6).

    seen        what the finding head saw
    features    volumes and masks become tokens, once
    packed      prompts and texts as one sequence with one key-value cache (cache, attention)
    sampling    how a token is chosen
    decoding    texts grow token by token
    drafts      a growing text, seen as sections
    writer      the whole: what the pipeline calls

Two ways to write, both greedy or by chance: all regions of a prompt in one text, as published, or each region in a text
of its own that begins with "The region i is" and continues the prompt alone. The second writes all at once, but only a
model that was trained so can do it (docs/speed.md).
"""

from reg2rg.inference.detection import SeenFinding
from reg2rg.inference.generator import ReportGenerator
from reg2rg.inference.sampling import Sampling
from reg2rg.inference.sections import GeneratedSection, TextToken

__all__ = ["Sampling", "SeenFinding", "TextToken", "ReportGenerator", "GeneratedSection"]
