"""Load a network from a folder written by ``save_pretrained``, or from a repository of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetgen.errors import MissingDependencyError, WeightsError, did_you_mean
from unetgen.hub.publishing import WEIGHTS_FILE

if TYPE_CHECKING:
    import torch

    from unetgen.config.registry.registry import Registry
    from unetgen.network.unet import UNet


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    device: torch.device | str = "cpu",
    registry: Registry | None = None,
    **options: Any,
) -> UNet:
    """Load a network from a folder or a hub repository, in evaluation mode.

    Args:
        name: A folder written by ``save_pretrained``, or a repository, ``owner/name``.
        revision: The branch, tag or commit of the repository.
        device: The device of the weights.
        registry: The parts and plugins to resolve the spec with (default: all that are installed).
        **options: Options of ``huggingface_hub.hf_hub_download``: ``token``, ``cache_dir``, ``local_files_only``.

    Returns:
        The network, rebuilt from the spec in its weights file.

    Raises:
        WeightsError: The folder or repository cannot be read.
        SpecError: A plugin that the spec needs is missing.
        MissingDependencyError: ``huggingface_hub`` is not installed.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> import unetgen
        >>> with TemporaryDirectory() as folder:
        ...     unetgen.build("unet_1d", widths=[4, 8], seed=0).save_pretrained(folder)
        ...     model = unetgen.from_pretrained(folder)
        >>> model.spec.widths
        (4, 8)
    """
    from unetgen.api import load

    folder = Path(name)
    if folder.is_dir():
        if hub_options := [option for option, value in {"revision": revision, **options}.items() if value is not None]:
            raise WeightsError(f"{name}: {hub_options[0]!r} applies to hub repositories, not to a folder; remove it")
        if not (folder / WEIGHTS_FILE).is_file():
            raise WeightsError(f"{name}: no {WEIGHTS_FILE} in this folder; give a folder written by save_pretrained")
        return load(folder / WEIGHTS_FILE, device=device, registry=registry)
    if folder.is_file():
        raise WeightsError(f"{name}: is a file, not a folder; load it with unetgen.load, or give its folder")
    if folder.is_absolute() or str(name).startswith(".") or str(name).count("/") > 1:
        raise WeightsError(f"{name}: folder not found; check the path")
    return load(_download_weights(str(name), revision, options), device=device, registry=registry)


def _download_weights(repo_id: str, revision: str | None, options: dict[str, Any]) -> str:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingDependencyError("loading from the Hugging Face Hub", "huggingface_hub", "hub") from None
    _check_options(repo_id, options, hf_hub_download)
    try:
        return str(hf_hub_download(repo_id, WEIGHTS_FILE, revision=revision, **options))
    except Exception as error:  # the hub client raises many classes
        first = str(error).strip().partition("\n")[0]
        message = f"{repo_id}: not a local folder, and the download failed: {type(error).__name__}: {first}"
        raise WeightsError(f"{message}; check the name, the connection and your token") from error


def _check_options(repo_id: str, options: Iterable[str], download: Callable[..., object]) -> None:
    """Raise WeightsError for unknown options of the hub client, whose own error would look like a failed download."""
    known = [name for name in signature(download).parameters if name not in ("repo_id", "filename")]
    if unknown := [name for name in options if name not in known]:
        hint = did_you_mean(unknown[0], known) or f"options are {', '.join(known)}"
        raise WeightsError(f"{repo_id}: unknown option of hf_hub_download {unknown[0]!r}; {hint}")
