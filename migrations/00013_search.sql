-- What lists are searched by. Under row-level security PostgreSQL may not ask a
-- trigram index about ILIKE, since the operator could tell of rows that the
-- policy hides. So the texts have a table of their own, which nobody but the
-- owner reads, and a function that reads it for one tenant.

-- +goose Up

CREATE TABLE sentinel.search_entries (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    object_id uuid NOT NULL,
    haystack text NOT NULL,
    CONSTRAINT search_entries_pkey PRIMARY KEY (tenant_id, kind, object_id),
    CONSTRAINT search_entries_kind_known CHECK (kind IN ('users', 'roles', 'groups', 'resources', 'permissions')),
    CONSTRAINT search_entries_haystack_length CHECK (char_length(haystack) <= 10000)
);
COMMENT ON TABLE sentinel.search_entries IS 'RLS exempt: the server''s role has no privilege on it and reads it through search(), which filters by the transaction''s tenant. Kept by triggers, which also remove what is deleted: without foreign keys, since those would look once more.';
COMMENT ON COLUMN sentinel.search_entries.haystack IS 'The columns that are searched, in lower case, with the unit separator (31) between them.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.create_search_index() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    home name;
BEGIN
    -- Both are trusted: who may create schemas may create them, where they are
    -- installed. In public, where there is one already they stay where they are.
    CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
    CREATE EXTENSION IF NOT EXISTS btree_gin SCHEMA public;
    SELECT n.nspname INTO STRICT home
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_trgm';
    -- A short list of pending entries, since every search reads all of it.
    EXECUTE format($index$
        CREATE INDEX IF NOT EXISTS search_entries_haystack_idx ON sentinel.search_entries
            USING gin (tenant_id, kind, haystack %I.gin_trgm_ops) WITH (gin_pending_list_limit = 256)
    $index$, home);
    RETURN true;
EXCEPTION
    WHEN insufficient_privilege OR feature_not_supported OR undefined_file OR undefined_object OR invalid_schema_name THEN
        RAISE NOTICE 'searches read all of a tenant''s entries, by the primary key: %', SQLERRM
            USING HINT = 'Install pg_trgm and btree_gin, then as the owner run: SELECT sentinel.create_search_index();';
        RETURN false;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.create_search_index() IS 'Makes the trigram index of search_entries and says whether it could. Without it searches are right, but take time by the tenant''s size. For the owner, who may repeat it.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_entry_added() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    -- The trigger's argument is a list of columns, written by a migration.
    EXECUTE format($insert$
        INSERT INTO sentinel.search_entries (tenant_id, kind, object_id, haystack)
        SELECT tenant_id, %L, id, lower(concat_ws(chr(31), %s)) FROM new_rows
    $insert$, TG_TABLE_NAME, TG_ARGV[0]);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_entry_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    text_now text;
BEGIN
    EXECUTE format('SELECT lower(concat_ws(chr(31), %s)) FROM (SELECT ($1).*) new_row', TG_ARGV[0]) INTO text_now USING NEW;
    UPDATE sentinel.search_entries
    SET tenant_id = NEW.tenant_id, object_id = NEW.id, haystack = text_now
    WHERE tenant_id = OLD.tenant_id
    AND kind = TG_TABLE_NAME
    AND object_id = OLD.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_entry_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    DELETE FROM sentinel.search_entries e
    USING old_rows o
    WHERE e.tenant_id = o.tenant_id
    AND e.kind = TG_TABLE_NAME
    AND e.object_id = o.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.search(p_kind text, p_text text) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER ROWS 20
    SET search_path = pg_catalog, sentinel, pg_temp
    -- Each text has a plan of its own: a rare one reads the index, a short one
    -- the tenant's entries.
    SET plan_cache_mode = force_custom_plan
    AS $$
DECLARE
    tenant uuid := sentinel.current_tenant();
    pattern text := '%' || replace(replace(replace(lower(p_text), E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%';
BEGIN
    -- No text holds the separator: it would be found across columns.
    IF tenant IS NULL OR position(chr(31) IN p_text) > 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT e.object_id
    FROM sentinel.search_entries e
    WHERE e.tenant_id = tenant
    AND e.kind = p_kind
    AND e.haystack LIKE pattern;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.search(text, text) IS 'The ids of the transaction''s tenant''s objects of which a searched column contains the text, whatever the case. The text has no wildcards. kind is the name of the table.';

-- +goose StatementBegin
DO $$
DECLARE
    searched record;
BEGIN
    PERFORM set_config('sentinel.scope', 'system', true);
    FOR searched IN
        SELECT *
        FROM (VALUES
            ('users', ARRAY['email', 'username', 'display_name', 'external_id', 'description']),
            ('roles', ARRAY['name', 'display_name', 'description']),
            ('groups', ARRAY['name', 'display_name', 'description']),
            ('resources', ARRAY['name', 'code']),
            ('permissions', ARRAY['name'])) v (table_name, columns)
    LOOP
        EXECUTE format($triggers$
            CREATE TRIGGER search_insert AFTER INSERT ON sentinel.%1$I REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION sentinel.search_entry_added(%2$L);
            -- By row, since only so a condition keeps the trigger away from all
            -- other updates: logins count, trees move.
            CREATE TRIGGER search_update AFTER UPDATE ON sentinel.%1$I
                FOR EACH ROW WHEN ((OLD.tenant_id, OLD.id, %3$s) IS DISTINCT FROM (NEW.tenant_id, NEW.id, %4$s))
                EXECUTE FUNCTION sentinel.search_entry_changed(%2$L);
            CREATE TRIGGER search_delete AFTER DELETE ON sentinel.%1$I REFERENCING OLD TABLE AS old_rows
                FOR EACH STATEMENT EXECUTE FUNCTION sentinel.search_entry_removed();
            INSERT INTO sentinel.search_entries (tenant_id, kind, object_id, haystack)
            SELECT tenant_id, %1$L, id, lower(concat_ws(chr(31), %2$s)) FROM sentinel.%1$I
        $triggers$, searched.table_name, array_to_string(searched.columns, ', '),
            'OLD.' || array_to_string(searched.columns, ', OLD.'), 'NEW.' || array_to_string(searched.columns, ', NEW.'));
    END LOOP;
    PERFORM sentinel.create_search_index();
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sentinel.search(text, text) TO sentinel_app;

-- +goose Down

-- The extensions stay: others may use them.
-- +goose StatementBegin
DO $$
DECLARE
    searched text;
BEGIN
    FOREACH searched IN ARRAY ARRAY['users', 'roles', 'groups', 'resources', 'permissions'] LOOP
        EXECUTE format('DROP TRIGGER search_insert ON sentinel.%1$I; DROP TRIGGER search_update ON sentinel.%1$I; DROP TRIGGER search_delete ON sentinel.%1$I', searched);
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP FUNCTION sentinel.search(text, text);
DROP FUNCTION sentinel.search_entry_removed();
DROP FUNCTION sentinel.search_entry_changed();
DROP FUNCTION sentinel.search_entry_added();
DROP FUNCTION sentinel.create_search_index();
DROP TABLE sentinel.search_entries;
