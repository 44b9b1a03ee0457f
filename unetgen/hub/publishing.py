"""Publishing: a network as the hub keeps it, in a folder or put there by huggingface_hub's mixin."""

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
    license: str | None = None,  # noqa: A002  # the hub's word
    repo_id: str = "",
) -> None:
    """Writes a network as the hub keeps it: weights with the spec inside, the spec by itself, a card and a figure.

    Raises WeightsError where it cannot be written.
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
        raise WeightsError(f"{folder}: cannot be written: {error.strerror}; choose another place") from error


def push_to_hub(model: UNet, repo_id: str, *, license: str | None = None, **options: Any) -> str:  # noqa: A002  # as above
    """Puts a network on the hub, and gives the address of the commit.

    ``options`` are those of huggingface_hub's mixin: ``private``, ``token``, ``branch``, ``create_pr``,
    ``commit_message``. Raises WeightsError where the hub refuses, and MissingExtra.
    """
    mixin = _import_hub_mixin("putting a network on the hub")

    with TemporaryDirectory() as folder:
        # Once by itself: what fails here is no fault of the hub.
        save_pretrained(model, folder, license=license, repo_id=repo_id)

    class Shelf(mixin):  # type: ignore[misc, valid-type]  # the mixin is there or not
        def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:
            save_pretrained(model, save_directory, license=license, repo_id=repo_id)

    try:
        return str(Shelf().push_to_hub(repo_id, **options))
    except Exception as error:  # the hub has an error for each way to fail
        raise WeightsError(
            f"{repo_id}: the hub does not take it: {format_exception_line(error)}; check its name and your token"
        ) from error


def _import_hub_mixin(feature: str) -> type[Any]:
    try:
        from huggingface_hub import ModelHubMixin
    except ImportError:
        raise MissingDependencyError(feature, "huggingface_hub", "hub") from None
    return ModelHubMixin
