"""The command line's entry point: the group of commands, and the exit codes of errors."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

import click

from unetgen.cli.output_format import print_json_error
from unetgen.errors import ExitCode, UnetgenError

_COMMANDS = {
    "build": "Build a network, with its layer table and costs.",
    "validate": "Validate specs; report all problems at once.",
    "show": "Print a spec with all defaults.",
    "inspect": "Tabulate sizes and costs, without torch.",
    "draw": "Draw the figure of a network.",
    "sweep": "Build the variants of an ablation.",
    "run": "Run a trial for every variant of an ablation.",
    "report": "Tabulate the results of trials, or write an HTML report.",
    "compare": "Tabulate the differences and costs of networks.",
    "predict": "Run a network on images of any size.",
    "export": "Write a network to a file for other programs.",
    "from-nnunet": "Convert an nnU-Net plans file to a spec.",
    "nnunet": "Insert a network into an nnU-Net plans file.",
    "import-weights": "Import or export weights of other implementations.",
    "specs": "List the shipped specs.",
    "plugins": "List, check and create plugins.",
    "schema": "Write the JSON Schema, for editors.",
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
    """A group that imports a command when it runs, so that --help and completion are fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None if the name is unknown."""
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
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        click.echo(f"unetgen {version('unetgen')}")
        ctx.exit()


@click.group(cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", "show_traceback", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    is_eager=True,
    expose_value=False,
    help="Print the version.",
)
def group(*, show_traceback: bool) -> None:
    """U-Nets from YAML: validated, analysed, and built for PyTorch."""


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        code = group.main(prog_name="unetgen", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except BrokenPipeError:
        # The reader has closed the pipe (``| head``). Python must not flush stdout at exit.
        sys.stdout = None
        sys.exit(ExitCode.OK)
    except Exception as error:
        sys.exit(_print_error(error))
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _print_error(error: Exception) -> ExitCode:
    """Print an error in one line, and return its exit code."""
    if "--traceback" in sys.argv:
        traceback.print_exception(error)
    if isinstance(error, UnetgenError):
        click.echo(str(error), err=True)
        return error.exit_code
    kind = type(error).__name__
    click.echo(f"unetgen: internal error: {kind}: {error}; report it with the output of --traceback", err=True)
    return ExitCode.INTERNAL
