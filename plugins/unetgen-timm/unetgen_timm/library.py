"""Import timm when a spec first names a backbone, and check the names of backbones and weights."""

from __future__ import annotations

import warnings
from functools import lru_cache
from types import ModuleType

from unetgen.errors import PluginError, did_you_mean, format_exception_line


class UnsupportedOptionError(Exception):
    """An option that timm or the rest of the network does not support, with a reason and a hint."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        self.option = option
        self.message = message
        self.hint = hint
        super().__init__(f"{option}: {message}; {hint}")


def import_timm() -> ModuleType:
    """Return the library; raise PluginError with a hint if it cannot be imported."""
    result = _try_import_timm()
    if isinstance(result, Exception):
        is_missing = isinstance(result, ModuleNotFoundError) and result.name == "timm"
        hint = "run: pip install timm" if is_missing else "install the torchvision build for your torch (pytorch.org)"
        message = f"encoder 'timm' needs timm, which cannot be imported: {format_exception_line(result)}; {hint}"
        raise PluginError(message) from result
    return result


@lru_cache(maxsize=1)
def _try_import_timm() -> ModuleType | Exception:
    # Cached, because importing a half-imported library again fails with an unrelated error.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's, addressed to the authors of timm
        try:
            import timm
        except Exception as error:
            return error
    return timm


def check_name(name: str) -> None:
    """Raise UnsupportedOptionError if timm has no backbone of this name."""
    architecture, dot, tag = name.partition(".")
    known = _list_backbones()
    if architecture in known and dot:
        message = f"{name!r} includes the name of its weights"
        hint = f"write 'name: {architecture}', and 'pretrained: {tag}' for those weights"
        raise UnsupportedOptionError("name", message, hint)
    if architecture not in known:
        hint = did_you_mean(architecture, known) or "see timm.list_models() for all names"
        raise UnsupportedOptionError("name", f"timm {import_timm().__version__} has no {name!r}", hint)


def check_weights(name: str, tag: str | bool) -> None:
    """Raise UnsupportedOptionError if timm has no pretrained weights, or none with this tag, for a backbone."""
    tags = [full.partition(".")[2] for full in import_timm().list_models(f"{name}.*", pretrained=True)]
    if tag and not tags:
        hint = "write 'pretrained: false', or set 'weights: PATH' to a file"
        raise UnsupportedOptionError("pretrained", f"timm has no pretrained weights for {name!r}", hint)
    if isinstance(tag, str) and tag not in tags:
        hint = did_you_mean(tag, tags) or f"choose one of {', '.join(tags)}"
        raise UnsupportedOptionError("pretrained", f"timm has no weights {tag!r} for {name!r}", hint)


@lru_cache(maxsize=1)
def _list_backbones() -> frozenset[str]:
    return frozenset(import_timm().list_models())
