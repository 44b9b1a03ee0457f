"""timm itself: imported when a spec first names a backbone, and asked for the names that it knows."""

from __future__ import annotations

import warnings
from functools import lru_cache
from types import ModuleType

from unetgen.errors import PluginError, did_you_mean, format_exception_line


class UnsupportedOptionError(Exception):
    """An option that timm or a decoder has no use for: which one, why, and the way out."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        self.option = option
        self.message = message
        self.hint = hint
        super().__init__(f"{option}: {message}; {hint}")


def import_timm() -> ModuleType:
    """The library. Raises PluginError with the way out where it cannot be imported."""
    found = _try_import_timm()
    if isinstance(found, Exception):
        absent = isinstance(found, ModuleNotFoundError) and found.name == "timm"
        hint = "run: pip install timm" if absent else "install the torchvision that goes with your torch (pytorch.org)"
        message = f"encoder 'timm' needs timm, which cannot be imported: {format_exception_line(found)}; {hint}"
        raise PluginError(message) from found
    return found


@lru_cache(maxsize=1)
def _try_import_timm() -> ModuleType | Exception:
    # A second import of a library that is half imported fails in words that lead nowhere, so the first is kept.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's, for timm's authors
        try:
            import timm
        except Exception as error:
            return error
    return timm


def check_name(name: str) -> None:
    """Raises Unfit where timm has no such backbone."""
    bare, dot, tag = name.partition(".")
    known = _list_backbones()
    if bare in known and dot:
        what = f"{name!r} has the name of its weights in it"
        raise UnsupportedOptionError("name", what, f"write 'name: {bare}', and 'pretrained: {tag}' for those weights")
    if bare not in known:
        hint = did_you_mean(bare, known) or "timm.list_models() has them all"
        raise UnsupportedOptionError("name", f"timm {import_timm().__version__} has no {name!r}", hint)


def check_weights(name: str, tag: str | bool) -> None:
    """Raises Unfit where timm has no weights of that name for a backbone."""
    tags = [full.partition(".")[2] for full in import_timm().list_models(f"{name}.*", pretrained=True)]
    if tag and not tags:
        hint = "write 'pretrained: false', or name a file of yours: 'weights: PATH'"
        raise UnsupportedOptionError("pretrained", f"timm has no weights of {name!r}", hint)
    if isinstance(tag, str) and tag not in tags:
        hint = did_you_mean(tag, tags) or f"they are {', '.join(tags)}"
        raise UnsupportedOptionError("pretrained", f"timm has no weights {tag!r} of {name!r}", hint)


@lru_cache(maxsize=1)
def _list_backbones() -> frozenset[str]:
    return frozenset(import_timm().list_models())
