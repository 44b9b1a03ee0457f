"""The group of commands, and what becomes of their errors."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

import click

from unetgen.cli.output_format import print_json_error
from unetgen.errors import ExitCode, UnetgenError

_COMMANDS = {
    "build": "Check, measure and build a network.",
    "validate": "Check specs, all problems at once.",
    "show": "Print a spec with every default written out.",
    "inspect": "Tabulate sizes and costs, without torch.",
    "draw": "Draw the U figure of a network.",
    "sweep": "Make the variants of an ablation.",
    "run": "Carry out a trial for every variant of an ablation.",
    "report": "Tabulate what trials found, or make a page of it.",
    "compare": "Tabulate what differs between networks, and what it costs.",
    "predict": "Run a network over images of any size.",
    "export": "Write a network for something else to read.",
    "from-nnunet": "Turn a plans file of nnU-Net into a spec.",
    "nnunet": "Put a network into a plans file of nnU-Net.",
    "import-weights": "Take the weights of another implementation, or give ours to it.",
    "specs": "List the shipped specs.",
    "plugins": "List, check and start plugins.",
    "schema": "Write the JSON Schema for editors.",
    "new": "Write a commented spec to start from.",
}

_EPILOG = """\b
Examples:
  unetgen build                              the U-Net of the paper
  unetgen build my.yaml --input-size 256x256
  unetgen validate specs/*.yaml
  unetgen show my.yaml --provenance
  unetgen new my.yaml

\b
Completion: eval "$(_UNETGEN_COMPLETE=bash_source unetgen)", or zsh_source, fish_source.
Exit codes: 0 success, 1 the spec is invalid, 2 wrong usage, 3 a plugin or a trial failed, 4 a bug in unetgen,
5 the disk, the results file or the cluster failed."""


class _LazyGroup(click.Group):
    """Imports a command when it runs: --help and completion need none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"unetgen.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; return the exit code of an error after printing it in the chosen format."""
        try:
            return super().invoke(ctx)
        except UnetgenError as error:
            print_json_error(ctx, error)
            return _print_error(error)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        click.echo(f"unetgen {version('unetgen')}")
        ctx.exit()


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where in the code an error came from.")
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    is_eager=True,
    expose_value=False,
    help="Say which version this is.",
)
def group(*, show_traceback: bool) -> None:
    """U-Nets from YAML: checked, measured, and built for PyTorch."""


def main() -> NoReturn:
    """Runs the command line and exits with its code."""
    try:
        code = group.main(prog_name="unetgen", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except BrokenPipeError:
        # The reader has gone (``| head``); nothing is left to say, and Python must not try to at exit.
        sys.stdout = None
        sys.exit(ExitCode.OK)
    except Exception as error:
        sys.exit(_print_error(error))
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _print_error(error: Exception) -> ExitCode:
    if "--traceback" in sys.argv:
        traceback.print_exception(error)
    if isinstance(error, UnetgenError):
        click.echo(str(error), err=True)
        return error.exit_code
    kind = type(error).__name__
    click.echo(f"unetgen: internal error: {kind}: {error}; please report it with the output of --traceback", err=True)
    return ExitCode.INTERNAL
