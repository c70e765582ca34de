"""One stage on the Hugging Face Trainer: AdamW, warm-up, clipping, checkpoints, resuming, early stopping are its."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reg2rg.errors import Reg2RGError
from reg2rg.runtime.third_party import import_transformers
from reg2rg.training.case_cache import CaseNumbers, CaseStore, collate_numbers
from reg2rg.training.config import Stage, TrainingConfig
from reg2rg.training.module import Learner

transformers = import_transformers()

WEIGHTS = "trained.safetensors"
"""Of a checkpoint: what the stage trains, and nothing else."""

Tell = Callable[[str], None]


class StageTrainer(transformers.Trainer):
    """Trains what a learner says; its loss is the sum of the learner's losses, each of which is logged."""

    def __init__(
        self, learner: Learner, store: CaseStore, config: TrainingConfig, stage: Stage, folder: Path, tell: Tell
    ) -> None:
        """``folder``: for checkpoints and logs of this stage."""
        self._parts: dict[str, Tensor] = {}
        self._passes = 0
        validation = CaseNumbers(store, store.validation) if len(store.validation) else None
        super().__init__(
            learner,
            _arguments(config, stage, folder, learner.model.device, validated=validation is not None),
            train_dataset=CaseNumbers(store, store.training[: stage.cases]),
            eval_dataset=validation,
            data_collator=collate_numbers,
            callbacks=[
                transformers.integrations.TensorBoardCallback(_tensorboard(folder / "logs")),
                _Lines(stage, tell),
                *([transformers.EarlyStoppingCallback(stage.patience)] if stage.patience else []),
            ],
        )
        self.remove_callback(transformers.PrinterCallback)  # ours says it in fewer words

    def run(self) -> list[dict[str, Any]]:
        """Train, from the last checkpoint on if there is one; what was logged."""
        checkpoint = last_checkpoint(Path(self.args.output_dir))
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        return self.state.log_history

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        # Chance depends on the step and its cases alone, so a training that goes on does what it would have done.
        torch.manual_seed(hash((self.args.seed, self.state.global_step, *inputs["cases"].tolist())) % 2**63)
        parts = model(inputs["cases"])
        for name, value in parts.items():
            self._parts[name] = self._parts.get(name, 0) + value.detach()
        self._passes += 1
        return sum(parts.values())

    def log(self, logs: dict[str, float], *arguments: Any) -> None:
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise Reg2RGError(
                    f"The loss is {logs['loss']} at step {self.state.global_step}: the training has diverged. "
                    "Take a lower rate or a longer warm-up."
                )
            logs |= {f"loss_{name}": float(value) / self._passes for name, value in self._parts.items()}
            self._parts, self._passes = {}, 0
        super().log(logs, *arguments)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean losses of the validation cases; chance is the same every time, and the training's is left alone."""
        sums: dict[str, float] = {}
        count = 0
        self.model.eval()
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            for batch in self.get_eval_dataloader():
                for name, value in self.model(batch["cases"]).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(batch["cases"])
                count += len(batch["cases"])
        metrics = {f"eval_loss_{name}": value / count for name, value in sums.items()}
        metrics["eval_loss"] = sum(metrics.values())
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_trained(self.model, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_trained(self.model, Path(resume_from_checkpoint) / WEIGHTS)

    def _load_best_model(self) -> None:
        load_trained(self.model, Path(self.state.best_model_checkpoint) / WEIGHTS)


def save_trained(learner: Learner, file: Path) -> None:
    """Write what a learner trains."""
    save_file({name: p.detach().cpu().contiguous() for name, p in learner.trained().items()}, file)


def load_trained(learner: Learner, file: Path) -> None:
    """Put back what ``save_trained`` wrote."""
    stored, trained = load_file(file), learner.trained()
    if stored.keys() != trained.keys():
        raise Reg2RGError(f"{file} holds other parameters than this stage trains; begin in a new folder.")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(stored[name])


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that was written to its end; what a kill left half written is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for checkpoint in found:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())  # written last
            return checkpoint
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return None


class _Lines(transformers.TrainerCallback):
    """A line for each thing that is logged."""

    def __init__(self, stage: Stage, tell: Tell) -> None:
        self._stage, self._tell = stage, tell

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        prefix = "eval_loss_" if "eval_loss" in logs else "loss_"
        parts = {name.removeprefix(prefix): value for name, value in logs.items() if name.startswith(prefix)}
        if parts:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
            what = "validation" if "eval_loss" in logs else self._stage.kind
            self._tell(f"{what} step {state.global_step}/{state.max_steps}: {losses}")


def _arguments(
    config: TrainingConfig, stage: Stage, folder: Path, device: torch.device, *, validated: bool
) -> transformers.TrainingArguments:
    length = {"max_steps": stage.steps} if stage.steps else {"num_train_epochs": stage.epochs}
    improving = stage.patience is not None
    schedules = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}
    return transformers.TrainingArguments(
        output_dir=str(folder),
        **length,
        per_device_train_batch_size=stage.batch,
        per_device_eval_batch_size=stage.batch,
        gradient_accumulation_steps=stage.accumulate,
        learning_rate=stage.rate,
        lr_scheduler_type=schedules[stage.schedule],
        warmup_steps=stage.warmup,
        weight_decay=stage.weight_decay,
        adam_beta2=stage.beta2,
        max_grad_norm=stage.clip,
        bf16=config.precision == "bf16",
        use_cpu=device.type == "cpu",
        seed=config.seed,
        dataloader_num_workers=config.workers,
        dataloader_persistent_workers=config.workers > 0,
        dataloader_prefetch_factor=4 if config.workers else None,
        dataloader_pin_memory=False,
        logging_steps=stage.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validated else "no",
        eval_steps=stage.every,
        save_steps=stage.every,
        save_total_limit=2,
        load_best_model_at_end=improving,
        metric_for_best_model="eval_loss" if improving else None,
        greater_is_better=False if improving else None,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )


def _tensorboard(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
