-- depends: 0020_callers_tenant
-- Sessions that ended before their access tokens do: `subject` is `sid:<session>` or `sub:<user>`. A row is needed until
-- the last token that was made before `ended_at` has expired.
CREATE TABLE ended_sessions (
  subject text PRIMARY KEY,
  ended_at timestamptz NOT NULL,
  kept_until timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ended_sessions TO stoa_worker;
