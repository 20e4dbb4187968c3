-- What instances tell each other where there is no Redis to tell it in: rows that are overwritten, and worthless after
-- seconds, so that nothing is lost with them.
CREATE UNLOGGED TABLE halyard.notices (
  board text NOT NULL,
  name text NOT NULL,
  text text NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (board, name)
) WITH (fillfactor = 50);
--> statement-breakpoint
-- How far each kill came: beside the history, and no part of its chain.
CREATE TABLE halyard.kill_reports (
  log_id text NOT NULL,
  kill_id text NOT NULL,
  -- The revision that recorded the kill.
  revision bigint NOT NULL,
  report text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (log_id, kill_id)
);
--> statement-breakpoint
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'halyard_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON halyard.notices TO halyard_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON halyard.kill_reports TO halyard_app;
  END IF;
END $$;
