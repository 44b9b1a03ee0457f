"""Ledger: the results of a run in one SQLite file, which anything that knows SQLite reads while it is written."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from unetgen.atomic_files import replace_when_complete
from unetgen.errors import RunEnvironmentError, RunError

DATABASE_FILE = "results.sqlite"

# What it is called until everything is in it that a run begins with.

# Written into the file, so that an older or newer layout is told and not misread.
DB_SCHEMA_VERSION = 2

# Seconds for which somebody else may keep the file to himself.
LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One variant as the ledger has it, or a baseline, which has no spec."""

    name: str
    hash: str = ""
    spec: str = ""
    choices: Mapping[str, str] | None = None
    costs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial as the ledger has it."""

    variant: str
    seed: int
    state: str
    attempts: int
    seconds: float | None
    error: str


class ResultsDatabase:
    """Who opens it to write is alone; readers see what was committed. A trial that is finished is on the disk."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection, self.file = connection, file
        self._awaiting_first_report: set[tuple[str, int]] = set()

    # Opening

    @classmethod
    @contextmanager
    def create(
        cls, folder: Path, settings: Mapping[str, Any], variants: Iterable[VariantRow], seeds: Iterable[int] = ()
    ) -> Iterator[ResultsDatabase]:
        """A new one, with the trials it will have results of; it has its name when they are all in it."""
        setting_rows = [(name, json.dumps(value)) for name, value in settings.items()]
        with (
            replace_when_complete(folder / DATABASE_FILE) as partial,
            _translate_sqlite_errors(partial),
            closing(sqlite3.connect(partial)) as connection,
        ):
            with connection:
                connection.executescript(files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))
                connection.execute(f"PRAGMA user_version = {DB_SCHEMA_VERSION}")
                connection.executemany("INSERT INTO settings VALUES (?, ?)", setting_rows)
                connection.executemany("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?)", _iter_variant_values(variants))
            cls(connection, partial).add_trials(seeds)
        with cls.open(folder) as ledger:
            yield ledger

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, writing: bool = True) -> Iterator[ResultsDatabase]:
        """One that is there. Raises RunError if there is none.

        Raises RunEnvironmentError if the file is not a results file, and within for every error of SQLite.
        """
        file = folder / DATABASE_FILE
        if not file.is_file():
            raise RunError(f"{folder} holds no results; unetgen run writes them")
        # Never made by opening it. Readers too may have to make the file that they share with the writer.
        address = f"{file.resolve().as_uri()}?mode=rw"
        with (
            _translate_sqlite_errors(file),
            closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S)) as connection,
        ):
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            if not layout:
                raise RunEnvironmentError(
                    f"{file} has no results of unetgen in it; put a copy back, or move {folder} away"
                )
            if layout != DB_SCHEMA_VERSION:
                raise RunEnvironmentError(
                    f"{file} has layout {layout}, this unetgen reads {DB_SCHEMA_VERSION}; use the one that wrote it"
                )
            if writing:
                connection.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
            yield cls(connection, file)

    # Writing

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all, which readers see at once. Only what is durable waits for the disk.

        A power cut may take back changes since the last durable one, and no other.
        """
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._connection as into:
            yield into

    def add_trials(self, seeds: Iterable[int]) -> None:
        """Enters a trial for each variant and seed, if it is not there; a baseline has one, with the first seed."""
        seeds, entries = list(seeds), self.read_variants()
        with self._transaction(durable=True) as into:
            fresh = "INSERT OR IGNORE INTO trials (variant, seed, state) VALUES (?, ?, 'waiting')"
            into.executemany(fresh, [(e.name, seed) for seed in seeds for e in entries if e.spec])
            lone = "INSERT INTO trials (variant, seed, state) SELECT ?1, ?2, 'waiting' "
            lone += "WHERE NOT EXISTS (SELECT 1 FROM trials WHERE variant = ?1)"
            into.executemany(lone, [(e.name, seed) for seed in seeds[:1] for e in entries if not e.spec])

    def reset_running(self) -> None:
        """Lets trials wait again that somebody began who is gone."""
        with self._transaction() as into:
            into.execute("UPDATE trials SET state = 'waiting' WHERE state = 'running'")

    def start_trial(self, variant: str, seed: int) -> None:
        """A trial has started. Its curve stays, up to where this attempt's begins: it may go on from a checkpoint."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as into:
            into.execute("DELETE FROM metrics WHERE variant = ? AND seed = ?", (variant, seed))
            into.execute(
                "UPDATE trials SET state = 'running', attempts = attempts + 1, began = ?, seconds = NULL, error = NULL "
                "WHERE variant = ? AND seed = ?",
                (now, variant, seed),
            )
        self._awaiting_first_report.add((variant, seed))

    def record_metrics(self, variant: str, seed: int, step: int, metrics: Mapping[str, float]) -> None:
        """What a trial tells on its way."""
        with self._transaction() as into:
            if (variant, seed) in self._awaiting_first_report:
                _truncate_curves(into, variant, seed, step)
            _add_curves(into, variant, seed, [(step, metrics)])
        self._awaiting_first_report.discard((variant, seed))

    def finish_trial(
        self, variant: str, seed: int, metrics: Mapping[str, float], curves: Iterable[tuple[int, Mapping[str, float]]],
        seconds: float, device: str, error: str,
    ) -> None:  # fmt: skip
        """A trial is over; without an error it is finished, and on the disk when this returns.

        ``curves`` has all that this attempt has told, or nothing where nobody knows any more.
        """
        curves = list(curves)
        with self._transaction(durable=True) as into:
            if curves:
                _truncate_curves(into, variant, seed, min(step for step, _ in curves))
            _add_curves(into, variant, seed, curves)
            found = [(variant, seed, name, value) for name, value in metrics.items()]
            into.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", found)
            into.execute(
                "UPDATE trials SET state = ?, seconds = ?, device = ?, error = ? WHERE variant = ? AND seed = ?",
                ("failed" if error else "finished", seconds, device, error or None, variant, seed),
            )

    # Reading

    def read_settings(self) -> dict[str, Any]:
        """What the run was told."""
        return {name: json.loads(value) for name, value in self._connection.execute("SELECT * FROM settings")}

    def read_variants(self) -> list[VariantRow]:
        """The variants in the order of the sweep, then the baselines."""
        rows = self._connection.execute(
            "SELECT name, hash, spec, choices, costs FROM variants ORDER BY spec = '', position"
        )
        return [VariantRow(n, h, spec, json.loads(choices), json.loads(costs)) for n, h, spec, choices, costs in rows]

    def read_trials(self) -> list[TrialRow]:
        """Every trial, those of one seed together: what is cut short can be compared as far as it got."""
        rows = self._connection.execute(
            "SELECT variant, seed, state, attempts, seconds, coalesce(error, '') FROM trials "
            "JOIN variants ON variant = name ORDER BY seed, spec = '', position"
        )
        return [TrialRow(*row) for row in rows]

    def read_metrics(self) -> dict[str, dict[str, dict[int, float]]]:
        """Of finished trials: for each metric, for each variant, its value by seed."""
        rows = self._connection.execute(
            "SELECT metrics.name, variant, seed, value FROM metrics JOIN trials USING (variant, seed) "
            "WHERE state = 'finished' ORDER BY metrics.name, variant, seed"
        )
        found: dict[str, dict[str, dict[int, float]]] = {}
        for metric, variant, seed, value in rows:
            found.setdefault(metric, {}).setdefault(variant, {})[seed] = value
        return found

    def read_curves(self) -> Iterator[tuple[str, int, str, int, float | None]]:
        """Variant, seed, metric, step and value of everything that was told on the way."""
        yield from self._connection.execute(
            "SELECT variant, seed, name, step, value FROM curves ORDER BY variant, seed, name, step"
        )


