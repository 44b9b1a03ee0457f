"""Write a network in the Hugging Face Hub's layout, to a folder or to a repository."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from unetgen.errors import MissingDependencyError, WeightsError, format_exception_line
from unetgen.hub.card import render_model_card

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

WEIGHTS_FILE, SPEC_FILE, CARD_FILE, FIGURE_FILE = "model.safetensors", "spec.yaml", "README.md", "figure.svg"


def save_pretrained(
    model: UNet,
    folder: str | Path,
    *,
    license: str | None = None,  # noqa: A002  # the hub's term
    repo_id: str = "",
) -> None:
    """Write a network in the hub's layout: weights with the spec inside, the spec, the model card and the figure.

    Args:
        model: The network.
        folder: The folder to write; created if missing.
        license: The license of the weights, as the hub abbreviates it, for example ``apache-2.0``.
        repo_id: The hub repository that the model card names; empty for a local folder.

    Raises:
        WeightsError: The network has no weights, or the folder cannot be written.
    """
    from unetgen.config.yaml.writer import dump_yaml
    from unetgen.figure.figure import Figure
    from unetgen.network.weights.checkpoint import save, unwrap_compiled

    model, target = unwrap_compiled(model), Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        save(model, target / WEIGHTS_FILE)
        (target / SPEC_FILE).write_text(dump_yaml(model.spec.resolved()), encoding="utf-8")
        figure = Figure.of(model.spec.name, model.graph, model.spec.input_size, "compact")
        (target / FIGURE_FILE).write_text(figure.svg, encoding="utf-8")
        (target / CARD_FILE).write_text(render_model_card(model.spec, model.graph, license, repo_id), encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be written: {error.strerror}; choose another path") from error


def push_to_hub(model: UNet, repo_id: str, *, license: str | None = None, **options: Any) -> str:  # noqa: A002  # as above
    """Upload a network to the hub.

    Args:
        model: The network.
        repo_id: The repository, ``owner/name``; created if missing.
        license: The license of the weights, as the hub abbreviates it.
        **options: Options of ``huggingface_hub.ModelHubMixin.push_to_hub``: ``private``, ``token``, ``branch``,
            ``create_pr``, ``commit_message``.

    Returns:
        The address of the commit.

    Raises:
        WeightsError: The network cannot be written, or the upload failed.
        MissingDependencyError: ``huggingface_hub`` is not installed.
    """
    mixin = _import_hub_mixin("publishing to the Hugging Face Hub")

    with TemporaryDirectory() as folder:
        # Written once before the upload, so that errors in writing are not reported as errors of the hub.
        save_pretrained(model, folder, license=license, repo_id=repo_id)

    class Uploader(mixin):  # type: ignore[misc, valid-type]  # the mixin is an optional dependency
        def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:
            save_pretrained(model, save_directory, license=license, repo_id=repo_id)

    try:
        return str(Uploader().push_to_hub(repo_id, **options))
    except Exception as error:  # the hub client raises many classes
        raise WeightsError(
            f"{repo_id}: the upload failed: {format_exception_line(error)}; check the repository name and your token"
        ) from error


def _import_hub_mixin(feature: str) -> type[Any]:
    try:
        from huggingface_hub import ModelHubMixin
    except ImportError:
        raise MissingDependencyError(feature, "huggingface_hub", "hub") from None
    return ModelHubMixin
