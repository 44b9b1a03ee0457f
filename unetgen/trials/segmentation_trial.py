"""segmentation: a network learns from folders of images and masks, and is scored on images that it never saw."""

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
from unetgen.trials.patch_window import PatchWindow, choose_scoring_patch

# The trained network, in the trial's folder.
WEIGHTS_FILE = "model.safetensors"


@trial(better=METRIC_DIRECTIONS, baselines={"majority": make_baseline(fit_majority), "otsu": make_baseline(fit_otsu)})
@validate_options
def segmentation(  # noqa: PLR0913  # as many as a person may want to choose
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
    """Trains with Adam on patches, and gives ``dice``, ``iou`` and ``loss`` over all pixels of the held-out images.

    ``images`` and ``masks`` are folders with files of one name, or two stacks of slices. ``patch`` is what a network
    answers for, in pixels, whatever it sees for that. The last share ``validation`` of the images is only scored, and
    nothing is chosen by it: the scores are those after the last of ``steps``, told every ``evaluate`` steps on the way.
    ``objects`` is a mask's number whose connected pixels are objects, and adds ``rand_error``. Which patches are seen,
    and how they are changed, follows from the seed and the step alone. Raises ImageError where the data and the network
    do not go together, RunError of options that are none.
    """
    window = PatchWindow.of(model.graph, expand_per_axis("patch", patch, spec.dims))
    samples = Dataset.read(Path(images), Path(masks), spec.dims, validation, reduce)
    check_dataset(samples, model.graph)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    training = _Trainer(model, context, samples, window, build_augmentation(augment, spec.dims), optimizer)
    training.fit(steps, batch, build_loss(loss), evaluate or max(1, steps // 5), samples.find_object_class(objects))
    save(model, context.directory / WEIGHTS_FILE)
    return training.scores


@dataclass
class _Trainer:
    """One network on its way."""

    model: UNet
    context: TrialContext
    dataset: Dataset
    window: PatchWindow
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
        """Trains from where an earlier attempt got to."""
        learnt = []
        for step in range(self._resume() + 1, steps + 1):
            learnt.append(self._train_step(step, batch_size, loss_function))
            if step % evaluation_interval == 0 or step == steps:
                self.scores = self._evaluate(object_class)
                self.context.report(step, training_loss=float(np.mean(learnt)), **self.scores)
                learnt = []
                self._save_checkpoint(step)

    def _train_step(self, step: int, batch_size: int, loss_function: LossFunction) -> float:
        # Dropout too follows from the step, so that an attempt that goes on is as one that was never interrupted.
        torch.manual_seed(int(np.random.SeedSequence((self.context.seed, step)).generate_state(1)[0]))
        x, truth = self._sample_batch(np.random.default_rng([self.context.seed, step]), batch_size)
        self.model.train()
        found: Any = self.model(x)
        outputs = [found] if isinstance(found, Tensor) else list(found.values() if isinstance(found, dict) else found)
        loss = deep_supervision_loss(outputs, truth, loss_function, self.window.crop_output)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self.optimizer.step()
        return loss.item()

    def _sample_batch(self, rng: np.random.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
        """Windows (batch, channels, *size) and the classes of their patches (batch, *patch)."""
        seen = []
        for _ in range(batch_size):
            chosen = self.dataset.train[rng.integers(len(self.dataset.train))]
            sample = self.augment(chosen, int(rng.integers(2**31)))
            place = [
                int(rng.integers(max(1, whole - wanted + 1)))
                for whole, wanted in zip(sample.mask.shape, self.window.patch, strict=True)
            ]
            seen.append((self.window.crop_input(sample.image, place), self.window.crop_mask(sample.mask, place)))
        x, truth = (torch.from_numpy(np.stack(side)) for side in zip(*seen, strict=True))
        return x.to(self.context.device), truth.to(self.context.device)

    def _evaluate(self, object_class: int | None) -> dict[str, float]:
        """Scores over every pixel of the held-out images, and the mean of their cross-entropies."""
        scores, losses = SegmentationMetrics(object_class), []
        labels = build_postprocessor(self.model.graph, "labels")
        for sample in self.dataset.validation:
            tile = PatchWindow.of(self.model.graph, choose_scoring_patch(sample.mask.shape)).input_size
            said = torch.from_numpy(predict(self.model, sample.image, tile=tile, exact=False))[None]
            losses.append(cross_entropy(said, torch.from_numpy(sample.mask)[None]).item())
            scores.update(labels(said)[0, 0].numpy(), sample.mask)
        return {**scores.compute(), "loss": float(np.mean(losses))}

    def _save_checkpoint(self, step: int) -> None:
        """Keeps what is needed to go on, whole or not at all."""
        state = {"step": step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with replace_when_complete(self.context.checkpoint) as partial:
            torch.save({**state, "scores": self.scores}, partial)

    def _resume(self) -> int:
        """Takes up what an earlier attempt kept; the last step that it got to, or 0."""
        if not self.context.checkpoint.is_file():
            return 0
        kept = torch.load(self.context.checkpoint, map_location=self.context.device, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.scores = kept["scores"]
        print(f"goes on after step {kept['step']}")  # noqa: T201  # into the trial's log
        return int(kept["step"])
