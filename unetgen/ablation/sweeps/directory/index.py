"""Read and write the index of a sweep's variants, as index.json and index.csv."""

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

# The receptive field takes longer to compute than all others; ``unetgen compare`` shows it.
INDEXED_METRICS = [metric for name, metric in COST_METRICS.items() if name != "receptive_field"]


class IndexWriter:
    """Writes both index files in a folder; ``base_file`` names the file of the base, if it is in the folder."""

    def __init__(self, folder: Path, sweep: Sweep, base_file: str = "") -> None:
        self._streams = [(folder / name).open("w", encoding="utf-8") for name in (INDEX_FILE, CSV_FILE)]
        self._json, self._csv = (
            JsonIndexWriter(self._streams[0], sweep, base_file),
            CsvIndexWriter(self._streams[1], sweep),
        )

    def add(self, variant: Variant) -> None:
        """Add a variant to both files."""
        record = variant_to_dict(variant)
        self._json.add(record)
        self._csv.add(record)

    def finish(self, summary: Summary) -> None:
        """Write the summary and close both files. Raises OSError if something cannot be written."""
        self._json.finish(summary)
        for stream in self._streams:
            stream.close()

    def close(self) -> None:
        """Close both files and ignore write errors; an unfinished index is discarded."""
        for stream in self._streams:
            with suppress(OSError):
                stream.close()


class JsonIndexWriter:
    """Writes the index as JSON incrementally, so that variants need not be kept in memory."""

    def __init__(self, stream: TextIO, sweep: Sweep, base_file: str = "") -> None:
        self._stream, self._separator = stream, ""
        base = ({"file": base_file} if base_file else {}) | _report_to_dict(sweep.base_report)
        head = {"sweep": sweep.definition.name, "file": sweep.definition.root.to_data(), "base": base}
        if sweep.window:
            head["window"] = list(sweep.window)
        # finish() closes the list of variants and appends the summary.
        stream.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "variants": [')

    def add(self, record: dict[str, Any]) -> None:
        """Add a variant, given as plain data."""
        self._stream.write(f"{self._separator}\n  {json.dumps(record, ensure_ascii=False)}")
        self._separator = ","

    def finish(self, summary: Summary) -> None:
        """End the list of variants and append the summary."""
        tail = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False)
        self._stream.write("\n ],\n" + tail.removeprefix("{\n") + "\n")


class CsvIndexWriter:
    """Writes the index as a table: the choices of each variant, and its costs."""

    def __init__(self, stream: TextIO, sweep: Sweep) -> None:
        first = ["name", "file", "hash"]
        last = [*(metric.name for metric in INDEXED_METRICS), "input", "output", "deviation"]
        self._axis_columns = _assign_columns(sweep.definition.axes, [*first, *last])
        columns = [*first, *self._axis_columns.values(), *last]
        self._writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def add(self, record: dict[str, Any]) -> None:
        """Add a variant, given as plain data."""
        choices = {self._axis_columns[axis]: label for axis, label in record["choices"].items()}
        shapes = {side: "x".join(map(str, record[side])) for side in ("input", "output")}
        deviation = {"deviation": f"{record['match']['deviation']:.6f}"} if "match" in record else {}
        self._writer.writerow({**record, **choices, **shapes, **deviation})


def read_index(folder: Path) -> dict[str, Any] | None:
    """Read the index of a sweep directory.

    Args:
        folder: The directory.

    Returns:
        The data of index.json, with ``base`` replaced by the base's hash, and added ``files`` (the variants' files)
        and ``written`` (all files of the sweep); None if it does not exist.

    Raises:
        SpecError: The index cannot be read, or is not an index of a sweep.
    """
    file = folder / INDEX_FILE
    try:
        if not file.is_file():
            return None
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        files = [str(variant["file"]) for variant in index["variants"]]
        base, hash_ = index["base"].get("file"), str(index["base"]["hash"])
    except OSError as error:
        message = f"cannot read {file}: {str(error.strerror or error).lower()}"
        raise SpecError([Problem("index", "", message, "make it readable, or choose another directory")]) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "write the sweep again, or delete the file to use all specs in its folder"
        raise SpecError([Problem("index", "", f"{file} is not the index of a sweep", hint)]) from None
    written = {INDEX_FILE, CSV_FILE, *files, *([base] if base else [])}
    return index | {"base": hash_, "files": files, "written": written}


def variant_to_dict(variant: Variant) -> dict[str, Any]:
    """Return the index record of a variant as plain data."""
    record = {
        "name": variant.name,
        "file": variant.filename,
        **_report_to_dict(variant.report),
        "choices": variant.choices,
    }
    record["settings"] = variant.settings
    if variant.confounders:
        record["confounders"] = {confounder.part: dict(confounder.resets) for confounder in variant.confounders}
    if match := variant.match:
        record["match"] = {
            "measure": match.budget.metric.name,
            "target": match.target,
            "reached": match.best.value,
            "deviation": match.deviation,
        }
    return record


def _report_to_dict(report: NetworkReport) -> dict[str, Any]:
    costs = {metric.name: metric.compute(report) for metric in INDEXED_METRICS}
    return {"hash": report.spec.hash, **costs, "input": list(report.in_shape), "output": list(report.out_shape)}


def _assign_columns(axes: tuple[Axis, ...], taken: Iterable[str]) -> dict[str, str]:
    """Return the column name of each axis: the axis name, prefixed with ``axis.`` if that name is taken."""
    used, columns = set(taken), {}
    for name in dict.fromkeys(_iter_axis_names(axes)):
        column = name
        while column in used:
            column = f"axis.{column}"
        used.add(column)
        columns[name] = column
    return columns


def _iter_axis_names(axes: tuple[Axis, ...]) -> Iterator[str]:
    """Yield the names of all axes; nested axes follow their parent."""
    for axis in axes:
        yield axis.name
        for choice in axis.choices:
            yield from _iter_axis_names(choice.nested_axes)
