"""Parse YAML 1.2 into a tree of plain values with source locations.

PyYAML's event parser handles the syntax. The tree is built here because PyYAML's loaders silently take the last of two
equal keys, read YAML 1.1 (``no`` is False, ``1e-5`` is a string) and lose all positions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from unetgen.config.yaml.file_kinds import get_replacement_hint, identify_binary
from unetgen.config.yaml.tree import MAX_DIGITS, MAX_NESTING, Scalar, YamlNode, join_path
from unetgen.errors import Problem, SourceLocation, SpecError

# The C parser is in PyYAML's wheels and seven times as fast; the Python parser gives the same events.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# A hundred levels of settings have about 2,000 nodes; the limits only stop malicious input.
MAX_BYTES = 1_000_000
MAX_NODES = 20_000

NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
TRUE = re.compile(r"(?:true|True|TRUE)\Z")
FALSE = re.compile(r"(?:false|False|FALSE)\Z")
INTEGER = re.compile(r"[-+]?[0-9]+\Z")
RADIX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
SPECIAL_FLOAT = re.compile(r"([-+]?)\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")


def parse_yaml_bytes(raw: bytes, source: str, document_kind: str = "spec") -> YamlNode:
    """Return the tree of a YAML file's bytes: UTF-8, with or without a byte order mark.

    Args:
        raw: The bytes.
        source: The file's name in source locations.
        document_kind: The expected kind of document in messages: ``spec`` or ``sweep``.

    Raises:
        SpecError: The text is not YAML, or not a mapping.
    """
    if kind := identify_binary(raw, source):
        hint = get_replacement_hint(kind, document_kind)
        raise SpecError([Problem("binary", "", f"{kind}, not a {document_kind}", hint, SourceLocation(source))])
    if len(raw) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes"
        raise SpecError([Problem("size", "", message, f"is this a {document_kind}?", SourceLocation(source, 1, 1))])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        hint = "save the file as UTF-8"
        raise SpecError([Problem("encoding", "", message, hint, SourceLocation(source, line, column))]) from None
    return parse_yaml(text, source, document_kind)


def parse_yaml(text: str, source: str, document_kind: str = "spec") -> YamlNode:
    """Return the tree of a YAML text whose root is a mapping; see ``parse_yaml_bytes``."""
    root = _build_tree(text, source)
    if root is None or root.value is None:
        hint = "start with: unetgen new" if document_kind == "spec" else f"is this a {document_kind}?"
        raise SpecError([Problem("empty", "", f"the {document_kind} is empty", hint, SourceLocation(source, 1, 1))])
    if not isinstance(root.value, dict):
        kind = "list" if isinstance(root.value, list) else "single value"
        hint = "write one 'key: value' on each line"
        raise SpecError([root.problem("root", f"a {document_kind} must be a mapping, not a {kind}", hint)])
    return root


def parse_yaml_value(text: str, source: str, path: str) -> YamlNode:
    """Return the tree of a single value, as in ``--set``."""
    mark = SourceLocation(source)
    root = _build_tree(text, source, path)
    return _strip_positions(root, mark) if root is not None else YamlNode(None, path, mark, mark)


def _strip_positions(node: YamlNode, mark: SourceLocation) -> YamlNode:
    """Return a tree whose nodes all have one mark, which quotes the whole text."""
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: _strip_positions(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_strip_positions(child, mark) for child in value]
    return replace(node, value=value, mark=mark, key_mark=mark)


def _build_tree(text: str, source: str, path: str = "") -> YamlNode | None:
    try:
        tree = _TreeBuilder(text, source)
        root = tree.build_document(path)
    except yaml.YAMLError as error:
        raise SpecError([_make_syntax_problem(error, text, source)]) from None
    if tree.problems:
        raise SpecError(tree.problems)
    return root


class _TreeBuilder:
    """Builder of nodes from the parser's events, which collects problems."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._anchors: dict[str, YamlNode] = {}
        self._count = 0

    def build_document(self, path: str) -> YamlNode | None:
        """Build the single document of the text; return None if the text has none."""
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    hint = "one file holds one spec; delete the '---' or split the file"
                    self._add_problem("documents", self._get_mark(event), path, "a second document starts here", hint)
                    return root
                root = self._build_node(next(self._events), path, None, 0)
        return root

    def _build_node(self, event: Any, path: str, key_mark: SourceLocation | None, depth: int) -> YamlNode:
        mark = self._get_mark(event)
        key_mark = key_mark or mark
        self._count_value(path, depth, mark)
        if isinstance(event, yaml.AliasEvent):
            return self._resolve_alias(event, path, key_mark, depth)
        self._reject_tag(event, path, mark)
        if isinstance(event, yaml.ScalarEvent):
            node = YamlNode(self._read_scalar(event, path, mark), path, mark, key_mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = YamlNode(self._build_list(path, depth), path, mark, key_mark)
        else:
            node = YamlNode(self._build_mapping(path, depth), path, mark, key_mark)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _resolve_alias(self, event: Any, path: str, key_mark: SourceLocation, depth: int) -> YamlNode:
        target = self._anchors.get(event.anchor)
        if target is None:
            hint = "define the anchor with '&' before its use; an anchor cannot contain itself"
            self._add_problem("alias", self._get_mark(event), path, f"unknown anchor '*{event.anchor}'", hint)
            return YamlNode(None, path, self._get_mark(event), key_mark)
        return replace(self._copy(target, path, depth), key_mark=key_mark)

    def _copy(self, node: YamlNode, path: str, depth: int) -> YamlNode:
        """Copy a node to another path; its source locations stay."""
        self._count_value(path, depth, node.mark)
        value: Any = node.value
        if isinstance(value, dict):
            value = {k: self._copy(v, join_path(path, k), depth + 1) for k, v in value.items()}
        elif isinstance(value, list):
            value = [self._copy(v, join_path(path, i), depth + 1) for i, v in enumerate(value)]
        return replace(node, value=value, path=path)

    def _count_value(self, path: str, depth: int, mark: SourceLocation) -> None:
        """Count one more value, and reject a tree that is too deep or too large."""
        self._count += 1
        if depth > MAX_NESTING or self._count > MAX_NODES:
            limit = f"{MAX_NESTING} levels deep" if depth > MAX_NESTING else f"{MAX_NODES:,} values long"
            message = f"the spec is more than {limit}"
            raise SpecError([*self.problems, Problem("size", path, message, "is this a spec?", mark)])

    def _build_list(self, path: str, depth: int) -> list[YamlNode]:
        items: list[YamlNode] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._build_node(event, join_path(path, len(items)), None, depth + 1))
        return items

    def _build_mapping(self, path: str, depth: int) -> dict[str, YamlNode]:
        entries: dict[str, YamlNode] = {}
        merged: list[YamlNode] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name, mark = self._read_key(event, path, depth)
            value = self._build_node(next(self._events), join_path(path, name), mark, depth + 1)
            if name == "<<":
                merged.append(value)
            elif name in entries:
                first = entries[name].key_mark
                message = f"duplicate key {name!r}, first given on line {first.line}"
                self._add_problem("duplicate", mark, join_path(path, name), message, "keep one of the two")
            else:
                entries[name] = value
        for source in merged:
            self._merge(entries, source, path, depth)
        return entries

    def _merge(self, entries: dict[str, YamlNode], source: YamlNode, path: str, depth: int) -> None:
        """Merge ``<<: *anchor``, or a list of them: add the entries that the mapping does not have."""
        for mapping in source.value if isinstance(source.value, list) else [source]:
            if not isinstance(mapping.value, dict):
                hint = "write <<: *name, where &name marks a mapping"
                self._add_problem("merge", mapping.mark, mapping.path, "'<<' can merge only mappings", hint)
                continue
            for name, node in mapping.mapping.items():
                entries.setdefault(name, self._copy(node, join_path(path, name), depth + 1))

    def _read_key(self, event: Any, path: str, depth: int) -> tuple[str, SourceLocation]:
        mark = self._get_mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value), mark
        self._build_node(event, path, None, depth + 1)
        self._add_problem(
            "key", mark, path, "a key must be a name, not a list, a mapping or an alias", "write 'name: value'"
        )
        return f"?{mark.line}:{mark.column}", mark

    def _read_scalar(self, event: Any, path: str, mark: SourceLocation) -> Scalar:
        if not event.implicit[0]:
            return str(event.value)
        if len(event.value) > MAX_DIGITS and (INTEGER.match(event.value) or RADIX.match(event.value)):
            hint = f"write at most {MAX_DIGITS} digits"
            self._add_problem("number", mark, path, "the number is too large", hint)
            return 0
        return parse_scalar(event.value)

    def _reject_tag(self, event: Any, path: str, mark: SourceLocation) -> None:
        # PyYAML gives quoted scalars the tag '!'.
        if event.tag is not None and event.tag != "!":
            hint = "a spec is plain data; delete the tag"
            self._add_problem("tag", mark, path, f"the YAML tag {event.tag!r} is not allowed", hint)

    def _add_problem(self, code: str, mark: SourceLocation, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem(code, path, message, hint, mark))

    def _get_mark(self, event: Any) -> SourceLocation:
        return SourceLocation(self.source, event.start_mark.line + 1, event.start_mark.column + 1)


def parse_scalar(text: str) -> Scalar:
    """Return the value of an unquoted YAML 1.2 scalar (core schema, YAML 1.2.2 section 10.3.2)."""
    if NULL.match(text):
        return None
    if TRUE.match(text) or FALSE.match(text):
        return bool(TRUE.match(text))
    if INTEGER.match(text) or RADIX.match(text):
        return int(text, 0 if RADIX.match(text) else 10)
    if FLOAT.match(text):
        return float(text)
    if special := SPECIAL_FLOAT.match(text):
        return float(text.replace(".", "", 1)) if special[1] is not None else float("nan")
    return text


def _make_syntax_problem(error: yaml.YAMLError, text: str, source: str) -> Problem:
    start = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    mark = SourceLocation(source, start.line + 1, start.column + 1) if start else SourceLocation(source, 1, 1)
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem("syntax", "", "this line is indented with a tab", "indent with spaces", mark)
    return Problem("syntax", "", f"invalid YAML: {what}", "check brackets, quotes and indentation", mark)
