"""Index: the list of a sweep's variants, for programs (index.json) and for tables (index.csv)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from unetgen.ablation.axis import Axis
from unetgen.ablation.summary import Summary
from unetgen.ablation.sweep import Sweep
from unetgen.ablation.variant import Variant
from unetgen.errors import Problem, SpecError
from unetgen.outputs.measures import MEASURES
from unetgen.outputs.report import Report

INDEX, TABLE = "index.json", "index.csv"

# The receptive field takes longer to reckon than all the others; ``unetgen compare`` tells it.
LISTED = [measure for name, measure in MEASURES.items() if name != "receptive_field"]


class JsonIndex:
    """Writes the list as JSON while the variants come, so that none of them is kept."""

    def __init__(self, stream: TextIO, sweep: Sweep) -> None:
        self._stream, self._separator = stream, ""
        head = {"sweep": sweep.file.name, "file": sweep.file.root.plain(), "base": _measured(sweep.base)}
        # The list of variants is opened here, and closed with the summary behind it.
        stream.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "variants": [')

    def add(self, variant: Variant) -> None:
        """Enters a variant."""
        record = record_of(variant)
        self._stream.write(f"{self._separator}\n  {json.dumps(record, ensure_ascii=False)}")
        self._separator = ","

    def close(self, summary: Summary) -> None:
        """Ends the list with what is to be told beside the variants."""
        tail = json.dumps(summary.record(), indent=1, ensure_ascii=False)
        self._stream.write("\n ],\n" + tail.removeprefix("{\n") + "\n")


class CsvIndex:
    """Writes the list as a table: what each variant takes from each axis, and what it costs."""

    def __init__(self, stream: TextIO, sweep: Sweep) -> None:
        axes = list(dict.fromkeys(_names(sweep.file.axes)))
        columns = ["name", "file", "hash", *axes, *(m.name for m in LISTED), "input", "output", "deviation"]
        self._rows = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        self._rows.writeheader()

    def add(self, variant: Variant) -> None:
        """Enters a variant."""
        record = record_of(variant)
        shapes = {side: "x".join(map(str, record[side])) for side in ("input", "output")}
        share = {"deviation": f"{variant.match.deviation:.6f}"} if variant.match else {}
        self._rows.writerow({**record, **variant.choices, **shapes, **share})


def read_index(folder: Path) -> dict[str, Any] | None:
    """The index of a sweep's directory, with the base's hash and the files beside it; None where there is none.

    Raises SpecError where no sweep has written it.
    """
    file = folder / INDEX
    if not file.is_file():
        return None
    try:
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        files = [str(variant["file"]) for variant in index["variants"]]
        return index | {"base": str(index["base"]["hash"]), "files": files}
    except (ValueError, KeyError, TypeError):
        hint = "write the sweep again, or delete the file to have all specs beside it"
        raise SpecError([Problem("index", "", f"{file} is no index of a sweep", hint)]) from None


def record_of(variant: Variant) -> dict[str, Any]:
    """A variant as plain data."""
    record = {"name": variant.name, "file": variant.file, **_measured(variant.report), "choices": variant.choices}
    record["settings"] = variant.settings
    if match := variant.match:
        record["match"] = {
            "measure": match.budget.measure.name,
            "target": match.target,
            "reached": match.reached.value,
            "deviation": match.deviation,
        }
    return record


def _measured(report: Report) -> dict[str, Any]:
    numbers = {measure.name: measure.of(report) for measure in LISTED}
    return {"hash": report.spec.hash, **numbers, "input": list(report.in_shape), "output": list(report.out_shape)}


def _names(axes: tuple[Axis, ...]) -> Iterator[str]:
    """The names of all axes, those under labels behind the axis of the labels."""
    for axis in axes:
        yield axis.name
        for choice in axis.choices:
            yield from _names(choice.inner)
