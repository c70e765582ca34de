"""Synthetic chest CTs with regions, findings and the report that describes them, to train and test on."""

from reg2rg.phantom.case import PhantomCase, PhantomConfig, make_phantom
from reg2rg.phantom.dataset import write_dataset
from reg2rg.phantom.findings import FINDINGS, Finding

__all__ = ["FINDINGS", "Finding", "PhantomCase", "PhantomConfig", "make_phantom", "write_dataset"]
