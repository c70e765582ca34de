"""Linear layers for inference on the CPU, their weights laid out for oneDNN beforehand.

torch gives float32 products to MKL, which is slow for the few rows of decoding and on processors that are not Intel's,
and lays 16-bit weights out anew at every call. oneDNN with its own layout is up to three times faster (docs/speed.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TYPES = (torch.float32, torch.bfloat16)


class PackedLinear(nn.Module):
    """What a Linear computes, for inputs of its weights' type. It cannot be trained, saved or moved."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x.contiguous(), self._weight, self._bias, "none", [], "")


def pack_linears(module: nn.Module, *, besides: tuple[nn.Parameter, ...] = ()) -> None:
    """Replace the Linear layers inside a module, where oneDNN is there; those of the weights ``besides`` stay."""
    if not torch.backends.mkldnn.is_available():
        return
    names = [name for name, layer in module.named_modules() if _can_be_packed(layer, besides)]
    for name in names:  # no list of layers: each is to give its memory back before the next is packed
        parent, _, attribute = name.rpartition(".")
        owner = module.get_submodule(parent)
        setattr(owner, attribute, PackedLinear(getattr(owner, attribute)))


def _can_be_packed(layer: nn.Module, besides: tuple[nn.Parameter, ...]) -> bool:
    if type(layer) is not nn.Linear or any(layer.weight is weight for weight in besides):
        return False
    return layer.weight.device.type == "cpu" and layer.weight.dtype in _TYPES
