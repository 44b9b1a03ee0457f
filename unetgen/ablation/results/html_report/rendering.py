"""Render the results of a run with the HTML template."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from unetgen.ablation.results.database import ResultsDatabase, VariantRow
from unetgen.ablation.results.html_report.plots import build_curve_data, build_scatter_data
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.ablation.results.significance import SIGNIFICANCE_LEVEL
from unetgen.api import draw
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import MissingDependencyError
from unetgen.outputs.data_table import DataTable
from unetgen.plugins import load_registry


def render_html(folder: Path, plugins: Sequence[str] = (), base: str | None = None, sort: str | None = None) -> str:
    """Render the results in a folder as one HTML document.

    Args:
        folder: The directory of the run.
        plugins: Plugins that the variants need, beside the installed ones and those of the run.
        base: The variant to compare with (default: the sweep's base).
        sort: The column to sort by, with ``-`` in front for descending order.

    Returns:
        The document.

    Raises:
        RunError: There are no results, or the base or column is unknown.
        SpecError: A variant's spec is invalid with the available plugins.
        MissingDependencyError: A package of the extra ``report`` is not installed.
    """
    try:
        import vl_convert
        from jinja2 import Environment
    except ImportError as error:
        raise MissingDependencyError("an HTML report", str(error.name), "report") from None
    with ResultsDatabase.open(folder, writing=False) as database:
        results, settings = ResultsTable.of(database, base), database.read_settings()
        curve_points = list(database.read_curves())
    registry = load_registry((*settings["plugins"], *plugins))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    table = results.sheet(sort)
    return environment.from_string(_read_asset("page.html")).render(
        title=settings["sweep"],
        settings=_collect_run_metadata(settings, results),
        sweep=dump_yaml(settings["file"]),
        columns=[column for column in table.columns if column.audience != "programs"],
        rows=list(_iter_rows(results.sort_rows(sort), table)),
        level=SIGNIFICANCE_LEVEL,
        counts=results.counts(),
        failures=[trial for trial in results.trial_rows if trial.state == "failed"],
        figures=[(row, _draw_data_uri(row, registry)) for row in results.variant_rows if row.spec],
        style=_read_asset("page.css"),
        script=_read_asset("page.js"),
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        data=_dump_script_json(
            {"points": build_scatter_data(results), "curves": build_curve_data(curve_points, results)}
        ),
    )


def _iter_rows(
    variant_rows: Sequence[VariantRow], table: DataTable
) -> Iterator[tuple[VariantRow, list[tuple[str, Any]]]]:
    """Yield each row with its cells: the text, and the value to sort by."""
    names = [column.name for column in table.columns]
    for row, row_values in zip(variant_rows, table.rows, strict=True):
        values = dict(zip(names, row_values, strict=True))
        cells = []
        for column, value in zip(table.columns, row_values, strict=True):
            if column.audience == "programs":
                continue
            sort_value = values[_find_sort_column(column.name)]
            cells.append(("" if value is None else column.formatter(value), "" if sort_value is None else sort_value))
        yield row, cells


def _find_sort_column(name: str) -> str:
    """Return the column with the numbers of a text column, or the column itself."""
    for text_suffix, number_suffix in ((".mean_std", ".mean"), (".versus_base", ".difference")):
        if name.endswith(text_suffix):
            return name.removesuffix(text_suffix) + number_suffix
    return name


def _collect_run_metadata(settings: dict[str, Any], table: ResultsTable) -> dict[str, str]:
    """Return the settings of the run to show at the top of the report."""
    seeds = sorted({trial.seed for trial in table.trial_rows})
    options = ", ".join(f"{name}={value}" for name, value in settings["options"].items())
    return {
        "trial": settings["trial"] + (f" with {options}" if options else ""),
        "seeds": ", ".join(map(str, seeds)),
        "base": table.base,
        "versions": f"unetgen {settings['unetgen']}, torch {settings['torch']}, Python {settings['python']}",
        "machine": settings["machine"],
    }


def _draw_data_uri(row: VariantRow, registry: Registry) -> str:
    """Draw the figure of a variant as a data URI; inline SVGs would share one namespace of ids."""
    figure = draw(row.spec, style="compact", registry=registry, **_read_measured_size(row))
    return "data:image/svg+xml;base64," + b64encode(figure.svg.encode()).decode()


def _read_measured_size(row: VariantRow) -> dict[str, Any]:
    """Return the input size of a variant's costs as an override, or nothing."""
    input_size = list((row.costs or {}).get("input", ()))[1:]
    return {"input_size": input_size} if input_size else {}


def _dump_script_json(content: Any) -> str:
    """Dump JSON for a script element; no text in it can end the element."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _read_asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
