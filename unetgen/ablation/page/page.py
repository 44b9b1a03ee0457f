"""Page: what a reader of a run wants to see, laid out by a template."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from unetgen.ablation.page.plots import curves, points
from unetgen.ablation.results.ledger import Entry, Ledger
from unetgen.ablation.results.significance import LEVEL
from unetgen.ablation.results.standings import Standings
from unetgen.api import draw
from unetgen.config.registry import Registry
from unetgen.config.yaml_writer import write
from unetgen.errors import MissingExtra
from unetgen.outputs.sheet import Sheet
from unetgen.plugins import load_registry


def page(folder: Path, plugins: Sequence[str] = (), base: str | None = None, sort: str | None = None) -> str:
    """The report of the results in a folder, as one HTML document. Raises RunError, SpecError and MissingExtra.

    ``plugins`` are those that the variants need beside the ones that are installed, and those that the run was given.
    """
    try:
        import vl_convert
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtra("a report as HTML", str(error.name), "report") from None
    with Ledger.open(folder, writing=False) as ledger:
        standings, settings = Standings.of(ledger, base), ledger.settings()
        told = list(ledger.curves())
    registry = load_registry((*settings["plugins"], *plugins))
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    sheet = standings.sheet(sort)
    return environment.from_string(_text("page.html")).render(
        title=settings["sweep"],
        settings=_facts(settings, standings),
        sweep=write(settings["file"]),
        columns=[column for column in sheet.columns if column.readers != "programs"],
        rows=list(_rows(standings.ordered(sort), sheet)),
        level=LEVEL,
        counts=standings.counts(),
        failures=[record for record in standings.records if record.state == "failed"],
        figures=[(entry, _figure(entry, registry)) for entry in standings.entries if entry.spec],
        style=_text("page.css"),
        script=_text("page.js"),
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        data=_data({"points": points(standings), "curves": curves(told, standings)}),
    )


def _rows(entries: Sequence[Entry], sheet: Sheet) -> Iterator[tuple[Entry, list[tuple[str, Any]]]]:
    """For each entry its cells: what is read, and what the table is sorted by."""
    names = [column.name for column in sheet.columns]
    for entry, row in zip(entries, sheet.rows, strict=True):
        values = dict(zip(names, row, strict=True))
        cells = []
        for column, value in zip(sheet.columns, row, strict=True):
            if column.readers == "programs":
                continue
            by = values[_sorted_by(column.name)]
            cells.append(("" if value is None else column.shown(value), "" if by is None else by))
        yield entry, cells


def _sorted_by(name: str) -> str:
    """The column with the numbers of one that people read."""
    for told, number in ((".told", ".mean"), (".against", ".difference")):
        if name.endswith(told):
            return name.removesuffix(told) + number
    return name


def _facts(settings: dict[str, Any], standings: Standings) -> dict[str, str]:
    """What the run was, in a few words each."""
    seeds = sorted({record.seed for record in standings.records})
    options = ", ".join(f"{name}={value}" for name, value in settings["options"].items())
    return {
        "trial": settings["trial"] + (f" with {options}" if options else ""),
        "seeds": ", ".join(map(str, seeds)),
        "base": standings.base,
        "made with": f"unetgen {settings['unetgen']}, torch {settings['torch']}, Python {settings['python']}",
        "on": settings["machine"],
    }


def _figure(entry: Entry, registry: Registry) -> str:
    """The U of a variant, as the address of a picture, so that no two of them can share names."""
    figure = draw(entry.spec, style="compact", registry=registry, **_size(entry))
    return "data:image/svg+xml;base64," + b64encode(figure.svg.encode()).decode()


def _size(entry: Entry) -> dict[str, Any]:
    """The size that the variant was measured at."""
    measured = list((entry.costs or {}).get("input", ()))[1:]
    return {"input_size": measured} if measured else {}


def _data(content: Any) -> str:
    """JSON that stands in a script, which no text in it can end."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
