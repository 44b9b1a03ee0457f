"""Loading: a network from such a folder, or from a repository of the hub."""

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
    """The network of a folder that ``save_pretrained`` wrote, or of a repository of the hub, in evaluation mode.

    ``options`` are those of ``huggingface_hub.hf_hub_download``: ``token``, ``cache_dir``, ``local_files_only``.
    Raises WeightsError where there is none, and SpecError where a plugin that it needs is missing.
    """
    from unetgen.api import load

    folder = Path(name)
    if folder.is_dir():
        if strange := [name for name, value in {"revision": revision, **options}.items() if value is not None]:
            raise WeightsError(f"{name}: {strange[0]!r} is for repositories, and this is a folder; leave it out")
        if not (folder / WEIGHTS_FILE).is_file():
            raise WeightsError(f"{name}: this folder has no {WEIGHTS_FILE}; give the one that save_pretrained wrote")
        return load(folder / WEIGHTS_FILE, device=device, registry=registry)
    if folder.is_file():
        raise WeightsError(f"{name}: this is a file, not a folder; load it with unetgen.load, or give its folder")
    if folder.is_absolute() or str(name).startswith(".") or str(name).count("/") > 1:
        raise WeightsError(f"{name}: there is no such folder; check the path")
    return load(_download_weights(str(name), revision, options), device=device, registry=registry)


def _download_weights(repo_id: str, revision: str | None, options: dict[str, Any]) -> str:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingDependencyError("taking a network from the hub", "huggingface_hub", "hub") from None
    _check_options(repo_id, options, hf_hub_download)
    try:
        return str(hf_hub_download(repo_id, WEIGHTS_FILE, revision=revision, **options))
    except Exception as error:  # as above
        first = str(error).strip().partition("\n")[0]
        message = f"{repo_id}: there is no such folder, and the hub does not give it: {type(error).__name__}: {first}"
        raise WeightsError(f"{message}; check the name, the network and your token") from error


def _check_options(repo_id: str, options: Iterable[str], download: Callable[..., object]) -> None:
    """Raises WeightsError where the hub's client has no such option: what it then raises looks like the hub's fault."""
    known = [name for name in signature(download).parameters if name not in ("repo_id", "filename")]
    if strange := [name for name in options if name not in known]:
        hint = did_you_mean(strange[0], known) or f"there are {', '.join(known)}"
        raise WeightsError(f"{repo_id}: hf_hub_download has no option {strange[0]!r}; {hint}")
