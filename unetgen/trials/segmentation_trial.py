"""Train a network on directories of images and masks, and score it on held-out images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from unetgen.ablation.runs.context import TrialContext
from unetgen.ablation.runs.trial_function import trial
from unetgen.atomic_files import replace_when_complete
from unetgen.config.spec import Spec
from unetgen.network.unet import UNet
from unetgen.network.weights.checkpoint import save
from unetgen.tiling.postprocessing import build_postprocessor
from unetgen.tiling.predict import predict
from unetgen.trials.augmentation import AugmentationName, build_augmentation
from unetgen.trials.baselines import fit_majority, fit_otsu, make_baseline
from unetgen.trials.dataset import Dataset, Sample, check_dataset
from unetgen.trials.losses import LossFunction, LossName, build_loss, cross_entropy, deep_supervision_loss
from unetgen.trials.metrics import METRIC_DIRECTIONS, SegmentationMetrics
from unetgen.trials.options import LearningRate, Proportion, SizeOption, expand_per_axis, validate_options
from unetgen.trials.patch_context import PatchContext, choose_scoring_patch

# The trained network, in the trial's directory.
WEIGHTS_FILE = "model.safetensors"


@trial(better=METRIC_DIRECTIONS, baselines={"majority": make_baseline(fit_majority), "otsu": make_baseline(fit_otsu)})
@validate_options
def segmentation(  # noqa: PLR0913  # all options of a training
    model: UNet,
    spec: Spec,
    context: TrialContext,
    *,
    images: str,
    masks: str,
    steps: PositiveInt = 1000,
    batch: PositiveInt = 4,
    patch: SizeOption = 128,
    learning_rate: LearningRate = 1e-3,
    loss: LossName = "cross_entropy",
    augment: AugmentationName = "flips",
    validation: Proportion = 0.2,
    reduce: PositiveInt = 1,
    evaluate: PositiveInt | None = None,
    objects: int | None = None,
) -> dict[str, float]:
    """Train with Adam on random patches and score the held-out images.

    The patches and their augmentation depend on the seed and the step only. The reported metrics are those after the
    last step; no checkpoint is selected.

    Args:
        model: The network.
        spec: The network's spec.
        context: The trial's context: seed, device and directory.
        images: A directory of images, or a stack of slices.
        masks: A directory of masks with the same names, or a stack of slices.
        steps: The number of training steps.
        batch: The number of patches per step.
        patch: The size of the predicted patch in pixels, one number or one per axis; the input may be larger.
        learning_rate: Adam's learning rate.
        loss: ``cross_entropy``, ``dice`` or ``dice_cross_entropy``.
        augment: ``none``, ``flips`` or ``paper``.
        validation: The fraction of the images that is held out for scoring.
        reduce: The factor by which images and masks are downsampled first.
        evaluate: Report metrics every N steps (default: five times in all).
        objects: The mask value whose connected components are objects; adds ``rand_error``.

    Returns:
        ``dice``, ``iou``, ``loss`` and optionally ``rand_error`` over all pixels of the held-out images.

    Raises:
        ImageError: The data are invalid or do not match the network.
        RunError: An option is invalid.
    """
    window = PatchContext.of(model.graph, expand_per_axis("patch", patch, spec.dims))
    dataset = Dataset.read(Path(images), Path(masks), spec.dims, validation, reduce)
    check_dataset(dataset, model.graph)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    trainer = _Trainer(model, context, dataset, window, build_augmentation(augment, spec.dims), optimizer)
    trainer.fit(steps, batch, build_loss(loss), evaluate or max(1, steps // 5), dataset.find_object_class(objects))
    save(model, context.directory / WEIGHTS_FILE, preprocessing=dataset.preprocessing)
    return trainer.metrics


@dataclass
class _Trainer:
    """The training of one network; ``metrics`` are those of the last evaluation."""

    model: UNet
    context: TrialContext
    dataset: Dataset
    window: PatchContext
    augment: Callable[[Sample, int], Sample]
    optimizer: torch.optim.Optimizer

    def fit(
        self,
        steps: int,
        batch_size: int,
        loss_function: LossFunction,
        evaluation_interval: int,
        object_class: int | None,
    ) -> None:
        """Train the network, starting from the checkpoint of an earlier attempt if there is one."""
        losses = []
        for step in range(self._resume() + 1, steps + 1):
            losses.append(self._train_step(step, batch_size, loss_function))
            if step % evaluation_interval == 0 or step == steps:
                self.metrics = self._evaluate(object_class)
                self.context.report(step, training_loss=float(np.mean(losses)), **self.metrics)
                losses = []
                self._save_checkpoint(step)

    def _train_step(self, step: int, batch_size: int, loss_function: LossFunction) -> float:
        # Dropout is seeded by the step too, so that a resumed training equals one that was not interrupted.
        torch.manual_seed(int(np.random.SeedSequence((self.context.seed, step)).generate_state(1)[0]))
        x, truth = self._sample_batch(np.random.default_rng([self.context.seed, step]), batch_size)
        self.model.train()
        result: Any = self.model(x)
        is_tensor, is_dict = isinstance(result, Tensor), isinstance(result, dict)
        outputs = [result] if is_tensor else list(result.values() if is_dict else result)
        loss = deep_supervision_loss(outputs, truth, loss_function, self.window.crop_output)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self.optimizer.step()
        return loss.item()

    def _sample_batch(self, rng: np.random.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return random inputs (batch, channels, *input_size) and the classes of their patches (batch, *patch)."""
        pairs = []
        for _ in range(batch_size):
            original = self.dataset.train[rng.integers(len(self.dataset.train))]
            sample = self.augment(original, int(rng.integers(2**31)))
            position = [
                int(rng.integers(max(1, image_length - patch_length + 1)))
                for image_length, patch_length in zip(sample.mask.shape, self.window.patch, strict=True)
            ]
            pairs.append((self.window.read_input(sample.image, position), self.window.read_mask(sample.mask, position)))
        x, truth = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
        return x.to(self.context.device), truth.to(self.context.device)

    def _evaluate(self, object_class: int | None) -> dict[str, float]:
        """Return the metrics over all pixels of the held-out images, and their mean cross-entropy."""
        metrics, losses = SegmentationMetrics(object_class), []
        to_labels = build_postprocessor(self.model.graph, "labels")
        for sample in self.dataset.validation:
            tile = PatchContext.of(self.model.graph, choose_scoring_patch(sample.mask.shape)).input_size
            output = torch.from_numpy(predict(self.model, sample.image, tile=tile, exact=False))[None]
            losses.append(cross_entropy(output, torch.from_numpy(sample.mask)[None]).item())
            metrics.update(to_labels(output)[0, 0].numpy(), sample.mask)
        return {**metrics.compute(), "loss": float(np.mean(losses))}

    def _save_checkpoint(self, step: int) -> None:
        """Save the state that is needed to resume, atomically."""
        state = {"step": step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with replace_when_complete(self.context.checkpoint) as partial:
            torch.save({**state, "scores": self.metrics}, partial)

    def _resume(self) -> int:
        """Load the checkpoint of an earlier attempt and return its last step, or 0."""
        if not self.context.checkpoint.is_file():
            return 0
        state = torch.load(self.context.checkpoint, map_location=self.context.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.metrics = state["scores"]
        print(f"resuming after step {state['step']}")  # noqa: T201  # into the trial's log
        return int(state["step"])
