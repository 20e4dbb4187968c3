-- What verification needs to tell erasing and compacting from tampering: a text that is not the one that was written
-- leads to the record that says so.

ALTER TABLE halyard.entries
  -- The revision whose record lists the redaction that `redacted_digest` is of.
  ADD COLUMN redacted_at_revision bigint;
--> statement-breakpoint
ALTER TABLE halyard.changes
  -- Where texts of old versions were dropped: canonical JSON {before, keep, versions, bytes}.
  ADD COLUMN compaction text;
--> statement-breakpoint
CREATE INDEX changes_compactions ON halyard.changes (log_id, revision) WHERE compaction IS NOT NULL;
