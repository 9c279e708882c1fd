-- Where a node stands, as the ids from its root down: a subtree is a range of an
-- index, to read, to move and to delete, however the codes are written. A path
-- cannot serve, since codes may hold "/" and be longer than an index allows.

-- +goose Up

ALTER TABLE sentinel.resources ADD COLUMN lineage bytea;
COMMENT ON COLUMN sentinel.resources.lineage IS 'The ids from the root down to the node, 16 bytes each. Kept by triggers; what is written to it is ignored. Below a node stand those whose lineage begins with its own.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.lineage_end(p_lineage bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
SELECT p_lineage || '\xffffffffffffffffffffffffffffffffff'::bytea
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.lineage_end(bytea) IS 'What sorts after the lineages of a node''s whole subtree, and before all that follow: longer than any id.';

-- Nobody sees rows that are half filled, nor do triggers take this for writes.
-- +goose StatementBegin
DO $$
BEGIN
    PERFORM set_config('sentinel.scope', 'system', true);
    ALTER TABLE sentinel.resources DISABLE TRIGGER USER;
    WITH RECURSIVE down (id, lineage) AS (
        SELECT id, uuid_send(id)
        FROM sentinel.resources
        WHERE parent_id IS NULL
        UNION ALL
        SELECT r.id, down.lineage || uuid_send(r.id)
        FROM down
        JOIN sentinel.resources r ON r.parent_id = down.id
    )
    UPDATE sentinel.resources r
    SET lineage = down.lineage
    FROM down
    WHERE r.id = down.id;
    ALTER TABLE sentinel.resources ENABLE TRIGGER USER;
END
$$;
-- +goose StatementEnd
ALTER TABLE sentinel.resources
    ALTER COLUMN lineage SET NOT NULL,
    -- 64 steps below a root. It is named as the rule that it replaces.
    ADD CONSTRAINT resources_parent_depth CHECK (octet_length(lineage) BETWEEN 16 AND 1040);

-- With what statistics count, so that they read nothing but the index.
CREATE INDEX resources_lineage_idx ON sentinel.resources (tenant_id, lineage) INCLUDE (type, is_active, workflow_enabled);
-- Children in their order.
CREATE INDEX resources_children_idx ON sentinel.resources (tenant_id, parent_id, code, id);
DROP INDEX sentinel.resources_parent_idx;
-- Whether anything of a type stands below a node, and the list by type.
CREATE INDEX resources_type_lineage_idx ON sentinel.resources (tenant_id, type, lineage) INCLUDE (id);
-- The other orders of the list.
CREATE INDEX resources_name_idx ON sentinel.resources (tenant_id, name, id);
CREATE INDEX resources_code_idx ON sentinel.resources (tenant_id, code, id);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.make_path() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    parent record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.path := OLD.path;
        NEW.lineage := OLD.lineage;
        RETURN NEW;
    END IF;
    NEW.path := NEW.code;
    NEW.lineage := uuid_send(NEW.id);
    IF NEW.parent_id IS NOT NULL THEN
        SELECT path, lineage INTO parent FROM sentinel.resources WHERE tenant_id = NEW.tenant_id AND id = NEW.parent_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no resource % to be the parent', NEW.parent_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'resources_parent_fk', SCHEMA = 'sentinel', TABLE = 'resources';
        END IF;
        NEW.path := parent.path || '/' || NEW.code;
        NEW.lineage := parent.lineage || NEW.lineage;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
DROP TRIGGER make_path ON sentinel.resources;
CREATE TRIGGER make_path_insert BEFORE INSERT ON sentinel.resources
    FOR EACH ROW EXECUTE FUNCTION sentinel.make_path();
-- An update within a trigger is keep_path's.
CREATE TRIGGER make_path_update BEFORE UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION sentinel.make_path();

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.keep_path() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    -- Row by row through the indexes: a plan by hash would read all of the table.
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    AS $$
BEGIN
    -- By the parents and not by what the parents' lineages and paths are so far:
    -- another row of the same statement may be about to change them.
    WITH RECURSIVE up (parent_id, path, lineage, depth) AS (
        SELECT NEW.parent_id, NEW.code, uuid_send(NEW.id), 0
        UNION ALL
        SELECT r.parent_id, r.code || '/' || up.path, uuid_send(r.id) || up.lineage, up.depth + 1
        FROM up
        JOIN sentinel.resources r ON r.tenant_id = NEW.tenant_id AND r.id = up.parent_id
        WHERE up.depth <= 64
    ), down (id, path, lineage) AS (
        SELECT NEW.id, top.path, top.lineage
        FROM (SELECT path, lineage FROM up ORDER BY depth DESC LIMIT 1) top
        UNION ALL
        SELECT r.id, down.path || '/' || r.code, down.lineage || uuid_send(r.id)
        FROM down
        JOIN sentinel.resources r ON r.tenant_id = NEW.tenant_id AND r.parent_id = down.id
    )
    UPDATE sentinel.resources r
    SET path = down.path, lineage = down.lineage
    FROM down
    WHERE r.tenant_id = NEW.tenant_id
    AND r.id = down.id
    AND (r.path, r.lineage) IS DISTINCT FROM (down.path, down.lineage);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.keep_path() IS 'After a node was moved or its code changed: writes path and lineage of its whole subtree in one statement.';
DROP TRIGGER keep_path ON sentinel.resources;
CREATE TRIGGER keep_path AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id OR NEW.code <> OLD.code OR NEW.id <> OLD.id)
    EXECUTE FUNCTION sentinel.keep_path();