def _iter_variant_values(variants: Iterable[VariantRow]) -> Iterator[tuple[Any, ...]]:
    for position, e in enumerate(variants):
        yield e.name, position, e.hash, e.spec, json.dumps(dict(e.choices or {})), json.dumps(dict(e.costs or {}))


def _truncate_curves(connection: sqlite3.Connection, variant: str, seed: int, step: int) -> None:
    """Takes away what an earlier attempt told from a step on."""
    connection.execute("DELETE FROM curves WHERE variant = ? AND seed = ? AND step >= ?", (variant, seed, step))


def _add_curves(
    connection: sqlite3.Connection, variant: str, seed: int, curves: Iterable[tuple[int, Mapping[str, float]]]
) -> None:
    told = [
        (variant, seed, name, step, value if math.isfinite(value) else None)
        for step, metrics in curves
        for name, value in metrics.items()
    ]
    connection.executemany("INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?)", told)


@contextmanager
def _translate_sqlite_errors(file: Path) -> Iterator[None]:
    """What SQLite refuses, as one line with the way out."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunEnvironmentError(f"{file}: {error}; {_suggest_fix(error)}") from error


def _suggest_fix(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # what is above says more precisely where
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return "free space there, then --resume goes on"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another program is writing to it; close it, then --resume goes on"
    return "put it right, or move it away"
