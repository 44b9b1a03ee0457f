"""Store the results of a run in one SQLite file, which other programs can read during the run."""

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

# Written into the file, so that files of another schema version are rejected.
DB_SCHEMA_VERSION = 2

# How long to wait while another process locks the file.
LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A variant as stored, or a baseline, which has no spec."""

    name: str
    hash: str = ""
    spec: str = ""
    choices: Mapping[str, str] | None = None
    costs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial as stored."""

    variant: str
    seed: int
    state: str
    attempts: int
    seconds: float | None
    error: str


class ResultsDatabase:
    """Results of a run. There is one writer; readers see committed data. Finished trials are flushed to disk."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection, self.file = connection, file
        self._awaiting_first_report: set[tuple[str, int]] = set()

    # Opening

    @classmethod
    @contextmanager
    def create(
        cls, folder: Path, settings: Mapping[str, Any], variants: Iterable[VariantRow], seeds: Iterable[int] = ()
    ) -> Iterator[ResultsDatabase]:
        """Create a database with the trials of a run, and open it.

        Args:
            folder: The run's directory.
            settings: The settings of the run, as values that JSON can hold.
            variants: The variants and baselines, in order.
            seeds: The seeds of the trials.

        Yields:
            The database, open for writing. The file gets its final name when it is complete.

        Raises:
            RunEnvironmentError: SQLite cannot create the file, or fails within the context.
        """
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
        with cls.open(folder) as database:
            yield database

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, writing: bool = True) -> Iterator[ResultsDatabase]:
        """Open an existing database.

        Args:
            folder: The run's directory.
            writing: Whether to open it for writing.

        Yields:
            The database.

        Raises:
            RunError: The file is missing.
            RunEnvironmentError: It is not a database of this schema version, or SQLite fails within the context.
        """
        file = folder / DATABASE_FILE
        if not file.is_file():
            raise RunError(f"no results found in {folder}; create them with unetgen run")
        # Mode rw does not create a missing file. Readers need it too, to create the shared-memory file of the WAL.
        uri = f"{file.resolve().as_uri()}?mode=rw"
        with (
            _translate_sqlite_errors(file),
            closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S)) as connection,
        ):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if not version:
                raise RunEnvironmentError(f"{file} is not a results database; restore a copy, or move {folder} away")
            if version != DB_SCHEMA_VERSION:
                raise RunEnvironmentError(
                    f"{file} has schema version {version}, but this unetgen reads {DB_SCHEMA_VERSION}; "
                    "use the unetgen that wrote it"
                )
            if writing:
                connection.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
            yield cls(connection, file)

    # Writing

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one atomic change, visible to readers at once. Only a durable change waits for the disk.

        A power cut can undo changes since the last durable one, but no earlier ones.
        """
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._connection as connection:
            yield connection

    def add_trials(self, seeds: Iterable[int]) -> None:
        """Add missing trials: one for each variant and seed, and one for each baseline, with the first seed."""
        seeds, rows = list(seeds), self.read_variants()
        with self._transaction(durable=True) as connection:
            insert = "INSERT OR IGNORE INTO trials (variant, seed, state) VALUES (?, ?, 'waiting')"
            connection.executemany(insert, [(row.name, seed) for seed in seeds for row in rows if row.spec])
            insert_first = "INSERT INTO trials (variant, seed, state) SELECT ?1, ?2, 'waiting' "
            insert_first += "WHERE NOT EXISTS (SELECT 1 FROM trials WHERE variant = ?1)"
            connection.executemany(
                insert_first, [(row.name, seed) for seed in seeds[:1] for row in rows if not row.spec]
            )

    def reset_running(self) -> None:
        """Set running trials to waiting, after the process that ran them is gone."""
        with self._transaction() as connection:
            connection.execute("UPDATE trials SET state = 'waiting' WHERE state = 'running'")

    def start_trial(self, variant: str, seed: int) -> None:
        """Record the start of a trial. Its curves stay until the first report, since it may resume a checkpoint."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction() as connection:
            connection.execute("DELETE FROM metrics WHERE variant = ? AND seed = ?", (variant, seed))
            connection.execute(
                "UPDATE trials SET state = 'running', attempts = attempts + 1, began = ?, seconds = NULL, error = NULL "
                "WHERE variant = ? AND seed = ?",
                (now, variant, seed),
            )
        self._awaiting_first_report.add((variant, seed))

    def record_metrics(self, variant: str, seed: int, step: int, metrics: Mapping[str, float]) -> None:
        """Record metrics that a trial reports at a step."""
        with self._transaction() as connection:
            if (variant, seed) in self._awaiting_first_report:
                _truncate_curves(connection, variant, seed, step)
            _add_curves(connection, variant, seed, [(step, metrics)])
        self._awaiting_first_report.discard((variant, seed))

    def finish_trial(
        self, variant: str, seed: int, metrics: Mapping[str, float], curves: Iterable[tuple[int, Mapping[str, float]]],
        seconds: float, device: str, error: str,
    ) -> None:  # fmt: skip
        """Record the end of a trial; it is flushed to disk when this returns.

        Args:
            variant: The variant's name.
            seed: The trial's seed.
            metrics: The final metrics.
            curves: All metrics reported by this attempt, by step; empty if they are no longer known.
            seconds: The duration of the attempt, in seconds.
            device: The device of the trial.
            error: The error message; empty if the trial succeeded.
        """
        curves = list(curves)
        with self._transaction(durable=True) as connection:
            if curves:
                _truncate_curves(connection, variant, seed, min(step for step, _ in curves))
            _add_curves(connection, variant, seed, curves)
            metric_rows = [(variant, seed, name, value) for name, value in metrics.items()]
            connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", metric_rows)
            connection.execute(
                "UPDATE trials SET state = ?, seconds = ?, device = ?, error = ? WHERE variant = ? AND seed = ?",
                ("failed" if error else "finished", seconds, device, error or None, variant, seed),
            )

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Add settings, or replace those of the same names."""
        rows = [(name, json.dumps(value)) for name, value in settings.items()]
        with self._transaction(durable=True) as connection:
            connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def restart_trials(self, trials: Iterable[tuple[str, int]]) -> None:
        """Set trials, given by variant and seed, to waiting, and delete their metrics and curves."""
        keys = list(trials)
        with self._transaction(durable=True) as connection:
            for table in ("metrics", "curves"):
                connection.executemany(f"DELETE FROM {table} WHERE variant = ? AND seed = ?", keys)  # noqa: S608  # our own tables
            connection.executemany(
                "UPDATE trials SET state = 'waiting', seconds = NULL, error = NULL WHERE variant = ? AND seed = ?", keys
            )

    # Reading

    def read_settings(self) -> dict[str, Any]:
        """Return the settings of the run."""
        return {name: json.loads(value) for name, value in self._connection.execute("SELECT * FROM settings")}

    def read_variants(self) -> list[VariantRow]:
        """Return the variants in the order of the sweep, then the baselines."""
        rows = self._connection.execute(
            "SELECT name, hash, spec, choices, costs FROM variants ORDER BY spec = '', position"
        )
        return [
            VariantRow(name, hash_, spec, json.loads(choices), json.loads(costs))
            for name, hash_, spec, choices, costs in rows
        ]

    def read_trials(self) -> list[TrialRow]:
        """Return all trials, ordered by seed, so that an interrupted run has comparable trials of all variants."""
        rows = self._connection.execute(
            "SELECT variant, seed, state, attempts, seconds, coalesce(error, '') FROM trials "
            "JOIN variants ON variant = name ORDER BY seed, spec = '', position"
        )
        return [TrialRow(*row) for row in rows]

    def read_metrics(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return the metrics of finished trials, by metric, variant and seed."""
        rows = self._connection.execute(
            "SELECT metrics.name, variant, seed, value FROM metrics JOIN trials USING (variant, seed) "
            "WHERE state = 'finished' ORDER BY metrics.name, variant, seed"
        )
        metrics: dict[str, dict[str, dict[int, float]]] = {}
        for metric, variant, seed, value in rows:
            metrics.setdefault(metric, {}).setdefault(variant, {})[seed] = value
        return metrics

    def read_curves(self) -> Iterator[tuple[str, int, str, int, float | None]]:
        """Yield variant, seed, metric, step and value of every metric reported during trials."""
        yield from self._connection.execute(
            "SELECT variant, seed, name, step, value FROM curves ORDER BY variant, seed, name, step"
        )


def _iter_variant_values(variants: Iterable[VariantRow]) -> Iterator[tuple[Any, ...]]:
    for position, row in enumerate(variants):
        choices, costs = json.dumps(dict(row.choices or {})), json.dumps(dict(row.costs or {}))
        yield row.name, position, row.hash, row.spec, choices, costs


def _truncate_curves(connection: sqlite3.Connection, variant: str, seed: int, step: int) -> None:
    """Delete the metrics of earlier attempts from a step on."""
    connection.execute("DELETE FROM curves WHERE variant = ? AND seed = ? AND step >= ?", (variant, seed, step))


def _add_curves(
    connection: sqlite3.Connection, variant: str, seed: int, curves: Iterable[tuple[int, Mapping[str, float]]]
) -> None:
    curve_rows = [
        (variant, seed, name, step, value if math.isfinite(value) else None)
        for step, metrics in curves
        for name, value in metrics.items()
    ]
    connection.executemany("INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?)", curve_rows)


@contextmanager
def _translate_sqlite_errors(file: Path) -> Iterator[None]:
    """Raise RunEnvironmentError with a hint for an SQLite error within the context."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunEnvironmentError(f"{file}: {error}; {_suggest_fix(error)}") from error


def _suggest_fix(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the higher bits are details
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return "free disk space, then continue with --resume"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "close the program that is writing to it, then continue with --resume"
    return "repair the file, or move it away"
