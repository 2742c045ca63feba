-- What Backstop knows. Times are UTC, RFC 3339 text to the millisecond, so that text order is time order;
-- ids are UUIDv7. An app or a configuration that is taken away keeps its row: history goes on naming it.

CREATE TABLE vault (
    id                 TEXT PRIMARY KEY NOT NULL,
    name               TEXT NOT NULL UNIQUE,
    passphrase_command TEXT,
    recovery           INTEGER NOT NULL DEFAULT 0,
    created_at         TEXT NOT NULL
) STRICT;

CREATE TABLE location (
    id              TEXT PRIMARY KEY NOT NULL,
    vault_id        TEXT NOT NULL REFERENCES vault (id),
    name            TEXT NOT NULL,
    place           TEXT NOT NULL,
    position        INTEGER NOT NULL,
    reachable       INTEGER,
    error           TEXT,
    total_bytes     INTEGER,
    free_bytes      INTEGER,
    objects         INTEGER,
    bytes           INTEGER,
    backlog_objects INTEGER NOT NULL DEFAULT 0,
    backlog_bytes   INTEGER NOT NULL DEFAULT 0,
    checked_at      TEXT,
    created_at      TEXT NOT NULL,
    UNIQUE (vault_id, name)
) STRICT;
CREATE INDEX location_order ON location (vault_id, position, id);

CREATE TABLE app (
    id              TEXT PRIMARY KEY NOT NULL,
    name            TEXT NOT NULL,
    database        TEXT,
    files           TEXT NOT NULL DEFAULT '[]',
    exclude         TEXT NOT NULL DEFAULT '[]',
    one_file_system INTEGER NOT NULL DEFAULT 0,
    config_paths    TEXT NOT NULL DEFAULT '[]',
    tenant_columns  TEXT NOT NULL DEFAULT '[]',
    vault_id        TEXT NOT NULL REFERENCES vault (id),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    removed_at      TEXT
) STRICT;
CREATE UNIQUE INDEX app_name ON app (name) WHERE removed_at IS NULL;

CREATE TABLE configuration (
    id             TEXT PRIMARY KEY NOT NULL,
    name           TEXT NOT NULL,
    app_id         TEXT NOT NULL REFERENCES app (id),
    type           TEXT NOT NULL,
    schedule       TEXT,
    retention_days INTEGER,
    enabled        INTEGER NOT NULL DEFAULT 1,
    quick          INTEGER NOT NULL DEFAULT 0,
    modules        TEXT NOT NULL DEFAULT '[]',
    models         TEXT NOT NULL DEFAULT '[]',
    compression    TEXT,
    adhoc          INTEGER NOT NULL DEFAULT 0,
    description    TEXT,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    last_run_at    TEXT,
    next_run_at    TEXT,
    deleted_at     TEXT
) STRICT;
CREATE UNIQUE INDEX configuration_name ON configuration (name) WHERE deleted_at IS NULL;
CREATE INDEX configuration_by_name ON configuration (name, id) WHERE deleted_at IS NULL;
CREATE INDEX configuration_by_app ON configuration (app_id, name, id) WHERE deleted_at IS NULL;
CREATE INDEX configuration_due ON configuration (next_run_at, id) WHERE enabled = 1 AND deleted_at IS NULL AND next_run_at IS NOT NULL;
CREATE INDEX configuration_adhoc ON configuration (created_at) WHERE adhoc = 1;

