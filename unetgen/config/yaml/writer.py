"""Write plain data as YAML that YAML 1.1 and 1.2 parsers read alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from unetgen.config.yaml.parser import FLOAT, RADIX


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes strings that YAML 1.2 reads as numbers; PyYAML does so for YAML 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for pattern in (FLOAT, RADIX):
    _Dumper.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+.0123456789"))


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    # repr is the shortest text that parses to the same number; YAML 1.1 needs a dot in 1e-05.
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    return dumper.represent_scalar(
        "tag:yaml.org,2002:float", f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"
    )


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML breaks lines at these characters in single quotes, but escapes them in double quotes.
    has_breaks = any(character in value for character in "\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if has_breaks else None)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)


def dump_yaml_lines(entries: Mapping[str, str | None]) -> str:
    """Return flat entries as YAML, one on each line."""
    text = yaml.dump(dict(entries), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return str(text)


def dump_yaml(data: Any) -> str:
    """Return data as YAML: keys in order of insertion, innermost collections on one line."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return str(text)
