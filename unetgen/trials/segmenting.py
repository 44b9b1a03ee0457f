"""segmentation: a network learns from folders of images and masks, and is scored on images that it never saw."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from unetgen.ablation.running.context import Context
from unetgen.ablation.running.target import trial
from unetgen.config.spec import Spec
from unetgen.network.from_graph import UNet
from unetgen.network.weights.checkpoint import save
from unetgen.tiling.keeping import keeping
from unetgen.tiling.predict import predict
from unetgen.trials.augmentation import Augment, augmentation
from unetgen.trials.baselines import baseline, majority, otsu
from unetgen.trials.losses import Loss, Losses, cross_entropy, loss_of, supervised
from unetgen.trials.options import Rate, Share, Sides, checked, per_axis
from unetgen.trials.samples import Sample, Samples, check
from unetgen.trials.scores import BETTER, Scores
from unetgen.trials.windows import Window, scored_at_once

# The trained network, in the trial's folder.
WEIGHTS = "model.safetensors"


@trial(better=BETTER, baselines={"majority": baseline(majority), "otsu": baseline(otsu)})
@checked
def segmentation(  # noqa: PLR0913  # as many as a person may want to choose
    model: UNet,
    spec: Spec,
    context: Context,
    *,
    images: str,
    masks: str,
    steps: PositiveInt = 1000,
    batch: PositiveInt = 4,
    patch: Sides = 128,
    learning_rate: Rate = 1e-3,
    loss: Losses = "cross_entropy",
    augment: Augment = "flips",
    validation: Share = 0.2,
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
    window = Window.of(model.graph, per_axis("patch", patch, spec.dims))
    samples = Samples.read(Path(images), Path(masks), spec.dims, validation, reduce)
    check(samples, model.graph)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    training = _Training(model, context, samples, window, augmentation(augment, spec.dims), optimizer)
    training.fit(steps, batch, loss_of(loss), evaluate or max(1, steps // 5), samples.objects(objects))
    save(model, context.directory / WEIGHTS)
    return training.scores


@dataclass
class _Training:
    """One network on its way."""

    model: UNet
    context: Context
    samples: Samples
    window: Window
    augmented: Callable[[Sample, int], Sample]
    optimizer: torch.optim.Optimizer

    def fit(self, steps: int, batch: int, loss: Loss, evaluate: int, objects: int | None) -> None:
        """Trains from where an earlier attempt got to."""
        learnt = []
        for step in range(self._continued() + 1, steps + 1):
            learnt.append(self._step(step, batch, loss))
            if step % evaluate == 0 or step == steps:
                self.scores = self._scored(objects)
                self.context.report(step, training_loss=float(np.mean(learnt)), **self.scores)
                learnt = []
                self._keep(step)

    def _step(self, step: int, batch: int, measure: Loss) -> float:
        # Dropout too follows from the step, so that an attempt that goes on is as one that was never interrupted.
        torch.manual_seed(int(np.random.SeedSequence((self.context.seed, step)).generate_state(1)[0]))
        x, truth = self._batch(np.random.default_rng([self.context.seed, step]), batch)
        self.model.train()
        found: Any = self.model(x)
        outputs = [found] if isinstance(found, Tensor) else list(found.values() if isinstance(found, dict) else found)
        loss = supervised(outputs, truth, measure, self.window.answer)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self.optimizer.step()
        return loss.item()

    def _batch(self, random: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """Windows (batch, channels, *size) and the classes of their patches (batch, *patch)."""
        seen = []
        for _ in range(batch):
            chosen = self.samples.learnt[random.integers(len(self.samples.learnt))]
            sample = self.augmented(chosen, int(random.integers(2**31)))
            place = [
                int(random.integers(max(1, whole - wanted + 1)))
                for whole, wanted in zip(sample.mask.shape, self.window.patch, strict=True)
            ]
            seen.append((self.window.cut(sample.image, place), self.window.truth(sample.mask, place)))
        x, truth = (torch.from_numpy(np.stack(side)) for side in zip(*seen, strict=True))
        return x.to(self.context.device), truth.to(self.context.device)

    def _scored(self, objects: int | None) -> dict[str, float]:
        """Scores over every pixel of the held-out images, and the mean of their cross-entropies."""
        scores, losses = Scores(objects), []
        labels = keeping(self.model.graph, "labels")
        for sample in self.samples.scored:
            tile = Window.of(self.model.graph, scored_at_once(sample.mask.shape)).size
            said = torch.from_numpy(predict(self.model, sample.image, tile=tile, exact=False))[None]
            losses.append(cross_entropy(said, torch.from_numpy(sample.mask)[None]).item())
            scores.add(labels(said)[0, 0].numpy(), sample.mask)
        return {**scores.found(), "loss": float(np.mean(losses))}

    def _keep(self, step: int) -> None:
        """Keeps what is needed to go on, whole or not at all."""
        partial = self.context.checkpoint.with_suffix(".partial")
        state = {"step": step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "scores": self.scores}, partial)
        os.replace(partial, self.context.checkpoint)

    def _continued(self) -> int:
        """Takes up what an earlier attempt kept; the last step that it got to, or 0."""
        if not self.context.checkpoint.is_file():
            return 0
        kept = torch.load(self.context.checkpoint, map_location=self.context.device, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.scores = kept["scores"]
        print(f"goes on after step {kept['step']}")  # noqa: T201  # into the trial's log
        return int(kept["step"])