CREATE TABLE job (
    id               TEXT PRIMARY KEY NOT NULL,
    kind             TEXT NOT NULL,
    type             TEXT,
    status           TEXT NOT NULL,
    origin           TEXT NOT NULL,
    app_id           TEXT REFERENCES app (id),
    configuration_id TEXT REFERENCES configuration (id),
    exclusive        INTEGER NOT NULL,
    request          TEXT,
    reason           TEXT,
    operator         TEXT,
    replay_of        TEXT REFERENCES job (id),
    phase            TEXT,
    done_records     INTEGER NOT NULL DEFAULT 0,
    total_records    INTEGER,
    done_bytes       INTEGER NOT NULL DEFAULT 0,
    total_bytes      INTEGER,
    message          TEXT,
    error            TEXT,
    hint             TEXT,
    figures          TEXT,
    backup_id        TEXT,
    restore_id       TEXT,
    pid              INTEGER,
    process          TEXT,
    claim            INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    started_at       TEXT,
    finished_at      TEXT
) STRICT;
-- The exclusiveness of jobs: what harms each other in one app cannot both be running, whoever asks.
CREATE UNIQUE INDEX job_exclusive ON job (app_id) WHERE status = 'running' AND exclusive = 1;
CREATE INDEX job_by_time ON job (created_at, id);
CREATE INDEX job_by_app ON job (app_id, created_at, id);
CREATE INDEX job_by_status ON job (status, created_at, id);
CREATE INDEX job_by_configuration ON job (configuration_id, created_at, id);
CREATE INDEX job_active ON job (created_at, id) WHERE status IN ('queued', 'running');

