"""Index: the list of a sweep's variants, for programs (index.json) and for tables (index.csv)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from unetgen.ablation.sweeps.axis import Axis
from unetgen.ablation.sweeps.summary import Summary
from unetgen.ablation.sweeps.sweep import Sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.analysis.measures import COST_METRICS
from unetgen.analysis.report import NetworkReport
from unetgen.errors import Problem, SpecError

INDEX_FILE, CSV_FILE = "index.json", "index.csv"

# The receptive field takes longer to reckon than all the others; ``unetgen compare`` tells it.
INDEXED_METRICS = [measure for name, measure in COST_METRICS.items() if name != "receptive_field"]


class IndexWriter:
    """Both forms of the list in a folder. ``base_file`` is the base's, where that is written beside the variants."""

    def __init__(self, folder: Path, sweep: Sweep, base_file: str = "") -> None:
        self._streams = [(folder / name).open("w", encoding="utf-8") for name in (INDEX_FILE, CSV_FILE)]
        self._json, self._csv = (
            JsonIndexWriter(self._streams[0], sweep, base_file),
            CsvIndexWriter(self._streams[1], sweep),
        )

    def add(self, variant: Variant) -> None:
        """Enters a variant."""
        record = variant_to_dict(variant)
        self._json.add(record)
        self._csv.add(record)

    def finish(self, summary: Summary) -> None:
        """Ends the list. Raises OSError where something of it cannot be written."""
        self._json.finish(summary)
        for stream in self._streams:
            stream.close()

    def close(self) -> None:
        """Closes the files of a list that is given up; what does not fit on the disk is not missed."""
        for stream in self._streams:
            with suppress(OSError):
                stream.close()


class JsonIndexWriter:
    """Writes the list as JSON while the variants come, so that none of them is kept."""

    def __init__(self, stream: TextIO, sweep: Sweep, base_file: str = "") -> None:
        self._stream, self._separator = stream, ""
        base = ({"file": base_file} if base_file else {}) | _report_to_dict(sweep.base_report)
        head = {"sweep": sweep.definition.name, "file": sweep.definition.root.to_data(), "base": base}
        # The list of variants is opened here, and closed with the summary behind it.
        stream.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "variants": [')

    def add(self, record: dict[str, Any]) -> None:
        """Enters a variant as plain data."""
        self._stream.write(f"{self._separator}\n  {json.dumps(record, ensure_ascii=False)}")
        self._separator = ","

    def finish(self, summary: Summary) -> None:
        """Ends the list with what is to be told beside the variants."""
        tail = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False)
        self._stream.write("\n ],\n" + tail.removeprefix("{\n") + "\n")


class CsvIndexWriter:
    """Writes the list as a table: what each variant takes from each axis, and what it costs."""

    def __init__(self, stream: TextIO, sweep: Sweep) -> None:
        before, behind = ["name", "file", "hash"], [*(m.name for m in INDEXED_METRICS), "input", "output", "deviation"]
        self._axis_columns = _assign_columns(sweep.definition.axes, [*before, *behind])
        columns = [*before, *self._axis_columns.values(), *behind]
        self._writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def add(self, record: dict[str, Any]) -> None:
        """Enters a variant as plain data."""
        choices = {self._axis_columns[axis]: label for axis, label in record["choices"].items()}
        shapes = {side: "x".join(map(str, record[side])) for side in ("input", "output")}
        share = {"deviation": f"{record['match']['deviation']:.6f}"} if "match" in record else {}
        self._writer.writerow({**record, **choices, **shapes, **share})


def read_index(folder: Path) -> dict[str, Any] | None:
    """The index of a sweep's directory; None where there is none.

    ``base`` is the base's hash, ``files`` are those of the variants, ``written`` is all that the sweep has written.
    Raises SpecError where no sweep has written it.
    """
    file = folder / INDEX_FILE
    try:
        if not file.is_file():
            return None
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        files = [str(variant["file"]) for variant in index["variants"]]
        base, hash_ = index["base"].get("file"), str(index["base"]["hash"])
    except OSError as error:
        what = f"cannot read {file}: {str(error.strerror or error).lower()}"
        raise SpecError([Problem("index", "", what, "make it readable, or choose another directory")]) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "write the sweep again, or delete the file to have all specs beside it"
        raise SpecError([Problem("index", "", f"{file} is no index of a sweep", hint)]) from None
    written = {INDEX_FILE, CSV_FILE, *files, *([base] if base else [])}
    return index | {"base": hash_, "files": files, "written": written}


def variant_to_dict(variant: Variant) -> dict[str, Any]:
    """A variant as plain data."""
    record = {
        "name": variant.name,
        "file": variant.filename,
        **_report_to_dict(variant.report),
        "choices": variant.choices,
    }
    record["settings"] = variant.settings
    if match := variant.match:
        record["match"] = {
            "measure": match.budget.metric.name,
            "target": match.target,
            "reached": match.best.value,
            "deviation": match.deviation,
        }
    return record


def _report_to_dict(report: NetworkReport) -> dict[str, Any]:
    numbers = {measure.name: measure.compute(report) for measure in INDEXED_METRICS}
    return {"hash": report.spec.hash, **numbers, "input": list(report.in_shape), "output": list(report.out_shape)}


def _assign_columns(axes: tuple[Axis, ...], taken: Iterable[str]) -> dict[str, str]:
    """The column of each axis: of its name, unless that is another's."""
    used, columns = set(taken), {}
    for name in dict.fromkeys(_iter_axis_names(axes)):
        free = name
        while free in used:
            free = f"axis.{free}"
        used.add(free)
        columns[name] = free
    return columns


def _iter_axis_names(axes: tuple[Axis, ...]) -> Iterator[str]:
    """The names of all axes, those under labels behind the axis of the labels."""
    for axis in axes:
        yield axis.name
        for choice in axis.choices:
            yield from _iter_axis_names(choice.nested_axes)
