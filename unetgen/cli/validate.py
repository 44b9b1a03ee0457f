"""unetgen validate: many specs, all problems at once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from unetgen.cli.options import format_option, loaded, plugin_option, registry_with, set_option
from unetgen.config.registry import Registry
from unetgen.errors import ExitCode, PluginError, SpecError

_EPILOG = """\b
Examples:
  unetgen validate my.yaml
  unetgen validate specs/*.yaml --format json"""


@dataclass(frozen=True, slots=True)
class _Verdict:
    spec: str
    records: list[dict[str, object]]
    text: str
    code: ExitCode


@click.command(epilog=_EPILOG)
@click.argument("specs", nargs=-1, required=True)
@format_option
@set_option
@plugin_option
def command(specs: tuple[str, ...], form: str, assignments: tuple[str, ...], plugins: tuple[str, ...]) -> int:
    """Check SPECS: files or shipped specs' names. Exits with 1 if one of them is invalid."""
    registry = registry_with(plugins)
    verdicts = [_judged(spec, assignments, registry) for spec in specs]
    if form == "json":
        rows = [{"spec": v.spec, "valid": v.code == ExitCode.OK, "problems": v.records} for v in verdicts]
        click.echo(json.dumps(rows, indent=2))
    else:
        for verdict in verdicts:
            click.echo(verdict.text)
    return max(verdict.code for verdict in verdicts)


def _judged(spec: str, assignments: tuple[str, ...], registry: Registry) -> _Verdict:
    from unetgen.api import graph_of

    try:
        graph_of(loaded(spec, assignments, registry))
    except SpecError as error:
        return _Verdict(spec, [problem.record() for problem in error.problems], str(error), ExitCode.INVALID)
    except PluginError as error:
        return _Verdict(spec, [{"code": "plugin", "message": str(error)}], str(error), ExitCode.PLUGIN)
    return _Verdict(spec, [], f"{spec}: valid", ExitCode.OK)
