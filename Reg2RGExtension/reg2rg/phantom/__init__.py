"""Synthetic chest CTs with regions, findings and the report that describes them, to train and test on."""

from reg2rg.phantom.case import PhantomCase, PhantomConfig, make_phantom
from reg2rg.phantom.dataset import write_dataset
from reg2rg.phantom.kinds import FINDINGS, Finding
from reg2rg.phantom.wording import Statement, read_findings, read_statements

__all__ = [
    "FINDINGS",
    "Finding",
    "PhantomCase",
    "PhantomConfig",
    "Statement",
    "make_phantom",
    "read_findings",
    "read_statements",
    "write_dataset",
]
