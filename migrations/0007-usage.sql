-- What apps tell of their evaluations. Counts are many, are kept for a set time and then let go of by the day, so they
-- have a schema of their own: backups and moves carry `halyard` alone. When a flag was read last stays, and travels.

CREATE SCHEMA IF NOT EXISTS halyard_usage;
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS halyard_usage.counts (
  log_id text NOT NULL,
  -- Empty for what is counted of all flags at once.
  flag text NOT NULL,
  minute timestamptz NOT NULL,
  -- `evaluated`; `fetched`, where `name` is the kind of key; `event`, where `name` is the event's.
  what text NOT NULL,
  name text NOT NULL,
  -- Empty: the code default.
  variant text NOT NULL,
  -- The flag's own revision; 0 where it is not known.
  version bigint NOT NULL,
  app text NOT NULL,
  app_version text NOT NULL,
  count bigint NOT NULL,
  sum double precision NOT NULL,
  PRIMARY KEY (log_id, flag, minute, what, name, variant, version, app, app_version)
) PARTITION BY RANGE (minute);
--> statement-breakpoint
-- Batches that were counted, so that one that comes again is not. Let go of after hours.
CREATE TABLE IF NOT EXISTS halyard_usage.batches (
  log_id text NOT NULL,
  batch text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (log_id, batch)
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS batches_by_time ON halyard_usage.batches (at);
--> statement-breakpoint
CREATE TABLE halyard.flag_reads (
  log_id text NOT NULL,
  flag text NOT NULL,
  variant text NOT NULL,
  app text NOT NULL,
  version text NOT NULL,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  PRIMARY KEY (log_id, flag, variant, app, version)
  -- Only `last_at` is updated, twice a minute: room on the page lets it do so without touching the index.
) WITH (fillfactor = 50);
--> statement-breakpoint
-- Tables of days are made ahead and dropped by whoever comes first each day. The service's role may not make or drop
-- anything, so this is done with the owner's rights, and can reach nothing but whole days of counts.
CREATE OR REPLACE FUNCTION halyard_usage.turn(today date, oldest date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $turn$
DECLARE
  day date;
  old name;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('halyard_usage.turn'));
  FOR day IN SELECT generate_series(greatest(oldest, today - 7), today + 3, interval '1 day')::date LOOP
    IF to_regclass(format('halyard_usage.%I', 'counts_' || to_char(day, 'YYYYMMDD'))) IS NULL THEN
      EXECUTE format(
        'CREATE TABLE halyard_usage.%I PARTITION OF halyard_usage.counts FOR VALUES FROM (%L) TO (%L)',
        'counts_' || to_char(day, 'YYYYMMDD'), to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
    END IF;
  END LOOP;
  FOR old IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'halyard_usage.counts'::regclass AND c.relname < 'counts_' || to_char(oldest, 'YYYYMMDD')
  LOOP
    EXECUTE format('DROP TABLE halyard_usage.%I', old);
  END LOOP;
END $turn$;
