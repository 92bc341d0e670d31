-- The client that a call goes on for, where that is to be found again.
ALTER TABLE sessions ADD COLUMN client BLOB;

CREATE INDEX sessions_client ON sessions (client, session) WHERE client IS NOT NULL;
