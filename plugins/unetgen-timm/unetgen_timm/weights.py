"""First weights of a backbone: timm's own, or those of a file, which must hold every tensor that the backbone has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from unetgen.errors import WeightsError, format_exception_line

from unetgen_timm import library
from unetgen_timm.meta import build_on_meta

timm = library.import_timm()


def load_from_timm(name: str, **options: Any) -> nn.Module:
    """The features of a backbone with timm's weights, which it downloads or has downloaded before."""
    try:
        net: nn.Module = timm.create_model(name, pretrained=True, features_only=True, **options)
    except Exception as error:
        what = f"timm cannot load its weights of {name!r}: {_format_brief(error)}"
        raise WeightsError(f"{what}; connect to the internet, or name a file: 'weights: PATH'") from error
    return net


def load_from_file(name: str, path: str, **options: Any) -> nn.Module:
    """The features of a backbone with the weights of a file, renamed and adapted by timm as it does with its own."""
    tensors = _read_tensors(path)
    source: dict[str, Any] = {"state_dict": tensors}
    if _has_matching_input(name, tensors, options["in_chans"]):
        source["first_conv"] = None  # timm adapts from three channels, and drops what has others
    with _record_load_results() as results:
        try:
            net: nn.Module = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=source, features_only=True, **options
            )
        except Exception as error:
            raise _mismatch_error(name, path, [_format_brief(error)]) from error
    whole, (missing, unexpected) = results[-1]
    used = {id(tensor) for tensor in net.state_dict(keep_vars=True).values()}
    classifier = _list_classifier_keys(name) if unexpected else set()
    # Of what stands behind the last feature, the head, a file may have as much or as little as it likes.
    found = [f"{key} is missing" for key in missing if id(whole.state_dict(keep_vars=True)[key]) in used]
    found += [f"{key} is not of that backbone" for key in unexpected if key not in classifier]
    if found:
        raise _mismatch_error(name, path, found)
    return net


def _read_tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of torch's own, of which nothing but tensors is read."""
    if not Path(path).is_file():
        raise WeightsError(f"{path}: there is no such file; 'weights' is a path from where the network is built")
    try:
        found = dict(timm.models.load_state_dict(path, weights_only=True))
    except Exception as error:
        raise WeightsError(
            f"{path}: no tensors can be read ({_format_brief(error)}); save model.state_dict()"
        ) from error
    others = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if others or not found:
        what = f"{others[0]!r} is no tensor" if others else "it is empty"
        raise WeightsError(f"{path}: not a state dict, {what}; save model.state_dict()")
    return found


def _has_matching_input(name: str, tensors: dict[str, Tensor], in_chans: int) -> bool:
    """Whether the file's first convolution has the channels that are asked for."""
    config = timm.get_pretrained_cfg(name)
    first = config.first_conv if config else None
    names = [first] if isinstance(first, str) else list(first or ())
    kernels = [tensors.get(f"{layer}.weight") for layer in names]
    return any(kernel is not None and kernel.shape[1] == in_chans for kernel in kernels)


@contextmanager
def _record_load_results() -> Iterator[list[tuple[nn.Module, Any]]]:
    """Keeps what torch says of each loading: timm only logs which tensors of a backbone a file did not have."""
    results: list[tuple[nn.Module, Any]] = []
    original = nn.Module.load_state_dict

    def watched(self: nn.Module, *arguments: Any, **more: Any) -> Any:
        result = original(self, *arguments, **more)
        results.append((self, result))
        return result

    nn.Module.load_state_dict = watched  # type: ignore[method-assign]  # for the time of the block
    try:
        yield results
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]  # for the time of the block


def _list_classifier_keys(name: str) -> set[str]:
    """The names of all tensors of the whole classifier."""
    return set(build_on_meta(lambda: timm.create_model(name)).state_dict())


def _mismatch_error(name: str, path: str, problems: list[str], max_listed: int = 3) -> WeightsError:
    listed = ", ".join(problems[:max_listed]) + (
        f" and {len(problems) - max_listed} more" if len(problems) > max_listed else ""
    )
    return WeightsError(f"{path}: these weights are not of timm's {name!r}: {listed}; name the backbone they are of")


def _format_brief(error: Exception, max_length: int = 200) -> str:
    text = format_exception_line(error)
    return text if len(text) <= max_length else f"{text[:max_length]}..."
