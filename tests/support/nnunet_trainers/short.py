"""A trainer of nnU-Net for a few steps: what decides is seeded, and every network starts from nnU-Net's own weights."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

import unetgen
from unetgen.nnunet.checkpoint import in_order


class Short(nnUNetTrainer):
    """Three steps, then the last image by nnU-Net's predictor; prints the losses and what was predicted."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = torch.device("cpu")
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 1, 3, 1
        self.losses: list[float] = []

    def initialize(self) -> None:
        super().initialize()
        folder = Path(os.environ["nnUNet_preprocessed"], self.plans_manager.dataset_name)
        made = json.loads((folder / "nnUNetPlans.json").read_text())["configurations"]["2d"]["architecture"]
        torch.manual_seed(0)
        names = made["network_class_name"], made["arch_kwargs"], made["_kw_requires_import"]
        own = get_network_from_plans(*names, 1, 2, deep_supervision=True).state_dict()
        if hasattr(self.network, "model"):
            unetgen.import_weights(self.network.model, in_order(own))
        else:
            self.network.load_state_dict(own)

    def on_train_start(self) -> None:
        super().on_train_start()
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(0)

    def train_step(self, batch: dict) -> dict:
        made = super().train_step(batch)
        self.losses.append(float(made["loss"]))
        return made

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        self.set_deep_supervision_enabled(False)
        self.network.eval()
        predictor = nnUNetPredictor(device=self.device, use_mirroring=False)
        predictor.manual_initialization(
            self.network, self.plans_manager, self.configuration_manager, [self.network.state_dict()], self.dataset_json,
            type(self).__name__, None,
        )  # fmt: skip
        image = np.random.default_rng(1).normal(size=(1, 1, 60, 52)).astype(np.float32)
        found: Any = predictor.predict_single_npy_array(image, {"spacing": (999, 1, 1)}, None, None, save_probabilities)
        told = {"losses": self.losses, "pixels": int(found.sum()), "shape": list(found.shape)}
        print("RESULT", json.dumps(told))
