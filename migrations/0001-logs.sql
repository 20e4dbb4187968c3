-- The append-only logs: one row a log, every version of every document, one change record a revision and log.
-- Nothing here is ever deleted; a version is closed by `superseded_at_revision`, and that alone is updated.

CREATE TABLE halyard.logs (
  id text PRIMARY KEY,
  parent_id text REFERENCES halyard.logs (id),
  kind text NOT NULL CHECK (kind IN ('system', 'project', 'environment')),
  -- Keys as the wire carries them; empty where the log has none.
  project text NOT NULL,
  environment text NOT NULL,
  -- Unix second at which this line of revisions was opened.
  epoch bigint NOT NULL,
  revision bigint NOT NULL,
  -- Hash of the newest change record; empty before the first.
  head_hash text NOT NULL,
  -- Bytes of the texts of all current entries.
  bytes bigint NOT NULL,
  -- Sum modulo 2^32 of the digests of all current entries, as the wire's.
  digest bigint NOT NULL,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz
  -- Each commit updates a log's row: room on the page lets it do so without touching an index.
) WITH (fillfactor = 50);
--> statement-breakpoint
CREATE INDEX logs_by_parent ON halyard.logs (parent_id);
--> statement-breakpoint
CREATE TABLE halyard.changes (
  log_id text NOT NULL REFERENCES halyard.logs (id),
  revision bigint NOT NULL,
  epoch bigint NOT NULL,
  -- Shared by the records of one commit.
  change_id text NOT NULL,
  actor_kind text NOT NULL,
  actor_id text NOT NULL,
  actor_name text NOT NULL,
  action text NOT NULL,
  comment text,
  at timestamptz NOT NULL,
  -- What a repeated request is recognised by.
  idempotency_key text,
  request_digest text,
  -- Canonical JSON: [kind, key, digest or null where removed], sorted. The chain covers digests, never texts.
  documents text NOT NULL,
  -- SHA-256 in hex; `previous_hash` is empty in a log's first record.
  previous_hash text NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (log_id, revision)
);
--> statement-breakpoint
CREATE UNIQUE INDEX changes_by_idempotency_key ON halyard.changes (log_id, actor_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
--> statement-breakpoint
CREATE INDEX changes_by_change ON halyard.changes (change_id);
--> statement-breakpoint
CREATE TABLE halyard.entries (
  log_id text NOT NULL,
  kind text NOT NULL,
  key text NOT NULL,
  -- The revision that wrote this version.
  revision bigint NOT NULL,
  -- The revision that wrote the next version; null for the current one.
  superseded_at_revision bigint,
  -- Canonical JSON (RFC 8785). Null in a version that removes.
  text text,
  -- SHA-256 of the text, in hex. Null in a version that removes, and only there.
  digest text,
  PRIMARY KEY (log_id, kind, key, revision),
  FOREIGN KEY (log_id, revision) REFERENCES halyard.changes (log_id, revision)
);
--> statement-breakpoint
CREATE UNIQUE INDEX entries_current ON halyard.entries (log_id, kind, key) WHERE superseded_at_revision IS NULL;
--> statement-breakpoint
-- `revision > 0` always holds. It keeps the planner from taking this index for a lookup by kind and key, which,
-- without statistics, looks as cheap as by the index above and goes through the whole log.
CREATE INDEX entries_newer ON halyard.entries (log_id, revision)
  WHERE superseded_at_revision IS NULL AND revision > 0;
