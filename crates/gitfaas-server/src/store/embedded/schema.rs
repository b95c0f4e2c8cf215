//! The tables of the ledger, as an ordered list of migrations.
//!
//! Only ever append to [`MIGRATIONS`]: a ledger remembers in `user_version` how many it has seen.
//!
//! Ids are kept as bytes whose order is the order of acceptance: a request's 16, a run's 16 of its request and the
//! six digits of its function, so that the runs of a request are a range of the table and need no index. Times are
//! nanoseconds since 1970. `record` is the whole truth about a row; the columns beside it are there to find it by.
//! What may be large lives in tables of its own, so that walking over requests or runs never reads it.

use rusqlite::Connection;

/// Written into the file's header, so that no other program's database is taken for a ledger: `gfas`.
pub(super) const APPLICATION_ID: i32 = 0x6766_6173;

/// The version this program writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Each brings a ledger from the version of its index to the next.
const MIGRATIONS: &[&str] = &[FIRST, LINES, KEYS, DEAD_LETTERS, LENGTHS, CHECKSUMS];

const FIRST: &str = "
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL CHECK (length(key) = 32),
    epoch INTEGER NOT NULL,
    reopened INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE payload (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;

CREATE TABLE request (
    id BLOB PRIMARY KEY,
    topic TEXT NOT NULL,
    parent BLOB,
    payload INTEGER NOT NULL,
    ended_at INTEGER,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_of_topic ON request (topic, id);
CREATE INDEX request_of_parent ON request (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX request_ended ON request (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE manifests (seq INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;

CREATE TABLE run (
    id BLOB PRIMARY KEY,
    topic TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    phase TEXT NOT NULL,
    due_at INTEGER,
    ended_at INTEGER,
    manifests INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_due ON run (due_at, id) WHERE phase = 'queued';
CREATE INDEX run_in_phase ON run (phase, id);
CREATE INDEX run_over_in_topic ON run (topic, phase, id)
    WHERE phase NOT IN ('queued', 'applying', 'pending', 'running');

CREATE TABLE response (
    seq INTEGER PRIMARY KEY,
    run BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    try INTEGER,
    received_at INTEGER NOT NULL,
    content_type TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX response_of_run ON response (run, received_at);

CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    run BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    try INTEGER NOT NULL,
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    container TEXT NOT NULL,
    cut INTEGER NOT NULL,
    text BLOB NOT NULL
) STRICT;
CREATE INDEX log_of_try ON log (run, try, job);

CREATE TABLE catalog (one INTEGER PRIMARY KEY CHECK (one = 1), live TEXT NOT NULL) STRICT;
CREATE TABLE source (hash TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
";

/// A line for each topic: what is due in it, who was accepted first, and how many are live; and the gates of topics.
/// What is live is in none of the first two, so a run that is dispatched at its accept costs one entry.
const LINES: &str = "
DROP INDEX run_due;
CREATE INDEX run_due ON run (topic, due_at, id) WHERE phase = 'queued';
CREATE INDEX run_in_line ON run (topic, substr(id, 1, 16), ordinal, due_at) WHERE phase = 'queued';
CREATE INDEX run_live ON run (topic) WHERE phase IN ('applying', 'pending', 'running');

CREATE TABLE gate (
    topic TEXT PRIMARY KEY,
    concurrency INTEGER,
    paused_by_config INTEGER,
    paused_by_operator INTEGER
) STRICT, WITHOUT ROWID;
";

/// Keys by which senders say that a publish is the same one as before.
const KEYS: &str = "
CREATE TABLE idempotency (key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, request BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_of_request ON idempotency (request);
";

const DEAD_LETTERS: &str = "
CREATE TABLE dead_letter (
    run BLOB PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    topic TEXT NOT NULL,
    function TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letter_of_topic ON dead_letter (topic, run);
INSERT INTO dead_letter SELECT id, topic, json_extract(record, '$.function'), coalesce(json_extract(record, '$.reason.code'), '')
    FROM run WHERE phase IN ('failed', 'interrupted', 'unknown')
        AND CASE WHEN json_valid(record) THEN json_type(record, '$.function') = 'text' END;

ALTER TABLE request ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
UPDATE request SET dead = 1 WHERE id IN (SELECT substr(run, 1, 16) FROM dead_letter);
DROP INDEX request_ended;
CREATE INDEX request_ended ON request (dead, ended_at) WHERE ended_at IS NOT NULL;
";

/// How long each line is, and that of no name all of them together; which runs are live by more than their phase; and
/// lines that go by acceptance where runs are due at the same time.
const LENGTHS: &str = "
CREATE TABLE line (topic TEXT PRIMARY KEY, queued INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO line SELECT topic, count(*) FROM run WHERE phase = 'queued' GROUP BY topic;
INSERT INTO line SELECT '', coalesce(sum(queued), 0) FROM line;
CREATE TRIGGER run_queued AFTER INSERT ON run WHEN NEW.phase = 'queued' BEGIN
    INSERT INTO line VALUES (NEW.topic, 1) ON CONFLICT DO UPDATE SET queued = queued + 1;
    UPDATE line SET queued = queued + 1 WHERE topic = '';
END;
CREATE TRIGGER run_queued_again AFTER UPDATE OF phase ON run WHEN OLD.phase <> 'queued' AND NEW.phase = 'queued' BEGIN
    INSERT INTO line VALUES (NEW.topic, 1) ON CONFLICT DO UPDATE SET queued = queued + 1;
    UPDATE line SET queued = queued + 1 WHERE topic = '';
END;
CREATE TRIGGER run_taken AFTER UPDATE OF phase ON run WHEN OLD.phase = 'queued' AND NEW.phase <> 'queued' BEGIN
    UPDATE line SET queued = queued - 1 WHERE topic IN (OLD.topic, '');
    DELETE FROM line WHERE topic = OLD.topic AND queued = 0;
END;
CREATE TRIGGER run_forgotten AFTER DELETE ON run WHEN OLD.phase = 'queued' BEGIN
    UPDATE line SET queued = queued - 1 WHERE topic IN (OLD.topic, '');
    DELETE FROM line WHERE topic = OLD.topic AND queued = 0;
END;

ALTER TABLE run ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
UPDATE run SET live = 1 WHERE phase IN ('applying', 'pending', 'running')
    OR CASE WHEN json_valid(record) THEN EXISTS (SELECT 1 FROM json_each(record, '$.objects')
        WHERE CASE type WHEN 'object' THEN json_extract(value, '$.job.state') END IN ('pending', 'running')) END;
DROP INDEX run_live;
CREATE INDEX run_live ON run (topic) WHERE live = 1;
DROP INDEX run_due;
CREATE INDEX run_due ON run (topic, due_at, substr(id, 1, 16), ordinal) WHERE phase = 'queued';
";

/// Beside each record the [checksum](super::record::checksum) of what was written. What is older has none.
const CHECKSUMS: &str = "
ALTER TABLE ledger ADD COLUMN crc INTEGER;
ALTER TABLE payload ADD COLUMN crc INTEGER;
ALTER TABLE request ADD COLUMN crc INTEGER;
ALTER TABLE manifests ADD COLUMN crc INTEGER;
ALTER TABLE run ADD COLUMN crc INTEGER;
ALTER TABLE response ADD COLUMN crc INTEGER;
ALTER TABLE log ADD COLUMN crc INTEGER;
ALTER TABLE catalog ADD COLUMN crc INTEGER;
ALTER TABLE idempotency ADD COLUMN crc INTEGER;
";

/// Brings a ledger of `version` to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (seen, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let step = connection.transaction()?;
        step.execute_batch(migration)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", i64::try_from(seen + 1).unwrap_or(i64::MAX))?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger that began at a version.
    fn begun(began: usize) -> Connection {
        let connection = Connection::open_in_memory().expect("opened");
        for migration in &MIGRATIONS[..began] {
            connection.execute_batch(migration).expect("an older ledger");
        }
        connection
    }

    /// All tables and indexes of a ledger that began at a version.
    fn tables(began: usize) -> Vec<(String, String)> {
        let mut connection = begun(began);
        migrate(&mut connection, began).expect("migrated");
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
        assert!(began == VERSION || usize::try_from(version) == Ok(VERSION), "from {began} to {version}");
        let mut read = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .expect("prepared");
        let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
        rows.map(|row| row.expect("a row")).collect()
    }

    #[test]
    fn lines_and_slots_of_an_earlier_version_are_counted_whatever_its_records_are() {
        let before = MIGRATIONS.iter().position(|migration| *migration == LENGTHS).expect("a migration");
        let mut connection = begun(before);
        let live = r#"{"objects":[{"name":"a"},{"job":{"state":"succeeded"}},{"job":{"state":"pending"}}]}"#;
        let over = r#"{"objects":[{"job":{"state":"failed"}},{"job":7}]}"#;
        let written = [
            ("a", "collect", "queued", "{}"),
            ("b", "collect", "queued", "no record"),
            ("c", "audit", "queued", live),
            ("d", "audit", "cancelled", live),
            ("e", "audit", "applying", "[7]"),
            ("f", "audit", "failed", over),
            ("g", "audit", "failed", r#"{"objects":["text",7]}"#),
            ("h", "audit", "failed", "7"),
        ];
        for (id, topic, phase, record) in written {
            let sql = "INSERT INTO run (id, topic, ordinal, phase, manifests, record) VALUES (?1, ?2, 0, ?3, 0, ?4)";
            connection.execute(sql, (id.as_bytes(), topic, phase, record)).expect("written");
        }
        migrate(&mut connection, before).expect("migrated");
        let rows = |sql| {
            let mut read = connection.prepare(sql).expect("prepared");
            let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("read");
            rows.collect::<Result<Vec<(String, i64)>, _>>().expect("rows")
        };
        let lines = [("", 3), ("audit", 1), ("collect", 2)].map(|(topic, queued)| (topic.to_owned(), queued));
        assert_eq!(rows("SELECT topic, queued FROM line ORDER BY topic"), lines);
        let live = ["c", "d", "e"].map(|id| (id.to_owned(), 1));
        assert_eq!(rows("SELECT CAST(id AS TEXT), live FROM run WHERE live ORDER BY id"), live);
    }

    #[test]
    fn a_ledger_of_any_earlier_version_becomes_one_of_this() {
        let fresh = tables(0);
        assert!(fresh.iter().any(|(name, _)| name == "gate"), "{fresh:?}");
        for began in 1..=VERSION {
            assert_eq!(tables(began), fresh, "from version {began}");
        }
    }
}