CREATE TABLE job_log (
    job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    time   TEXT NOT NULL,
    level  TEXT NOT NULL,
    text   TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_log_by_time ON job_log (time);

CREATE TABLE backup (
    id                 TEXT PRIMARY KEY NOT NULL,
    job_id             TEXT REFERENCES job (id),
    app_id             TEXT NOT NULL REFERENCES app (id),
    vault_id           TEXT REFERENCES vault (id),
    configuration_id   TEXT REFERENCES configuration (id) ON DELETE SET NULL,
    configuration_name TEXT,
    type               TEXT NOT NULL,
    status             TEXT NOT NULL,
    origin             TEXT NOT NULL,
    parent             TEXT,
    taken_at           TEXT NOT NULL,
    records            INTEGER NOT NULL,
    files              INTEGER NOT NULL,
    bytes_read         INTEGER NOT NULL,
    bytes_new          INTEGER NOT NULL,
    bytes_stored       INTEGER NOT NULL,
    duration_seconds   REAL NOT NULL,
    narrowed           INTEGER NOT NULL,
    warnings           INTEGER NOT NULL DEFAULT 0,
    checksum           TEXT,
    reason             TEXT,
    operator           TEXT,
    protected          INTEGER NOT NULL DEFAULT 0,
    verified_at        TEXT,
    verified_level     INTEGER,
    deleted_at         TEXT
) STRICT;
CREATE INDEX backup_by_time ON backup (taken_at, id);
CREATE INDEX backup_by_app ON backup (app_id, taken_at, id);
CREATE INDEX backup_by_status ON backup (status, taken_at, id);
CREATE INDEX backup_by_configuration ON backup (configuration_id, taken_at, id);
CREATE INDEX backup_proven ON backup (app_id, verified_at) WHERE verified_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX backup_good ON backup (app_id, taken_at, id)
    WHERE status = 'completed' AND deleted_at IS NULL AND type NOT IN ('tenant', 'export', 'verification', 'safety');

CREATE TABLE backup_model (
    backup_id TEXT NOT NULL REFERENCES backup (id) ON DELETE CASCADE,
    module    TEXT NOT NULL,
    model     TEXT NOT NULL,
    rows      INTEGER NOT NULL,
    PRIMARY KEY (backup_id, module, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE backup_location (
    backup_id   TEXT NOT NULL REFERENCES backup (id) ON DELETE CASCADE,
    location_id TEXT NOT NULL REFERENCES location (id) ON DELETE CASCADE,
    state       TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    PRIMARY KEY (backup_id, location_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX backup_location_behind ON backup_location (location_id, changed_at) WHERE state <> 'present';

CREATE TABLE plan (
    id         TEXT PRIMARY KEY NOT NULL,
    backup_id  TEXT NOT NULL,
    app_id     TEXT NOT NULL REFERENCES app (id),
    strategy   TEXT NOT NULL,
    state      TEXT NOT NULL,
    path       TEXT NOT NULL,
    summary    TEXT NOT NULL,
    operator   TEXT,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX plan_by_time ON plan (created_at, id);
CREATE INDEX plan_open ON plan (created_at, id) WHERE state = 'open';

CREATE TABLE restore (
    id               TEXT PRIMARY KEY NOT NULL,
    job_id           TEXT REFERENCES job (id),
    plan_id          TEXT REFERENCES plan (id),
    app_id           TEXT NOT NULL REFERENCES app (id),
    backup_id        TEXT NOT NULL,
    mode             TEXT NOT NULL,
    status           TEXT NOT NULL,
    operator         TEXT NOT NULL,
    reason           TEXT,
    scope            TEXT NOT NULL,
    target           TEXT,
    created          INTEGER NOT NULL DEFAULT 0,
    updated          INTEGER NOT NULL DEFAULT 0,
    skipped          INTEGER NOT NULL DEFAULT 0,
    deleted          INTEGER NOT NULL DEFAULT 0,
    safety_backup    TEXT,
    undo_of          TEXT REFERENCES restore (id),
    undone_by        TEXT REFERENCES restore (id),
    undo_until       TEXT,
    started_at       TEXT NOT NULL,
    finished_at      TEXT,
    duration_seconds REAL,
    error            TEXT
) STRICT;
CREATE INDEX restore_by_time ON restore (started_at, id);
CREATE INDEX restore_by_app ON restore (app_id, started_at, id);
CREATE INDEX restore_by_status ON restore (status, started_at, id);

CREATE TABLE restore_change (
    restore_id TEXT NOT NULL REFERENCES restore (id) ON DELETE CASCADE,
    module     TEXT NOT NULL,
    model      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    skipped    INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    PRIMARY KEY (restore_id, module, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    id               TEXT PRIMARY KEY NOT NULL,
    type             TEXT NOT NULL,
    severity         TEXT NOT NULL,
    status           TEXT NOT NULL,
    app_id           TEXT REFERENCES app (id),
    configuration_id TEXT REFERENCES configuration (id) ON DELETE SET NULL,
    identity         TEXT NOT NULL,
    target           TEXT NOT NULL,
    message          TEXT NOT NULL,
    measured         TEXT,
    threshold        TEXT,
    count            INTEGER NOT NULL,
    first_at         TEXT NOT NULL,
    last_at          TEXT NOT NULL,
    acknowledged_by  TEXT,
    acknowledged_at  TEXT,
    resolved_by      TEXT,
    resolved_at      TEXT,
    snoozed_until    TEXT,
    notes            TEXT,
    job_id           TEXT,
    backup_id        TEXT,
    severity_rank    INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE severity WHEN 'critical' THEN 3 WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END) VIRTUAL
) STRICT;
-- One open alert an identity: repeats fold into it, whoever raises them.
CREATE UNIQUE INDEX alert_identity_open ON alert (identity) WHERE status <> 'resolved';
CREATE INDEX alert_by_identity ON alert (identity, last_at);
CREATE INDEX alert_by_time ON alert (last_at, id);
CREATE INDEX alert_by_app ON alert (app_id, last_at, id);
CREATE INDEX alert_by_status ON alert (status, last_at, id);
CREATE INDEX alert_open ON alert (severity_rank, last_at, id) WHERE status <> 'resolved';
CREATE INDEX alert_snoozed ON alert (snoozed_until) WHERE status = 'snoozed';

CREATE TABLE alert_event (
    alert_id TEXT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    time     TEXT NOT NULL,
    event    TEXT NOT NULL,
    operator TEXT,
    text     TEXT,
    PRIMARY KEY (alert_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE operator (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    time     TEXT NOT NULL,
    operator TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    app      TEXT,
    outcome  TEXT NOT NULL,
    reason   TEXT,
    details  TEXT,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (time, id);
CREATE INDEX audit_by_operator ON audit (operator, time, id);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

CREATE TABLE lease (
    name       TEXT PRIMARY KEY NOT NULL,
    pid        INTEGER NOT NULL,
    process    TEXT NOT NULL,
    number     INTEGER NOT NULL,
    taken_at   TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE TABLE setting (
    name       TEXT PRIMARY KEY NOT NULL,
    value      TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
