"""Run the command line with FSDP on CPUs: ``torchrun ... fsdp_on_cpus.py CONFIG ARGUMENTS...``.

accelerate offers FSDP only on GPUs, although torch divides models on CPUs as well. Everything but the device
is as with ``accelerate launch --config_file CONFIG``.
"""

from __future__ import annotations

import os
import sys

import torch.distributed
from accelerate.commands.launch import launch_command_parser
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from accelerate.utils.launch import prepare_multi_gpu_env


def main() -> None:
    from accelerate.commands.launch import _validate_launch_command

    config = sys.argv.pop(1)
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", config, "reg2rg"]))
    settings = prepare_multi_gpu_env(arguments)
    os.environ |= {name: settings[name] for name in settings if name.startswith(("FSDP_", "ACCELERATE_"))}
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)

    from reg2rg.cli.main import main

    main()


if __name__ == "__main__":
    main()
