"""unetgen nnunet: a network of ours in a plans file of nnU-Net."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unetgen.cli.options import OutFile, load_command_registry, load_spec, plugin_option, set_option

_EPILOG = """\b
Examples:
  unetgen nnunet nnUNetPlans.json my.yaml -c 2d -o myPlans.json
  nnUNetv2_train 4 2d 0 -p myPlans"""


@click.command(epilog=_EPILOG)
@click.argument("plans", type=click.Path(path_type=Path))
@click.argument("spec")
@click.option("-c", "--configuration", default="3d_fullres", show_default=True, help="2d, 3d_fullres, 3d_lowres.")
@click.option(
    "-o", "--out", type=OutFile(), required=True, help="The file to write, beside the plans; -p takes its name."
)
@set_option
@plugin_option
def command(
    plans: Path, spec: str, configuration: str, out: Path, assignments: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    """Put the network of SPEC in the place of the one that nnU-Net planned."""
    from unetgen.graph.from_spec import build_graph
    from unetgen.nnunet.plans import read_configuration, read_plans, write_file
    from unetgen.nnunet.plans_writer import insert_network

    if out.suffix != ".json":
        raise click.UsageError(
            f"nnU-Net finds plans by their name with .json, not {out.name}; write -o {out.stem}.json"
        )
    checked = load_spec(spec, assignments, load_command_registry(plugins))
    there = read_plans(plans)
    written = insert_network(
        there, read_configuration(plans, there, configuration), checked, build_graph(checked), out.stem
    )
    write_file(out, json.dumps(written, indent=4))
    click.echo(f"{out}: written; train it with: nnUNetv2_train DATASET {configuration} FOLD -p {out.stem}")
