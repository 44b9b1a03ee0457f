"""unetgen from-nnunet: convert an nnU-Net plans file to a spec."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import OutFile

_EPILOG = """\b
Examples:
  unetgen from-nnunet nnUNetPlans.json --dataset dataset.json
  unetgen from-nnunet nnUNetPlans.json -c 2d --in-channels 1 --out-channels 2 -o my.yaml"""


@click.command(epilog=_EPILOG)
@click.argument("plans", type=click.Path(path_type=Path))
@click.option("-c", "--configuration", default="3d_fullres", show_default=True, help="2d, 3d_fullres, 3d_lowres.")
@click.option("--dataset", type=click.Path(path_type=Path), help="dataset.json with channels and classes.")
@click.option("--in-channels", type=click.IntRange(1), help="Number of input channels (required without --dataset).")
@click.option("--out-channels", type=click.IntRange(1), help="Number of classes, background included (likewise).")
@click.option("-o", "--out", type=OutFile(), help="Output file (default: stdout).")
@click.option("--preprocessing", type=OutFile(), help="Also write how images are normalized, for import-weights.")
def command(
    plans: Path,
    configuration: str,
    dataset: Path | None,
    in_channels: int | None,
    out_channels: int | None,
    out: Path | None,
    preprocessing: Path | None,
) -> None:
    """Convert an nnU-Net plans file to a spec of the same network."""
    from unetgen.config.yaml.writer import dump_yaml
    from unetgen.nnunet.plans import DatasetLabels, read_configuration, read_dataset_labels, read_plans, write_file
    from unetgen.nnunet.preprocessing import convert_to_preprocessing, has_preprocessing
    from unetgen.nnunet.to_spec import convert_to_spec

    labels = DatasetLabels((), ())
    if dataset is not None:
        labels = read_dataset_labels(dataset)
        in_channels, out_channels = in_channels or len(labels.channels), out_channels or len(labels.classes)
    missing = [n for n, v in (("--in-channels", in_channels), ("--out-channels", out_channels)) if v is None]
    if in_channels is None or out_channels is None:
        raise click.UsageError(f"{' and '.join(missing)} required without --dataset; add --dataset dataset.json")
    content = read_plans(plans)
    data = convert_to_spec(read_configuration(plans, content, configuration), in_channels, out_channels)
    if out is None:
        click.echo(dump_yaml(data), nl=False)
    else:
        write_file(out, dump_yaml(data))
        click.echo(f"{out}: written")
    if preprocessing is not None:
        names = labels.channels, labels.classes
        expected = convert_to_preprocessing(plans, content, configuration, *names)
        write_file(preprocessing, expected.to_json() + "\n")
        click.echo(f"{preprocessing}: written", err=out is None)
    elif has_preprocessing(plans, content, configuration):
        message = "the plans also say how images are normalized; write that with --preprocessing, for import-weights"
        click.echo(f"note: {plans}: {message}", err=True)
