"""Print torchinfo's table of the paper's hand-written network, the equivalent of ``unetgen build``.

    python -m benchmarks.layer_table

It uses the meta device, so nothing is computed. ``benchmarks.startup`` times it as a process.
"""

from __future__ import annotations

import torch
import torchinfo

from benchmarks.handwritten import PaperNet


def main() -> None:
    """Print the table."""
    with torch.device("meta"):
        model = PaperNet()
    columns = ("output_size", "num_params", "mult_adds")
    torchinfo.summary(model, input_size=(1, 1, 572, 572), device="meta", col_names=columns, depth=4)


if __name__ == "__main__":
    main()
