"""A small data set of discs, and nnU-Net's own commands on it, in a process of its own.

python nnunet_bench.py FOLDER plan            plans by two of its planners, and its preprocessing
python nnunet_bench.py FOLDER train PLANS     nnUNetv2_train for a few steps
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
for _kind in ("raw", "preprocessed", "results"):
    (FOLDER / _kind).mkdir(parents=True, exist_ok=True)
    os.environ[f"nnUNet_{_kind}"] = str(FOLDER / _kind)
# In training one process, so that one seed decides; planning wants a number above none.
os.environ["nnUNet_n_proc_DA"] = "1" if sys.argv[2] == "plan" else "0"

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from torchvision_stub import declare_operators  # noqa: E402

declare_operators()  # before anything that imports torchvision

NAME = "Dataset007_Discs"


def data() -> None:
    """Ten images of discs with their masks, as nnU-Net wants them."""
    raw = FOLDER / "raw" / NAME
    for kind in ("imagesTr", "labelsTr"):
        (raw / kind).mkdir(parents=True, exist_ok=True)
    fresh = np.random.default_rng(0)
    for number in range(10):
        y, x = np.mgrid[:48, :48]
        centre = fresh.integers(14, 34, 2)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < fresh.integers(6, 12) ** 2
        image = np.clip(disc * 120 + fresh.normal(60, 20, disc.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(raw / "imagesTr" / f"d_{number:03}_0000.png")
        Image.fromarray(disc.astype(np.uint8)).save(raw / "labelsTr" / f"d_{number:03}.png")
    said = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "disc": 1},
        "numTraining": 10,
        "file_ending": ".png",
    }
    (raw / "dataset.json").write_text(json.dumps(said))


def plan() -> None:
    """nnU-Net's own planning, by each of its planners, and its preprocessing."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    data()
    extract_fingerprints([7], num_processes=1, check_dataset_integrity=False)
    for planner in ("ExperimentPlanner", "nnUNetPlannerResEncM"):
        plan_experiments([7], experiment_planner_class_name=planner)
    preprocess([7], configurations=("2d",), num_processes=(1,))


def train(plans: str) -> None:
    """nnU-Net's own command."""
    os.environ["nnUNet_extTrainer"] = str(Path(__file__).parent / "nnunet_trainers")
    sys.argv = ["nnUNetv2_train", "7", "2d", "0", "-tr", "Short", "-p", plans, "-device", "cpu"]
    from nnunetv2.run.run_training import run_training_entry

    run_training_entry()


if __name__ == "__main__":
    plan() if sys.argv[2] == "plan" else train(sys.argv[3])
