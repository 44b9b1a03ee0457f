"""The paper's network by hand, and torchinfo's table of it: what one writes without unetgen to see a network.

    python -m benchmarks.layer_table

On the meta device, so that nothing is computed. ``benchmarks.startup`` times it as a whole process.
"""

from __future__ import annotations

import torch
import torchinfo

from benchmarks.handwritten import PaperNet


def main() -> None:
    """Prints the table."""
    with torch.device("meta"):
        model = PaperNet()
    columns = ("output_size", "num_params", "mult_adds")
    torchinfo.summary(model, input_size=(1, 1, 572, 572), device="meta", col_names=columns, depth=4)


if __name__ == "__main__":
    main()
