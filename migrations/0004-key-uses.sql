-- When each key was used last, by which version of which app. No log: rows are overwritten, and pruned.

CREATE TABLE halyard.key_uses (
  key_id text NOT NULL,
  -- As requests tell (`Halyard-App`, `Halyard-SDK`), cleaned; empty where they do not.
  app text NOT NULL,
  version text NOT NULL,
  sdk text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (key_id, app, version, sdk)
  -- Only `at` is ever updated, every half minute: room on the page lets it do so without touching the index.
) WITH (fillfactor = 50);
--> statement-breakpoint
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'halyard_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON halyard.key_uses TO halyard_app;
  END IF;
END $$;
