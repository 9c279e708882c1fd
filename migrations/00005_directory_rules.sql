-- What foreign keys and checks cannot say of the directory.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION sentinel.lock_current_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    PERFORM FROM sentinel.policy_revision WHERE tenant_id = sentinel.current_tenant() FOR UPDATE;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.lock_current_tenant() IS 'Before rows are locked: two writers that each see a hierarchy without the other''s change could close a cycle together, and would meet at the tenant''s counter in the end anyway.';
CREATE TRIGGER lock_current_tenant BEFORE INSERT OR UPDATE OR DELETE ON sentinel.resources
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.lock_current_tenant();
CREATE TRIGGER lock_current_tenant BEFORE INSERT OR UPDATE OR DELETE ON sentinel.roles
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.lock_current_tenant();
CREATE TRIGGER lock_current_tenant BEFORE INSERT OR UPDATE OR DELETE ON sentinel.groups
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.lock_current_tenant();

-- +goose StatementBegin
CREATE FUNCTION sentinel.check_parent() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    most CONSTANT integer := 64;
    parent_column text := TG_ARGV[0];
    above integer;
    below integer := 0;
    cyclic boolean;
BEGIN
    -- In system scope the statement has no tenant to be locked by.
    PERFORM FROM sentinel.policy_revision WHERE tenant_id = NEW.tenant_id FOR UPDATE;
    EXECUTE format($query$
        WITH RECURSIVE up (id, depth) AS (
            SELECT %1$I, 1 FROM %2$s WHERE tenant_id = $1 AND id = $2 AND %1$I IS NOT NULL
            UNION ALL
            SELECT t.%1$I, up.depth + 1
            FROM up
            JOIN %2$s t ON t.tenant_id = $1 AND t.id = up.id
            WHERE t.%1$I IS NOT NULL AND up.id <> $2 AND up.depth <= $3
        )
        SELECT COALESCE(max(depth), 0), COALESCE(bool_or(id = $2), false) FROM up
    $query$, parent_column, TG_RELID::regclass)
    INTO above, cyclic
    USING NEW.tenant_id, NEW.id, most;
    IF cyclic THEN
        RAISE EXCEPTION '% % would be its own ancestor', TG_TABLE_NAME, NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_parent_no_cycle', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        EXECUTE format($query$
            WITH RECURSIVE down (id, depth) AS (
                SELECT $2::uuid, 0
                UNION ALL
                SELECT t.id, down.depth + 1
                FROM down
                JOIN %2$s t ON t.tenant_id = $1 AND t.%1$I = down.id
                WHERE down.depth <= $3
            )
            SELECT max(depth) FROM down
        $query$, parent_column, TG_RELID::regclass)
        INTO below
        USING NEW.tenant_id, NEW.id, most;
    END IF;
    IF above + below > most THEN
        RAISE EXCEPTION 'a path of % would be longer than % steps', TG_TABLE_NAME, most
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_parent_depth', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.check_parent() IS 'Refuses cycles and paths of more than 64 steps. Runs after the rows of the statement are written, so that it judges them together.';
CREATE TRIGGER check_parent_insert AFTER INSERT ON sentinel.roles
    FOR EACH ROW WHEN (NEW.parent_role_id IS NOT NULL) EXECUTE FUNCTION sentinel.check_parent('parent_role_id');
CREATE TRIGGER check_parent_update AFTER UPDATE ON sentinel.roles
    FOR EACH ROW WHEN (NEW.parent_role_id IS NOT NULL AND NEW.parent_role_id IS DISTINCT FROM OLD.parent_role_id)
    EXECUTE FUNCTION sentinel.check_parent('parent_role_id');
CREATE TRIGGER check_parent_insert AFTER INSERT ON sentinel.groups
    FOR EACH ROW WHEN (NEW.parent_group_id IS NOT NULL) EXECUTE FUNCTION sentinel.check_parent('parent_group_id');
CREATE TRIGGER check_parent_update AFTER UPDATE ON sentinel.groups
    FOR EACH ROW WHEN (NEW.parent_group_id IS NOT NULL AND NEW.parent_group_id IS DISTINCT FROM OLD.parent_group_id)
    EXECUTE FUNCTION sentinel.check_parent('parent_group_id');
-- Named so that they fire before keep_path, which needs an end.
CREATE TRIGGER check_parent_insert AFTER INSERT ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION sentinel.check_parent('parent_id');
CREATE TRIGGER check_parent_update AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION sentinel.check_parent('parent_id');

-- +goose StatementBegin
CREATE FUNCTION sentinel.make_path() RETURNS trigger
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

-- +goose StatementBegin
CREATE FUNCTION sentinel.keep_path() RETURNS trigger
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
COMMENT ON FUNCTION sentinel.keep_path() IS 'After a node was moved or its code changed: writes the paths of its whole subtree in one statement.';
CREATE TRIGGER keep_path AFTER UPDATE ON sentinel.resources
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id OR NEW.code <> OLD.code)
    EXECUTE FUNCTION sentinel.keep_path();

-- +goose StatementBegin
CREATE FUNCTION sentinel.check_role_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    platform CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    role_name text;
    role_type text;
