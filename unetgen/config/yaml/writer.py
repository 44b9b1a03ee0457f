"""Plain data to YAML that says the same to a reader of YAML 1.1 and of 1.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from unetgen.config.yaml.parser import FLOAT, RADIX


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2 would read as a number; PyYAML itself sees to 1.1."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for pattern in (FLOAT, RADIX):
    _Dumper.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+.0123456789"))


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    # repr is the shortest text that reads back as the same number; 1e-05 is a float in 1.2 only with 1.1's dot.
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    return dumper.represent_scalar(
        "tag:yaml.org,2002:float", f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"
    )


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # In single quotes PyYAML breaks lines at these; in double quotes it escapes them.
    breaks = any(character in value for character in "\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if breaks else None)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)


def dump_yaml_lines(entries: Mapping[str, str | None]) -> str:
    """YAML text of plain entries, one to a line."""
    text = yaml.dump(dict(entries), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return str(text)


def dump_yaml(data: Any) -> str:
    """YAML text, keys in the order given, innermost collections on one line."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
    return str(text)
