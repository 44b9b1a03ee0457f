"""Recognise files that are not YAML by their first bytes, so that a weights file in place of a spec is named as one."""

from __future__ import annotations

from pathlib import PurePath

# What the files of these suffixes hold, if their content is binary.
_KIND_BY_SUFFIX = {
    ".onnx": "an ONNX program",
    ".pt2": "an exported PyTorch program",
    ".ckpt": "a PyTorch checkpoint",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".npz": "a NumPy archive",
    ".zip": "a zip archive",
}
_KIND_BY_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\x80\x02": "a PyTorch file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"II*\x00": "an image",
    b"MM\x00*": "an image",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a compressed file",
}
# The suffixes of files that hold weights, which `unetgen import-weights` may read.
_WEIGHTS_KINDS = ("a PyTorch file", "a PyTorch checkpoint")
_TEXT_SUFFIXES = (".yaml", ".yml", ".json")


def is_safetensors(raw: bytes) -> bool:
    """Return whether a file starts like safetensors: the length of a JSON header, then the header."""
    return len(raw) > 8 and raw[8:9] == b"{" and 2 <= int.from_bytes(raw[:8], "little") < 2**32


def identify_binary(raw: bytes, source: str) -> str:
    """Return what a file holds that is not text, such as "a PyTorch file"; empty for text.

    Args:
        raw: The first bytes of the file.
        source: The name of the file.
    """
    if is_safetensors(raw):
        return "a safetensors file"
    magic = next((kind for start, kind in _KIND_BY_MAGIC.items() if raw.startswith(start)), "")
    suffix = PurePath(source).suffix.lower()
    if not magic and (b"\0" not in raw or suffix in _TEXT_SUFFIXES):
        return ""  # the parser reports the position of a NUL in a text
    usual = _KIND_BY_SUFFIX.get(suffix, "")
    if magic == "a zip archive" and _is_torch_archive(raw):
        return usual or "a PyTorch file"
    return usual or magic or "a binary file"


def get_replacement_hint(kind: str, document_kind: str) -> str:
    """Return what to do if a file of a kind was given in place of a spec or a sweep."""
    if document_kind == "spec" and kind in _WEIGHTS_KINDS:
        return "write the spec of its network, then: unetgen import-weights SPEC FILE"
    if document_kind == "sweep" and kind == "a safetensors file":
        return "write a sweep whose 'base' is this file"
    return f"give the {document_kind}, a YAML file"


def _is_torch_archive(raw: bytes) -> bool:
    """Return whether the first entry of a zip archive is the pickle of ``torch.save``."""
    length = int.from_bytes(raw[26:28], "little")
    return raw[30 : 30 + length].endswith(b"data.pkl")
