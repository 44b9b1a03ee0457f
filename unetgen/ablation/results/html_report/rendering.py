"""Page: what a reader of a run wants to see, laid out by a template."""

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
from unetgen.outputs.table import DataTable
from unetgen.plugins import load_registry


def render_html(folder: Path, plugins: Sequence[str] = (), base: str | None = None, sort: str | None = None) -> str:
    """The report of the results in a folder, as one HTML document. Raises RunError, SpecError and MissingExtra.

    ``plugins`` are those that the variants need beside the ones that are installed, and those that the run was given.
    """
    try:
        import vl_convert
        from jinja2 import Environment
    except ImportError as error:
        raise MissingDependencyError("a report as HTML", str(error.name), "report") from None
    with ResultsDatabase.open(folder, writing=False) as ledger:
        standings, settings = ResultsTable.of(ledger, base), ledger.read_settings()
        told = list(ledger.read_curves())
    registry = load_registry((*settings["plugins"], *plugins))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    sheet = standings.sheet(sort)
    return environment.from_string(_read_asset("page.html")).render(
        title=settings["sweep"],
        settings=_collect_run_metadata(settings, standings),
        sweep=dump_yaml(settings["file"]),
        columns=[column for column in sheet.columns if column.audience != "programs"],
        rows=list(_iter_rows(standings.sort_rows(sort), sheet)),
        level=SIGNIFICANCE_LEVEL,
        counts=standings.counts(),
        failures=[record for record in standings.trial_rows if record.state == "failed"],
        figures=[(entry, _draw_data_uri(entry, registry)) for entry in standings.variant_rows if entry.spec],
        style=_read_asset("page.css"),
        script=_read_asset("page.js"),
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        data=_dump_script_json({"points": build_scatter_data(standings), "curves": build_curve_data(told, standings)}),
    )


def _iter_rows(
    variant_rows: Sequence[VariantRow], table: DataTable
) -> Iterator[tuple[VariantRow, list[tuple[str, Any]]]]:
    """For each entry its cells: what is read, and what the table is sorted by."""
    names = [column.name for column in table.columns]
    for entry, row in zip(variant_rows, table.rows, strict=True):
        values = dict(zip(names, row, strict=True))
        cells = []
        for column, value in zip(table.columns, row, strict=True):
            if column.audience == "programs":
                continue
            by = values[_find_sort_column(column.name)]
            cells.append(("" if value is None else column.formatter(value), "" if by is None else by))
        yield entry, cells


def _find_sort_column(name: str) -> str:
    """The column with the numbers of one that people read."""
    for told, number in ((".told", ".mean"), (".against", ".difference")):
        if name.endswith(told):
            return name.removesuffix(told) + number
    return name


def _collect_run_metadata(settings: dict[str, Any], table: ResultsTable) -> dict[str, str]:
    """What the run was, in a few words each."""
    seeds = sorted({record.seed for record in table.trial_rows})
    options = ", ".join(f"{name}={value}" for name, value in settings["options"].items())
    return {
        "trial": settings["trial"] + (f" with {options}" if options else ""),
        "seeds": ", ".join(map(str, seeds)),
        "base": table.base,
        "made with": f"unetgen {settings['unetgen']}, torch {settings['torch']}, Python {settings['python']}",
        "on": settings["machine"],
    }


def _draw_data_uri(entry: VariantRow, registry: Registry) -> str:
    """The U of a variant, as the address of a picture, so that no two of them can share names."""
    figure = draw(entry.spec, style="compact", registry=registry, **_read_measured_size(entry))
    return "data:image/svg+xml;base64," + b64encode(figure.svg.encode()).decode()


def _read_measured_size(entry: VariantRow) -> dict[str, Any]:
    """The size that the variant was measured at."""
    measured = list((entry.costs or {}).get("input", ()))[1:]
    return {"input_size": measured} if measured else {}


def _dump_script_json(content: Any) -> str:
    """JSON that stands in a script, which no text in it can end."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _read_asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
