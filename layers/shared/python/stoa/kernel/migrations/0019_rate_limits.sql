-- depends: 0017_archive_histories
-- Token buckets of the HTTP API. `full_at` is when a bucket will be full again (the theoretical arrival time of GCRA,
-- ITU-T I.371), so that a row in the past says as much as none.
-- UNLOGGED, because no request should wait for the disk here: a crash empties the table, which fills every bucket.
CREATE UNLOGGED TABLE rate_limits (
  bucket text PRIMARY KEY,
  full_at timestamptz NOT NULL
) WITH (fillfactor = 50);  -- the versions of a busy row stay on its page
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO stoa_worker;

-- Takes one token from each bucket, or from none when one of them has none left. A token comes back every `spacing`, at
-- most `burst` are there. Each row says whether that bucket had one, and how long it needs now to be full again.
-- Callers name their buckets in one order (tenant, then user), so that no two of them wait for each other.
CREATE FUNCTION take_tokens(buckets text[], spacings interval[], bursts int[])
RETURNS TABLE (fits boolean, full_in_s double precision) LANGUAGE plpgsql AS $$
DECLARE
  known timestamptz;
  held timestamptz[];
  lacking interval[];
  at timestamptz;
  granted boolean := true;
BEGIN
  FOR i IN 1 .. cardinality(buckets) LOOP
    LOOP
      SELECT full_at INTO known FROM rate_limits WHERE bucket = buckets[i] FOR UPDATE;
      EXIT WHEN FOUND;
      INSERT INTO rate_limits VALUES (buckets[i], clock_timestamp()) ON CONFLICT DO NOTHING;
    END LOOP;
    held[i] := known;
  END LOOP;
  at := clock_timestamp();  -- not before the locks: what others took while we waited is in the past
  FOR i IN 1 .. cardinality(buckets) LOOP
    -- a clock that went back leaves a bucket at most empty
    lacking[i] := least(greatest(held[i] - at, interval '0'), bursts[i] * spacings[i]);
    granted := granted AND lacking[i] + spacings[i] <= bursts[i] * spacings[i];
  END LOOP;
  FOR i IN 1 .. cardinality(buckets) LOOP
    fits := lacking[i] + spacings[i] <= bursts[i] * spacings[i];
    IF granted THEN
      lacking[i] := lacking[i] + spacings[i];
    END IF;
    IF granted OR held[i] > at + lacking[i] THEN
      UPDATE rate_limits SET full_at = at + lacking[i] WHERE bucket = buckets[i];
    END IF;
    full_in_s := extract(epoch FROM lacking[i]);
    RETURN NEXT;
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION take_tokens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_tokens TO stoa_worker;
