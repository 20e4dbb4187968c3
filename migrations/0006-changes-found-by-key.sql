-- A record is looked up by its revision in every commit: each new version refers to one. Indexes that have a log and a
-- revision with something between them look as cheap for that while the table is small, and a session keeps the plan
-- that it made then: it would go through all of the log's records. `revision > 0` always holds, and keeps them out.

DROP INDEX halyard.changes_by_time;
--> statement-breakpoint
CREATE INDEX changes_by_time ON halyard.changes (log_id, at, revision) WHERE revision > 0;
--> statement-breakpoint
DROP INDEX halyard.changes_by_actor;
--> statement-breakpoint
CREATE INDEX changes_by_actor ON halyard.changes (log_id, actor_id, revision) WHERE revision > 0;
--> statement-breakpoint
DROP INDEX halyard.changes_by_action;
--> statement-breakpoint
CREATE INDEX changes_by_action ON halyard.changes (log_id, action, revision) WHERE revision > 0;
