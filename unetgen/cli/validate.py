"""unetgen validate: validate specs, and report all problems at once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from unetgen.cli.options import format_option, load_command_registry, load_spec, plugin_option, set_option
from unetgen.config.registry.registry import Registry
from unetgen.errors import ExitCode, UnetgenError

_EPILOG = """\b
Examples:
  unetgen validate my.yaml
  unetgen validate specs/*.yaml --format json"""


@dataclass(frozen=True, slots=True)
class _ValidationResult:
    spec: str
    problems: list[dict[str, object]]
    text: str
    exit_code: ExitCode


@click.command(epilog=_EPILOG)
@click.argument("specs", nargs=-1, required=True)
@format_option
@set_option
@plugin_option
def command(specs: tuple[str, ...], output_format: str, assignments: tuple[str, ...], plugins: tuple[str, ...]) -> int:
    """Validate SPECS, files or names of shipped specs. Exits with 1 if one of them is invalid."""
    registry = load_command_registry(plugins)
    results = [_validate(spec, assignments, registry) for spec in specs]
    if output_format == "json":
        rows = [
            {"spec": result.spec, "valid": result.exit_code == ExitCode.OK, "problems": result.problems}
            for result in results
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        for result in results:
            click.echo(result.text)
    return max(result.exit_code for result in results)


def _validate(spec: str, assignments: tuple[str, ...], registry: Registry) -> _ValidationResult:
    from unetgen.api import graph_of

    try:
        graph_of(load_spec(spec, assignments, registry))
    except UnetgenError as error:
        return _ValidationResult(spec, [problem.to_dict() for problem in error.problems], str(error), error.exit_code)
    return _ValidationResult(spec, [], f"{spec}: valid", ExitCode.OK)
