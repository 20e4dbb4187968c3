-- What questions about the past need: a log's time that never goes back, records found by time and by actor, what a
-- repeated request is answered from, and the marks of versions whose text was erased.

ALTER TABLE halyard.logs
  -- Time of the newest change record; no later record of the log has an earlier one. Null: not known, take any.
  ADD COLUMN changed_at timestamptz;
--> statement-breakpoint
UPDATE halyard.logs SET changed_at = (
  SELECT at FROM halyard.changes WHERE log_id = logs.id AND revision = logs.revision LIMIT 1
);
--> statement-breakpoint
ALTER TABLE halyard.changes
  -- With an idempotency key: canonical JSON {log: revision} of what the commit locked, as it was before it.
  ADD COLUMN locked text,
  -- Where a person was erased: canonical JSON [kind, key, revision, digest of the redacted text], sorted.
  ADD COLUMN redactions text;
--> statement-breakpoint
CREATE INDEX changes_by_time ON halyard.changes (log_id, at, revision);
--> statement-breakpoint
CREATE INDEX changes_by_actor ON halyard.changes (log_id, actor_id, revision);
--> statement-breakpoint
ALTER TABLE halyard.entries
  -- SHA-256 of a text that was redacted after it was written; `digest` stays that of what was written.
  ADD COLUMN redacted_digest text;
