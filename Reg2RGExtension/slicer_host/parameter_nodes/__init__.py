"""``slicer.parameterNodeWrapper``: classes whose members are stored in a vtkMRMLScriptedModuleNode.

Members may be numbers, texts, bools, enums, paths, ranges, nodes, packs, and lists, tuples, dictionaries and unions of
them. Other types are refused when the class is defined, as Slicer refuses types that it has no serializer for.

Files, in import order:

    validators    annotations that restrict the values of a member
    kinds         how values of each type are stored
    members       the members of wrapped classes, and packs of members
    connectors    how widgets hold values
    wrapper       the class decorator
"""

from slicer_host.parameter_nodes.kinds import FloatRange
from slicer_host.parameter_nodes.members import isParameterPack, parameterPack
from slicer_host.parameter_nodes.validators import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    IsNone,
    Label,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    SingleStep,
    Validator,
    WithinRange,
)
from slicer_host.parameter_nodes.wrapper import isParameterNodeWrapper, parameterNodeWrapper

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "IsInstance",
    "IsNone",
    "Label",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "Validator",
    "WithinRange",
    "isParameterNodeWrapper",
    "isParameterPack",
    "parameterNodeWrapper",
    "parameterPack",
]
