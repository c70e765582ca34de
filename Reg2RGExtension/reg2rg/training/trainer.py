"""The training loop of one stage, on the Hugging Face Trainer.

The Trainer provides AdamW, warm-up, gradient clipping, checkpoints, resuming and, with several processes, the exchange
of gradients.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from reg2rg.checkpoints.legacy import upgrade_tensor_name
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.devices import computes_bf16
from reg2rg.runtime.staging import apply_umask
from reg2rg.runtime.third_party import import_peft, import_transformers
from reg2rg.training.case_cache import CaseCache, CaseIndices, collate_indices
from reg2rg.training.case_order import CaseOrder
from reg2rg.training.config import MessageCallback, Stage, TrainingConfig
from reg2rg.training.module import TrainingModule
from reg2rg.training.processes import divides_models

if TYPE_CHECKING:
    import transformers
    from accelerate.utils import gather_object
else:
    import_peft()  # before the Trainer imports it
    transformers = import_transformers()
    from accelerate.utils import gather_object

WEIGHTS = "trained.safetensors"
"""Checkpoint file with only the parameters that the stage trains."""

_FSDP_OPTIMIZER = "optimizer.bin"
_DECAYED_BIAS = "finding_head.output_bias"
_SCHEDULES = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}
"""The configuration's schedules -> the Trainer's."""


class StageTrainer(transformers.Trainer):
    """Minimizes the sum of a module's losses, and logs each of them."""

    def __init__(
        self,
        module: TrainingModule,
        cases: CaseCache,
        config: TrainingConfig,
        stage: Stage,
        folder: Path,
        on_message: MessageCallback,
    ) -> None:
        """Create the trainer.

        Args:
            module: the module to train.
            cases: the training and validation cases.
            config: configuration of the training run.
            stage: the stage.
            folder: folder of the stage's checkpoints and logs.
            on_message: called with one line per log entry.
        """
        self._module = module
        self._folder = folder
        self._patience = stage.patience
        self._computes_bf16 = uses_bf16(config, module.model.device)
        self._loss_sums: dict[str, Tensor] = {}
        self._passes = 0
        training = cases.training[: stage.cases]
        self._order = cases.order(len(training), stage.batch_size, config.seed)
        validation = CaseIndices(cases, cases.validation) if len(cases.validation) else None
        arguments = _training_arguments(
            config, stage, folder, module.model.device, has_validation=validation is not None
        )
        callbacks: list[transformers.TrainerCallback] = [_Epochs(self._order), _LogMessages(stage, on_message)]
        if arguments.should_save:
            callbacks.append(transformers.integrations.TensorBoardCallback(_tensorboard_writer(folder / "logs")))
        if stage.patience:
            callbacks.append(_EarlyStopping(stage.patience))
        super().__init__(
            module,
            arguments,
            train_dataset=CaseIndices(cases, training),
            eval_dataset=validation,
            data_collator=collate_indices,
            callbacks=callbacks,
        )
        self.remove_callback(transformers.PrinterCallback)  # _LogMessages is more concise

    def run(self) -> list[dict[str, Any]]:
        """Train, starting from the last checkpoint if there is one.

        Returns:
            The log entries of the whole stage.
        """
        with self.args.main_process_first(local=False):  # it removes incomplete checkpoints
            checkpoint = last_checkpoint(self._folder)
        if checkpoint is not None:
            state = transformers.TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
            if state.global_step >= state.max_steps or _is_out_of_patience(state.log_history, self._patience):
                self.state = state  # it was interrupted after its last step; the Trainer would add another one
                load_trained_parameters(self._module, self.final_checkpoint() / WEIGHTS)
                return state.log_history
            if self.is_fsdp_enabled != (checkpoint / _FSDP_OPTIMIZER).is_file():
                begun = "without" if self.is_fsdp_enabled else "with"
                raise InputError(f"{self._folder} was begun {begun} FSDP; resume it {begun} FSDP until the stage ends.")
            load_trained_parameters(self._module, checkpoint / WEIGHTS)
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        return self.state.log_history

    def final_checkpoint(self) -> Path:
        """Return the checkpoint with the result: the best one if the stage has patience, otherwise the last one."""
        return Path(self.state.best_model_checkpoint or self._folder / f"checkpoint-{self.state.global_step}")

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Return the parameters with weight decay: all but biases and norms, and the finding head's output bias.

        The output bias is one learned logit per finding. The embedded model was trained with weight decay on it, and
        checkpoints of interrupted runs store optimizer states in this order.
        """
        names = super().get_decay_parameter_names(model)
        return [*names, *(name for name, _ in model.named_parameters() if name.endswith(_DECAYED_BIAS))]

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        """Compute the sum of the losses of a batch."""
        # The random state depends only on the step and its cases, so a resumed run does exactly what it would have done
        # without the interruption.
        torch.manual_seed(hash((self.args.seed, self.state.global_step, *inputs["cases"].tolist())) % 2**63)
        with self._autocast():
            losses = model(inputs["cases"])
        for name, value in losses.items():
            value = value.detach()
            self._loss_sums[name] = self._loss_sums[name] + value if name in self._loss_sums else value
        self._passes += 1
        return functools.reduce(torch.add, losses.values())

    def log(self, logs: dict[str, float], *arguments: Any) -> None:
        """Add the mean of each loss since the last log entry; raise Reg2RGError if training has diverged."""
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise Reg2RGError(
                    f"The training diverged: the loss is {logs['loss']} at step {self.state.global_step}. Use a lower "
                    "learning_rate or more warmup_steps."
                )
            logs |= {f"loss_{name}": value for name, value in self._mean_losses().items()}
            self._loss_sums, self._passes = {}, 0
        super().log(logs, *arguments)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        """Compute in bf16 with FSDP, which would otherwise convert the parameters, but not the volumes, to bf16."""
        if self.is_fsdp_enabled and self._computes_bf16:
            return torch.autocast(self.args.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _mean_losses(self) -> dict[str, float]:
        """Return the mean of each loss since the last log entry, over all processes."""
        sums: dict[str, float] = {}
        passes = 0
        own = {name: float(value) for name, value in self._loss_sums.items()}
        for process_sums, process_passes in gather_object([(own, self._passes)]):
            for name, value in process_sums.items():
                sums[name] = sums.get(name, 0.0) + value
            passes += process_passes
        return {name: value / passes for name, value in sums.items()}

    def _get_train_sampler(self, train_dataset: Dataset[int] | None = None) -> CaseOrder:
        return self._order

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Compute the mean losses of the validation cases.

        Every process evaluates all of them, so the result does not depend on the number of processes. The random state
        is the same in every evaluation, and the random state of training is left unchanged.

        Returns:
            The losses, as "eval_loss_" and their name, and their sum, "eval_loss".
        """
        sums: dict[str, float] = {}
        count = 0
        self._module.eval()
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            # The worker processes do not persist: an iterator that is used again draws fewer random numbers.
            for batch in DataLoader(
                cast("Dataset[int]", self.eval_dataset),
                self.args.per_device_eval_batch_size,
                collate_fn=collate_indices,
                num_workers=self.args.dataloader_num_workers,
            ):
                with self._autocast():
                    losses = self._module(batch["cases"])
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(batch["cases"])
                count += len(batch["cases"])
        metrics = {f"eval_loss_{name}": value / count for name, value in sums.items()}
        metrics["eval_loss"] = sum(metrics.values())
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if not self.args.should_save:
            return
        folder = Path(output_dir) if output_dir else self._folder
        folder.mkdir(parents=True, exist_ok=True)
        if state_dict is None:
            save_trained_parameters(self._module, folder / WEIGHTS)
        else:  # FSDP collected it from the processes
            names = self._module.trained_parameters()
            save_file({name: state_dict[f"model.{name}"].contiguous() for name in names}, folder / WEIGHTS)
            apply_umask([folder / WEIGHTS])

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Do nothing: :meth:`run` has loaded the parameters, before FSDP divided them among the processes."""

    def _load_best_model(self) -> None:
        if not self.is_fsdp_enabled and self.state.best_model_checkpoint is not None:
            load_trained_parameters(self._module, Path(self.state.best_model_checkpoint) / WEIGHTS)


def save_trained_parameters(module: TrainingModule, file: Path) -> None:
    """Write the parameters that a module trains to a safetensors file."""
    save_file({name: p.detach().cpu().contiguous() for name, p in module.trained_parameters().items()}, file)
    apply_umask([file])


def load_trained_parameters(module: TrainingModule, file: Path) -> None:
    """Load the parameters that :func:`save_trained_parameters` wrote, in this or an earlier version.

    Args:
        module: receives the parameters.
        file: the safetensors file.

    Raises:
        Reg2RGError: the file's parameters are not the ones that the module trains.
    """
    stored = {upgrade_tensor_name(name): tensor for name, tensor in load_file(file).items()}
    parameters = module.trained_parameters()
    if stored.keys() != parameters.keys():
        raise Reg2RGError(f"{file} lacks the parameters that this stage trains; choose another output folder.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(stored[name])


def uses_bf16(config: TrainingConfig, device: torch.device) -> bool:
    """Return whether a training computes matrix products in bf16. "auto" does so only where it is not emulated."""
    if config.precision == "auto":
        return computes_bf16(str(device))
    return config.precision == "bf16"


def passes_per_process(stage: Stage, processes: int) -> int:
    """Return how many of the forward passes of an optimizer step each process does.

    Args:
        stage: the stage, whose ``grad_accum_steps`` the processes share. Their number does not change what is learned.
        processes: number of processes.

    Returns:
        The number of passes.

    Raises:
        InputError: the passes cannot be shared equally.
    """
    if stage.grad_accum_steps % processes:
        raise InputError(
            f"The {stage.kind} stage has grad_accum_steps {stage.grad_accum_steps}, which {processes} processes share; "
            f"expected a multiple of {processes}."
        )
    return stage.grad_accum_steps // processes


def last_checkpoint(folder: Path) -> Path | None:
    """Find the last complete checkpoint, and remove later ones: damaged, or interrupted while they were written.

    Args:
        folder: folder of the stage.

    Returns:
        Folder of the checkpoint; None if there is none.
    """
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for checkpoint in checkpoints:
        if _is_complete(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def _is_complete(checkpoint: Path) -> bool:
    """Return whether a training can resume from a checkpoint. Without an optimizer, the Trainer takes a new one."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())  # the file that the main process writes last
        load_file(checkpoint / WEIGHTS)
    except (OSError, ValueError, SafetensorError):
        return False
    optimizers = [checkpoint / name for name in ("optimizer.pt", _FSDP_OPTIMIZER) if (checkpoint / name).exists()]
    stored = [*optimizers, checkpoint / "scheduler.pt", *checkpoint.glob("rng_state*.pth")]
    return bool(optimizers) and all(map(zipfile.is_zipfile, stored))  # the directory of a ZIP file is at its end


