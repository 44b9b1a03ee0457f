"""unetgen nnunet: insert a network into an nnU-Net plans file."""

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
    "-o",
    "--out",
    type=OutFile(),
    required=True,
    help="Output file, beside PLANS; its name is nnU-Net's -p.",
)
@set_option
@plugin_option
def command(
    plans: Path, spec: str, configuration: str, out: Path, assignments: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    """Replace the network in nnU-Net PLANS by that of SPEC."""
    from unetgen.graph.from_spec import build_graph
    from unetgen.nnunet.plans import read_configuration, read_plans, write_file
    from unetgen.nnunet.plans_writer import insert_network

    if out.suffix != ".json":
        raise click.UsageError(f"{out.name} must end in .json for nnU-Net; use -o {out.stem}.json")
    loaded_spec = load_spec(spec, assignments, load_command_registry(plugins))
    contents = read_plans(plans)
    entry = read_configuration(plans, contents, configuration)
    write_file(
        out, json.dumps(insert_network(contents, entry, loaded_spec, build_graph(loaded_spec), out.stem), indent=4)
    )
    click.echo(f"{out}: written; train it with: nnUNetv2_train DATASET {configuration} FOLD -p {out.stem}")
