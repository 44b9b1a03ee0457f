"""Methods of a finished network that belong to higher packages: the figure and the Hugging Face Hub.

This is the only file that may import upwards (see ``tests/project/test_architecture.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from unetgen.config.spec import Spec
    from unetgen.graph.graph import Graph
    from unetgen.network.unet import UNet


class ModelMethods:
    """Methods that pass a network on to the figure and to the hub."""

    spec: Spec
    graph: Graph

    def _repr_svg_(self) -> str:
        """Return the U figure as SVG, for notebooks."""
        from unetgen.figure.figure import Figure

        return Figure.of(self.spec.name, self.graph, self.spec.input_size).svg

    def save_pretrained(self, folder: str | Path, *, license: str | None = None) -> None:  # noqa: A002  # the hub's term
        """Write the network to a folder in the Hugging Face Hub's layout.

        Args:
            folder: The folder to write: weights with the resolved spec, the model card and the figure.
            license: The license that the card names, for example ``"apache-2.0"``.

        Raises:
            WeightsError: If the network has no weights or the folder cannot be written.
        """
        from unetgen.hub.publishing import save_pretrained

        save_pretrained(cast("UNet", self), folder, license=license)

    def push_to_hub(self, repo_id: str, *, license: str | None = None, **options: Any) -> str:  # noqa: A002  # as above
        """Upload the network to the Hugging Face Hub.

        Args:
            repo_id: The repository, ``"user/name"``.
            license: The license that the card names.
            **options: Options of the hub client: ``private``, ``token``, ``branch``, ``create_pr``, ``commit_message``.

        Returns:
            The address of the commit.

        Raises:
            WeightsError: If the network has no weights or the hub rejects the upload.
            MissingDependencyError: If the extra ``hub`` is not installed.
        """
        from unetgen.hub.publishing import push_to_hub

        return push_to_hub(cast("UNet", self), repo_id, license=license, **options)