class _Epochs(transformers.TrainerCallback):
    """Tells the order of the cases which epoch begins.

    The Trainer does so itself, except where several processes resume in the middle of an epoch.
    """

    def __init__(self, order: CaseOrder) -> None:
        self._order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._order.set_epoch(int(state.epoch or 0))


class _EarlyStopping(transformers.TrainerCallback):
    """Ends training after some evaluations without improvement.

    transformers.EarlyStoppingCallback counts the evaluations, and counts from 0 again in a resumed training. The log
    entries are part of a checkpoint.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if _is_out_of_patience(state.log_history, self._patience):
            control.should_training_stop = True


def _is_out_of_patience(log_history: Sequence[Mapping[str, float]], patience: int | None) -> bool:
    """Return whether the last evaluations, as many as the patience of a stage, have not improved."""
    losses = [row["eval_loss"] for row in log_history if "eval_loss" in row]
    return patience is not None and bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


class _LogMessages(transformers.TrainerCallback):
    """Turns each log entry into a message."""

    def __init__(self, stage: Stage, on_message: MessageCallback) -> None:
        self._stage, self._on_message = stage, on_message

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        is_evaluation = "eval_loss" in logs
        prefix = "eval_loss_" if is_evaluation else "loss_"
        losses = [f"{name.removeprefix(prefix)} {value:.3f}" for name, value in logs.items() if name.startswith(prefix)]
        if losses:
            phase = "validation" if is_evaluation else self._stage.kind
            self._on_message(f"{phase} step {state.global_step}/{state.max_steps}: {', '.join(losses)}")


def _training_arguments(
    config: TrainingConfig, stage: Stage, folder: Path, device: torch.device, *, has_validation: bool
) -> transformers.TrainingArguments:
    """Translate the configuration of a stage into the Trainer's arguments."""
    keeps_best = stage.patience is not None
    length = {"max_steps": stage.steps} if stage.steps else {"num_train_epochs": stage.epochs}
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        **length,
        per_device_train_batch_size=stage.batch_size,
        per_device_eval_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.grad_accum_steps,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=_SCHEDULES[stage.schedule],
        warmup_steps=stage.warmup_steps,
        weight_decay=stage.weight_decay,
        adam_beta2=stage.beta2,
        max_grad_norm=stage.max_grad_norm,
        bf16=uses_bf16(config, device) and not divides_models(),
        use_cpu=device.type == "cpu",
        seed=config.seed,
        dataloader_num_workers=config.workers,
        dataloader_persistent_workers=config.workers > 0,
        dataloader_prefetch_factor=4 if config.workers else None,
        dataloader_pin_memory=False,
        logging_steps=stage.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if has_validation else "no",
        eval_steps=stage.eval_every,
        save_steps=stage.eval_every,
        save_total_limit=2,
        load_best_model_at_end=keeps_best,
        metric_for_best_model="eval_loss" if keeps_best else None,
        greater_is_better=False if keeps_best else None,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        ddp_broadcast_buffers=False,
    )
    arguments.gradient_accumulation_steps = passes_per_process(stage, arguments.world_size)
    arguments._n_gpu = min(arguments.n_gpu, 1)  # otherwise, a single process would split each batch among all GPUs
    return arguments


def _tensorboard_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
