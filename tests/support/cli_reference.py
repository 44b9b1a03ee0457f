"""Generate docs/reference/cli.md from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from unetgen import plugins
from unetgen.cli.main import group
from unetgen.errors import ExitCode

HEADER = "<!-- Generated from the commands; run pytest --update-golden tests/docs/test_generated.py. -->"

EXIT_CODES = {
    ExitCode.OK: "Success.",
    ExitCode.INVALID: "The spec, sweep, weights file, image or plans file is invalid.",
    ExitCode.USAGE: "Wrong usage: an unknown option, an unsupported format, a missing optional dependency.",
    ExitCode.PLUGIN: "A plugin or a trial failed.",
    ExitCode.INTERNAL: "A bug in unetgen.",
    ExitCode.ENVIRONMENT: "The disk, the results file or the cluster failed.",
}

ENVIRONMENT = {
    plugins.DISABLE_ENV_VAR: "Distributions whose plugins are not loaded, separated by commas; `all` for every plugin.",
    plugins.STRICT_ENV_VAR: "If set to other than `0`, a plugin that fails to load is an error, not a warning.",
}

# The options of every command.
COMMON = {"--help"}


def cli_reference() -> str:
    """Generate the page: a section for each command, the exit codes and the environment variables."""
    context = click.Context(group, info_name="unetgen")
    lines = [HEADER, "", "# Command line", "", _format_help(group.help), ""]
    lines += ["Options of `unetgen` itself come before the command. Every command has `-h`, `--help`.", ""]
    lines += _format_options(group, context)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        lines += _iter_command(command, click.Context(command, info_name=name, parent=context))
    lines += ["## Exit codes", "", "| code | meaning |", "|---:|---|"]
    lines += [f"| {code.value} | {EXIT_CODES[code]} |" for code in ExitCode]
    lines += ["", "130 is the code of an interrupted command (Ctrl-C).", ""]
    lines += ["## Environment variables", "", "| variable | effect |", "|---|---|"]
    lines += [f"| `{name}` | {effect} |" for name, effect in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


def _iter_command(command: click.Command, context: click.Context, level: int = 2) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"{'#' * level} `{context.command_path}`", "", _format_help(command.help), "")
    yield from ("```text", usage, *_iter_examples(command), "```", "")
    yield from _format_options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _iter_command(child, click.Context(child, info_name=name, parent=context), level + 1)


def _iter_examples(command: click.Command) -> Iterator[str]:
    """Yield the lines of the epilog, which holds examples, after an empty line."""
    lines = [line for line in inspect.cleandoc(command.epilog or "").replace("\b", "").splitlines() if line.strip()]
    yield from ["", *lines] if lines else []


def _format_help(text: str | None) -> str:
    """Return a help text as Markdown paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").replace("\b", "").split("\n\n"))


def _format_options(command: click.Command, context: click.Context) -> list[str]:
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden and not COMMON.intersection(parameter.opts)
    ]
    if not options:
        return []
    return ["| option | default | effect |", "|---|---|---|", *(_format_option(o, context) for o in options), ""]


def _format_option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag or option.count else f" `{option.make_metavar(context)}`"
    extra = option.get_help_extra(context)
    default = "required" if option.required else f"`{extra['default']}`" if "default" in extra else ""
    if not default and isinstance(option.default, (str, int, float)) and not option.is_flag:
        default = f"`{option.default}`"
    limits = f" Range: {extra['range']}." if "range" in extra else ""
    effect = " ".join((option.help or "").split()) + limits
    return f"| {names}{value.replace('|', chr(92) + '|')} | {default} | {effect.replace('|', chr(92) + '|')} |"
