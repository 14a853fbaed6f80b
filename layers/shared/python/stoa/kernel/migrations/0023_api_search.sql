-- depends: 0022_api_changes
-- What an API says of itself and the operations of its document, both from its events, and the words of them.
ALTER TABLE apis
  ADD COLUMN display_name text NOT NULL DEFAULT '',
  ADD COLUMN description text NOT NULL DEFAULT '',
  ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
  ADD COLUMN owner text,
  ADD COLUMN version text,
  ADD COLUMN operations text NOT NULL DEFAULT '';

-- The words of a text: without accents, each name whole and in its parts (getPetById is getpetbyid, get, pet, by and
-- id), its first 60 characters. Whatever the server's locale; catalog/model.py makes the words of a question alike.
CREATE FUNCTION without_accents(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN regexp_replace(normalize(said, NFKD), '[\u0300-\u036f]', '', 'g') COLLATE "C";
CREATE FUNCTION with_parts(plain text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN plain || ' ' || regexp_replace(regexp_replace(plain COLLATE "C", '([a-z0-9])([A-Z])', '\1 \2', 'g'),
    '([A-Z])([A-Z][a-z])', '\1 \2', 'g');
CREATE FUNCTION search_words(said text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_to_tsvector(string_to_array(btrim(regexp_replace(regexp_replace(
    lower(with_parts(without_accents(said)) COLLATE "C"), '[^a-z0-9\u00c0-\u1fff\u2c00-\u2dff\u3040-\uffff]+', ' ', 'g'),
    '([^ ]{60})[^ ]+', '\1', 'g')), ' '));
-- array_to_string is not immutable for every type of array; of texts it is
CREATE FUNCTION as_text(words text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_to_string(words, ' ');

-- each holds what the one before holds, so that the first in which all words are found is the rank
ALTER TABLE apis
  ADD COLUMN name_words tsvector GENERATED ALWAYS AS (search_words(api || ' ' || display_name)) STORED,
  ADD COLUMN about_words tsvector GENERATED ALWAYS AS (search_words(api || ' ' || display_name || ' ' || description
    || ' ' || as_text(tags) || ' ' || coalesce(owner, ''))) STORED,
  ADD COLUMN every_word tsvector GENERATED ALWAYS AS (search_words(api || ' ' || display_name || ' ' || description
    || ' ' || as_text(tags) || ' ' || coalesce(owner, '') || ' ' || operations)) STORED;
CREATE INDEX apis_name_words ON apis USING gin (name_words) WITH (fastupdate = off);
CREATE INDEX apis_about_words ON apis USING gin (about_words) WITH (fastupdate = off);
CREATE INDEX apis_every_word ON apis USING gin (every_word) WITH (fastupdate = off);

-- the versions of an API, the newest first
CREATE INDEX deployments_of_api ON deployments (tenant, api, id DESC);

-- Whether an API is serving somewhere, nowhere (idle), or its newest result somewhere is a failure (failed).
CREATE FUNCTION api_is(of_tenant text, of_api text, state text) RETURNS boolean LANGUAGE sql STABLE
  RETURN CASE state
    WHEN 'failed' THEN EXISTS (SELECT FROM public.api_status AS s WHERE s.tenant = of_tenant AND s.api = of_api
      AND s.status = 'failed')
    ELSE (state = 'serving') = EXISTS (SELECT FROM public.api_status AS s WHERE s.tenant = of_tenant
      AND s.api = of_api AND s.serving_deployment_id IS NOT NULL) END;

-- Under row-level security no index of words is used: @@ could give away what it looks at. So the names of what is
-- found come from a role that sees all rows, under conditions of its own that hold the caller to his tenant, and
-- whoever asks reads the rows of these names himself, under his own policies. See docs/adr/0015-the-search-finds-names.md
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stoa_search') THEN CREATE ROLE stoa_search; END IF;
END $$;
CREATE POLICY search ON apis FOR SELECT TO stoa_search USING (true);
CREATE POLICY search ON api_status FOR SELECT TO stoa_search USING (true);
GRANT SELECT ON apis, api_status TO stoa_search;

-- matched: 1 all words are in its name, 2 in what is said of it, 3 in its operations as well. The best come first, by
-- name; after_ are those of the last one that was read.
CREATE FUNCTION search_apis(asked tsquery, only_tenant text, only_tag text, only_owner text, only_state text,
    after_matched int, after_tenant text, after_api text, at_most int)
  RETURNS TABLE (matched int, found_tenant text, found_api text)
  LANGUAGE plpgsql STABLE ROWS 50 SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  caller CONSTANT text := nullif(current_setting('app.caller', true), '');
  wanted int := at_most;
  had int;
BEGIN
  FOR level IN coalesce(after_matched, 1) .. 3 LOOP
    RETURN QUERY
      SELECT level, a.tenant, a.api FROM apis AS a
      WHERE a.deleted_at IS NULL
        AND (caller IS NULL OR a.tenant = caller)
        AND (only_tenant IS NULL OR a.tenant = only_tenant)
        AND CASE level WHEN 1 THEN a.name_words @@ asked
          WHEN 2 THEN a.about_words @@ asked AND NOT a.name_words @@ asked
          ELSE a.every_word @@ asked AND NOT a.about_words @@ asked END
        AND (only_tag IS NULL OR only_tag = ANY (a.tags))
        AND (only_owner IS NULL OR a.owner = only_owner)
        AND (only_state IS NULL OR api_is(a.tenant, a.api, only_state))
        AND (after_matched IS DISTINCT FROM level OR (a.tenant, a.api) > (after_tenant, after_api))
      ORDER BY a.tenant, a.api LIMIT wanted;
    GET DIAGNOSTICS had = ROW_COUNT;
    wanted := wanted - had;
    EXIT WHEN wanted <= 0;
  END LOOP;
END $$;
GRANT stoa_search TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO stoa_search;
ALTER FUNCTION search_apis OWNER TO stoa_search;
REVOKE CREATE ON SCHEMA public FROM stoa_search;
REVOKE ALL ON FUNCTION search_apis FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_apis TO stoa_admin_read;
