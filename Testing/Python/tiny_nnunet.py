"""Weight folders in the layout that TotalSegmentator expects, with a tiny nnU-Net of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from reg2rg.runtime.third_party import declare_torchvision_ops

declare_torchvision_ops()

_FULLRES = {
    "data_identifier": "nnUNetPlans_3d_fullres",
    "preprocessor_name": "DefaultPreprocessor",
    "batch_size": 2,
    "patch_size": [64, 64, 64],
    "median_image_size_in_voxels": [64.0, 64.0, 64.0],
    "normalization_schemes": ["CTNormalization"],
    "use_mask_for_norm": [False],
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
    "batch_dice": False,
}
_NETWORK = {
    "n_stages": 3,
    "features_per_stage": [8, 16, 32],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
_INTENSITY = {"max": 3000.0, "mean": 0.0, "median": 0.0, "min": -1024.0, "percentile_00_5": -1000.0,
              "percentile_99_5": 1000.0, "std": 400.0}  # fmt: skip


def write_weights(folder: Path, task: str, *, mode: str, spacing: float) -> None:
    """Write the weight folder of a task, with a network that predicts random classes.

    Args:
        folder: where to put the ``Dataset...`` folder.
        task: name of TotalSegmentator's task.
        mode: sub-mode of the task, such as "fast"; ignored for tasks without sub-modes.
        spacing: voxel size of the model, in mm.
    """
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from totalsegmentator.map_tasks_config import TASK_CONFIGS, TASK_ID_WEIGHTS_CONFIGS
    from totalsegmentator.map_to_binary import class_map

    config = TASK_CONFIGS[task]
    config = config["sub_modes"][mode] if "sub_modes" in config else config
    labels = ["background", *class_map[task].values()]
    network = PlainConvUNet(
        1, 3, [8, 16, 32], torch.nn.Conv3d, 3, [1, 2, 2], 1, len(labels), 1, True, torch.nn.InstanceNorm3d,
        {"eps": 1e-5, "affine": True}, None, None, torch.nn.LeakyReLU, {"inplace": True}, deep_supervision=False,
    )  # fmt: skip
    plans = {
        "dataset_name": TASK_ID_WEIGHTS_CONFIGS[config["task_id"]]["foldername"],
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [spacing] * 3,
        "original_median_shape_after_transp": [64, 64, 64],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {
            "3d_fullres": {
                **_FULLRES,
                "spacing": [spacing] * 3,
                "architecture": {
                    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                    "arch_kwargs": _NETWORK,
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
            }
        },
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": _INTENSITY},
    }
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {name: value for value, name in enumerate(labels)},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    target = folder / plans["dataset_name"] / f"{config['trainer']}__nnUNetPlans__3d_fullres"
    (target / "fold_0").mkdir(parents=True)
    (target / "plans.json").write_text(json.dumps(plans))
    (target / "dataset.json").write_text(json.dumps(dataset))
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": config["trainer"],
        "init_args": {"configuration": "3d_fullres"},
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, target / "fold_0" / "checkpoint_final.pth")
