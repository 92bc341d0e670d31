-- A migration may add, and must leave what the version before it reads and writes: during `ostler replace` that version goes on
-- beside the one that has migrated.

-- "Ostl": how one of our files is told from another program's.
PRAGMA application_id = 0x4f73746c;

-- Which change of hands a shard is in. One that is not here is in its first.
CREATE TABLE shards (
    shard INTEGER PRIMARY KEY NOT NULL,
    epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    session BLOB PRIMARY KEY NOT NULL,
    -- The place of the next entry. A write at another place, or with a stale fence, tries to make it NULL, and fails by that.
    next INTEGER NOT NULL,
    tool TEXT NOT NULL,
    version INTEGER NOT NULL,
    principal TEXT NOT NULL,
    -- 0 working, 1 input_required, 2 completed, 3 failed, 4 cancelled: finished from 2 on.
    state INTEGER NOT NULL,
    round INTEGER NOT NULL,
    -- A JSON array; NULL if there are none.
    questions BLOB,
    started INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    wake INTEGER,
    detached INTEGER NOT NULL,
    -- How many of its entries only a replay needs.
    replay_only INTEGER NOT NULL,
    -- When its last entry was written.
    updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_wake ON sessions (wake) WHERE wake IS NOT NULL AND state < 2;
CREATE INDEX sessions_principal ON sessions (principal, session);
CREATE INDEX sessions_unfinished ON sessions (session) WHERE state < 2;
CREATE INDEX sessions_unfinished_principal ON sessions (principal, session) WHERE state < 2;
CREATE INDEX sessions_compactable ON sessions (session) WHERE state >= 2 AND replay_only > 0;

-- With rows in the order of their arrival and an index beside them: clustered by session (WITHOUT ROWID) an append costs twice
-- the CPU, and at 1.5 KB an entry two and a half times the bytes written, since each session has a page of its own.
CREATE TABLE entries (
    session BLOB NOT NULL REFERENCES sessions ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    replay_only INTEGER NOT NULL,
    -- When it was written.
    at INTEGER NOT NULL,
    -- The event as JSON, byte for byte.
    event BLOB NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT;
