"""Load the initial weights of a backbone, from timm or from a file with all tensors of the backbone."""

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
    """Build a backbone with timm's weights, which are downloaded or read from the cache.

    Args:
        name: The backbone's name in timm.
        options: Further options of ``timm.create_model``.

    Raises:
        WeightsError: The weights cannot be loaded.
    """
    try:
        net: nn.Module = timm.create_model(name, pretrained=True, features_only=True, **options)
    except Exception as error:
        message = f"timm cannot load its weights for {name!r}: {_format_brief(error)}"
        raise WeightsError(f"{message}; connect to the internet, or set 'weights: PATH' to a file") from error
    return net


def load_from_file(name: str, path: str, **options: Any) -> nn.Module:
    """Build a backbone with the weights of a file, which timm renames and adapts as its own.

    Args:
        name: The backbone's name in timm.
        path: A safetensors file, or a state dict saved by torch.
        options: Further options of ``timm.create_model``.

    Raises:
        WeightsError: The file cannot be read, or does not have exactly the tensors of the backbone and its classifier.
    """
    tensors = _read_tensors(path)
    source: dict[str, Any] = {"state_dict": tensors}
    if _has_matching_input(name, tensors, options["in_chans"]):
        source["first_conv"] = None  # otherwise timm, which adapts from three channels, drops the first layer
    with _record_load_results() as results:
        try:
            net: nn.Module = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=source, features_only=True, **options
            )
        except Exception as error:
            raise _mismatch_error(name, path, [_format_brief(error)]) from error
    full_net, (missing, unexpected) = results[-1]
    used = {id(tensor) for tensor in net.state_dict(keep_vars=True).values()}
    classifier_keys = _list_classifier_keys(name) if unexpected else set()
    # Tensors behind the last feature, such as the classifier's, may be present or missing.
    problems = [f"{key} is missing" for key in missing if id(full_net.state_dict(keep_vars=True)[key]) in used]
    problems += [f"{key} is not part of it" for key in unexpected if key not in classifier_keys]
    if problems:
        raise _mismatch_error(name, path, problems)
    return net


def _read_tensors(path: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or of torch's format, without loading other objects."""
    if not Path(path).is_file():
        raise WeightsError(f"{path}: file not found; set 'weights' to a path relative to the working directory")
    try:
        tensors = dict(timm.models.load_state_dict(path, weights_only=True))
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read: {_format_brief(error)}; save model.state_dict()") from error
    non_tensors = [key for key, value in tensors.items() if not isinstance(value, Tensor)]
    if non_tensors or not tensors:
        reason = f"{non_tensors[0]!r} is not a tensor" if non_tensors else "it is empty"
        raise WeightsError(f"{path}: is not a state dict: {reason}; save model.state_dict()")
    return tensors


def _has_matching_input(name: str, tensors: dict[str, Tensor], in_chans: int) -> bool:
    """Return whether the first convolution in the file has the requested number of input channels."""
    config = timm.get_pretrained_cfg(name)
    first_conv = config.first_conv if config else None
    layers = [first_conv] if isinstance(first_conv, str) else list(first_conv or ())
    kernels = [tensors.get(f"{layer}.weight") for layer in layers]
    return any(kernel is not None and kernel.shape[1] == in_chans for kernel in kernels)


@contextmanager
def _record_load_results() -> Iterator[list[tuple[nn.Module, Any]]]:
    """Record the result of each ``load_state_dict``, because timm only logs which tensors a file lacks."""
    results: list[tuple[nn.Module, Any]] = []
    original = nn.Module.load_state_dict

    def record_result(self: nn.Module, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        results.append((self, result))
        return result

    nn.Module.load_state_dict = record_result  # type: ignore[method-assign]  # replaced within the block only
    try:
        yield results
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]  # replaced within the block only


def _list_classifier_keys(name: str) -> set[str]:
    """Return the keys of all tensors of the classifier that contains the backbone."""
    return set(build_on_meta(lambda: timm.create_model(name)).state_dict())


def _mismatch_error(name: str, path: str, problems: list[str], max_listed: int = 3) -> WeightsError:
    num_omitted = len(problems) - max_listed
    listed = ", ".join(problems[:max_listed]) + (f" and {num_omitted} more" if num_omitted > 0 else "")
    return WeightsError(f"{path}: the weights do not match timm's {name!r}: {listed}; set 'name' to their backbone")


def _format_brief(error: Exception, max_length: int = 200) -> str:
    text = format_exception_line(error)
    return text if len(text) <= max_length else f"{text[:max_length]}..."