BEGIN
    SELECT name, type INTO role_name, role_type
    FROM sentinel.roles
    WHERE tenant_id = NEW.role_tenant_id AND id = NEW.role_id;
    IF NOT FOUND THEN
        RETURN NULL; -- the foreign key says it
    END IF;
    IF role_type = 'system' AND role_name = 'super_admin' AND NEW.tenant_id <> platform THEN
        RAISE EXCEPTION 'super_admin can be held in the platform tenant only'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_super_admin_in_platform', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    IF NEW.role_tenant_id = NEW.tenant_id OR role_type = 'system' THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT FROM sentinel.tenant_ancestors
        WHERE tenant_id = NEW.tenant_id AND ancestor_id = NEW.role_tenant_id AND inherits
    ) THEN
        RAISE EXCEPTION 'role % is of a tenant from which nothing is inherited', NEW.role_id
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_role_tenant', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_role_tenant AFTER INSERT OR UPDATE OF tenant_id, role_id, role_tenant_id ON sentinel.user_roles
    FOR EACH ROW EXECUTE FUNCTION sentinel.check_role_tenant();
CREATE TRIGGER check_role_tenant AFTER INSERT OR UPDATE OF tenant_id, role_id, role_tenant_id ON sentinel.group_roles
    FOR EACH ROW EXECUTE FUNCTION sentinel.check_role_tenant();

-- +goose StatementBegin
CREATE FUNCTION sentinel.guard_system_role() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    roles_touched uuid[];
    refused boolean := false;
    constraint_name text := TG_TABLE_NAME || '_system_immutable';
BEGIN
    IF sentinel.is_owner_migrating(TG_RELID) THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_TABLE_NAME = 'roles' THEN
        refused := (TG_OP <> 'INSERT' AND OLD.type = 'system') OR (TG_OP <> 'DELETE' AND NEW.type = 'system');
        IF NOT refused AND TG_OP <> 'DELETE' THEN
            roles_touched := ARRAY[NEW.parent_role_id];
            constraint_name := 'roles_parent_not_system';
        END IF;
    ELSIF TG_TABLE_NAME = 'role_permissions' THEN
        roles_touched := CASE TG_OP
            WHEN 'INSERT' THEN ARRAY[NEW.role_id]
            WHEN 'DELETE' THEN ARRAY[OLD.role_id]
            ELSE ARRAY[OLD.role_id, NEW.role_id]
        END;
    ELSE
        SELECT array_agg(role_id) INTO roles_touched
        FROM sentinel.role_permissions
        WHERE tenant_id = OLD.tenant_id AND permission_id = OLD.id;
    END IF;
    IF refused OR EXISTS (
        SELECT FROM sentinel.roles
        WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND id = ANY (roles_touched) AND type = 'system'
    ) THEN
        RAISE EXCEPTION 'system roles and what belongs to them are changed by migrations only'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = constraint_name, SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.guard_system_role() IS 'System roles exist once, parent no custom role, and only migrations make or change them and their permissions.';
CREATE TRIGGER guard_system_role_insert BEFORE INSERT ON sentinel.roles
    FOR EACH ROW WHEN (NEW.tenant_id = '00000000-0000-0000-0000-000000000000') EXECUTE FUNCTION sentinel.guard_system_role();
CREATE TRIGGER guard_system_role BEFORE UPDATE OR DELETE ON sentinel.roles
    FOR EACH ROW WHEN (OLD.tenant_id = '00000000-0000-0000-0000-000000000000') EXECUTE FUNCTION sentinel.guard_system_role();
CREATE TRIGGER guard_system_role_insert BEFORE INSERT ON sentinel.role_permissions
    FOR EACH ROW WHEN (NEW.tenant_id = '00000000-0000-0000-0000-000000000000') EXECUTE FUNCTION sentinel.guard_system_role();
CREATE TRIGGER guard_system_role BEFORE UPDATE OR DELETE ON sentinel.role_permissions
    FOR EACH ROW WHEN (OLD.tenant_id = '00000000-0000-0000-0000-000000000000') EXECUTE FUNCTION sentinel.guard_system_role();
CREATE TRIGGER guard_system_role BEFORE UPDATE OR DELETE ON sentinel.permissions
    FOR EACH ROW WHEN (OLD.tenant_id = '00000000-0000-0000-0000-000000000000') EXECUTE FUNCTION sentinel.guard_system_role();

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TRIGGER guard_system_role ON sentinel.permissions;
DROP TRIGGER guard_system_role ON sentinel.role_permissions;
DROP TRIGGER guard_system_role_insert ON sentinel.role_permissions;
DROP TRIGGER guard_system_role ON sentinel.roles;
DROP TRIGGER guard_system_role_insert ON sentinel.roles;
DROP FUNCTION sentinel.guard_system_role();
DROP TRIGGER check_role_tenant ON sentinel.group_roles;
DROP TRIGGER check_role_tenant ON sentinel.user_roles;
DROP FUNCTION sentinel.check_role_tenant();
DROP TRIGGER keep_path ON sentinel.resources;
DROP FUNCTION sentinel.keep_path();
DROP TRIGGER make_path ON sentinel.resources;
DROP FUNCTION sentinel.make_path();
DROP TRIGGER check_parent_update ON sentinel.resources;
DROP TRIGGER check_parent_insert ON sentinel.resources;
DROP TRIGGER check_parent_update ON sentinel.groups;
DROP TRIGGER check_parent_insert ON sentinel.groups;
DROP TRIGGER check_parent_update ON sentinel.roles;
DROP TRIGGER check_parent_insert ON sentinel.roles;
DROP FUNCTION sentinel.check_parent();
DROP TRIGGER lock_current_tenant ON sentinel.groups;
DROP TRIGGER lock_current_tenant ON sentinel.roles;
DROP TRIGGER lock_current_tenant ON sentinel.resources;
DROP FUNCTION sentinel.lock_current_tenant();
