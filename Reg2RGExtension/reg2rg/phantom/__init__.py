"""Phantoms: synthetic chest CTs with region masks, findings and the report that describes them.

They train and test the engine without patient data; inference never imports this package.

Files, in the order data flows: ``body`` (a healthy chest), ``findings`` (abnormalities painted into it), ``scanner``
(blur, noise and field of view), ``region_masks`` (masks of the ten regions), ``report`` (the text), ``structures``,
``known_values`` (the true values of what is measured), and ``case``, which makes one phantom from a seed.
``radgenome_writer`` writes phantoms as a training dataset, ``sample_case`` writes the sample case of the extension, and
``contact_sheet`` draws phantoms next to real CTs.
"""

from reg2rg.phantom.case import PhantomCase, PhantomConfig, make_phantom
from reg2rg.phantom.findings import FINDING_LABELS, PlantedFinding
from reg2rg.phantom.radgenome_writer import write_dataset

__all__ = ["FINDING_LABELS", "PhantomCase", "PhantomConfig", "PlantedFinding", "make_phantom", "write_dataset"]
