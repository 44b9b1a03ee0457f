-- One row for each setting of a run: its trial function, its options, the versions it ran with.
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The variants in the order of the sweep, each with its resolved spec. A baseline has no spec and no costs.
CREATE TABLE variants (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    spec TEXT NOT NULL,
    choices TEXT NOT NULL,  -- JSON
    costs TEXT NOT NULL     -- JSON
) WITHOUT ROWID;

CREATE TABLE trials (
    variant TEXT NOT NULL REFERENCES variants (name),
    seed INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    began TEXT,             -- UTC
    seconds REAL,
    device TEXT,
    error TEXT,
    PRIMARY KEY (variant, seed)
) WITHOUT ROWID;

CREATE TABLE metrics (
    variant TEXT NOT NULL,
    seed INTEGER NOT NULL,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (variant, seed, name)
) WITHOUT ROWID;

CREATE TABLE curves (
    variant TEXT NOT NULL,
    seed INTEGER NOT NULL,
    name TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL,             -- NULL for what is not finite
    PRIMARY KEY (variant, seed, name, step)
) WITHOUT ROWID;

CREATE VIEW results AS
SELECT variant, seed, state, attempts, seconds, metrics.name AS metric, metrics.value AS value, error
FROM trials LEFT JOIN metrics USING (variant, seed);