-- +goose StatementBegin
CREATE FUNCTION sentinel.check_node_parent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    -- In system scope the statement has no tenant to be locked by.
    PERFORM FROM sentinel.policy_revision WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    IF EXISTS (
        WITH RECURSIVE up (id, depth) AS (
            SELECT NEW.parent_id, 1
            UNION ALL
            SELECT r.parent_id, up.depth + 1
            FROM up
            JOIN sentinel.resources r ON r.tenant_id = NEW.tenant_id AND r.id = up.id
            WHERE up.id <> NEW.id AND up.depth <= 64
        )
        SELECT FROM up WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'resource % would be its own ancestor', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resources_parent_no_cycle', SCHEMA = 'sentinel', TABLE = 'resources';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.check_node_parent() IS 'Refuses cycles, as check_parent does elsewhere; how deep a tree is the lineage says. A new node has nothing below it and so closes none.';
DROP TRIGGER check_parent_insert ON sentinel.resources;
DROP TRIGGER check_parent_update ON sentinel.resources;
-- Named so that it fires before keep_path, which needs an end.
CREATE TRIGGER check_parent_update AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION sentinel.check_node_parent();

-- A table's name is of type name and compares by another collation than the
-- index of search_entries has: compared with it, all entries of the tenant are
-- read for each that is changed. So it is made a text first.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.search_entry_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    text_now text;
    changed_kind text := TG_TABLE_NAME;
BEGIN
    EXECUTE format('SELECT lower(concat_ws(chr(31), %s)) FROM (SELECT ($1).*) new_row', TG_ARGV[0]) INTO text_now USING NEW;
    UPDATE sentinel.search_entries
    SET tenant_id = NEW.tenant_id, object_id = NEW.id, haystack = text_now
    WHERE tenant_id = OLD.tenant_id
    AND kind = changed_kind
    AND object_id = OLD.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.search_entry_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    removed_kind text := TG_TABLE_NAME;
BEGIN
    DELETE FROM sentinel.search_entries e
    USING old_rows o
    WHERE e.tenant_id = o.tenant_id
    AND e.kind = removed_kind
    AND e.object_id = o.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sentinel.lineage_end(bytea) TO sentinel_app;

-- +goose Down

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.search_entry_changed() RETURNS trigger
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
CREATE OR REPLACE FUNCTION sentinel.search_entry_removed() RETURNS trigger
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
DROP TRIGGER check_parent_update ON sentinel.resources;
DROP FUNCTION sentinel.check_node_parent();
CREATE TRIGGER check_parent_insert AFTER INSERT ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION sentinel.check_parent('parent_id');
CREATE TRIGGER check_parent_update AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION sentinel.check_parent('parent_id');
DROP TRIGGER keep_path ON sentinel.resources;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.keep_path() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    WITH RECURSIVE up (parent_id, path, depth) AS (
        SELECT NEW.parent_id, NEW.code, 0
        UNION ALL
        SELECT r.parent_id, r.code || '/' || up.path, up.depth + 1
        FROM up
        JOIN sentinel.resources r ON r.tenant_id = NEW.tenant_id AND r.id = up.parent_id
        WHERE up.depth <= 64
    ), down (id, path) AS (
        SELECT NEW.id, (SELECT path FROM up ORDER BY depth DESC LIMIT 1)
        UNION ALL
        SELECT r.id, down.path || '/' || r.code
        FROM down
        JOIN sentinel.resources r ON r.tenant_id = NEW.tenant_id AND r.parent_id = down.id
    )
    UPDATE sentinel.resources r
    SET path = down.path
    FROM down
    WHERE r.tenant_id = NEW.tenant_id
    AND r.id = down.id
    AND r.path <> down.path;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keep_path AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id OR NEW.code <> OLD.code)
    EXECUTE FUNCTION sentinel.keep_path();
COMMENT ON FUNCTION sentinel.keep_path() IS 'After a node was moved or its code changed: writes the paths of its whole subtree in one statement.';
DROP TRIGGER make_path_update ON sentinel.resources;
DROP TRIGGER make_path_insert ON sentinel.resources;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.make_path() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    parent_path text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- An update within a trigger is keep_path's.
        IF pg_trigger_depth() = 1 THEN
            NEW.path := OLD.path;
        END IF;
        RETURN NEW;
    END IF;
    NEW.path := NEW.code;
    IF NEW.parent_id IS NOT NULL THEN
        SELECT path INTO parent_path FROM sentinel.resources WHERE tenant_id = NEW.tenant_id AND id = NEW.parent_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no resource % to be the parent', NEW.parent_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'resources_parent_fk', SCHEMA = 'sentinel', TABLE = 'resources';
        END IF;
        NEW.path := parent_path || '/' || NEW.code;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER make_path BEFORE INSERT OR UPDATE ON sentinel.resources
    FOR EACH ROW EXECUTE FUNCTION sentinel.make_path();
DROP INDEX sentinel.resources_code_idx;
DROP INDEX sentinel.resources_name_idx;
DROP INDEX sentinel.resources_type_lineage_idx;
CREATE INDEX resources_parent_idx ON sentinel.resources (tenant_id, parent_id);
DROP INDEX sentinel.resources_children_idx;
DROP INDEX sentinel.resources_lineage_idx;
ALTER TABLE sentinel.resources DROP COLUMN lineage;
DROP FUNCTION sentinel.lineage_end(bytea);
