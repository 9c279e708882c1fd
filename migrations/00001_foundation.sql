-- The schema, the role the server connects as, and what every later file uses.

-- +goose Up

-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sentinel_app') THEN
        BEGIN
            CREATE ROLE sentinel_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role % may not create the role sentinel_app', current_user
                    USING ERRCODE = 'insufficient_privilege',
                          HINT = 'As an administrator run: CREATE ROLE sentinel_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD ''...''; then migrate again.';
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sentinel_app' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'role sentinel_app would not be bound by row-level security'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'As an administrator run: ALTER ROLE sentinel_app NOSUPERUSER NOBYPASSRLS; then migrate again.';
    END IF;
END
$$;
-- +goose StatementEnd

CREATE SCHEMA sentinel;
COMMENT ON SCHEMA sentinel IS 'Sentinel, an authorization platform. Owned by the migrating role; the server connects as sentinel_app.';
REVOKE ALL ON SCHEMA sentinel FROM PUBLIC;
GRANT USAGE ON SCHEMA sentinel TO sentinel_app;

-- +goose StatementBegin
CREATE FUNCTION sentinel.uuid_v7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$
SELECT encode(
    set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
            PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6),
        52, 1), 53, 1),
    'hex')::uuid
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.uuid_v7() IS 'A UUID of version 7 (RFC 9562): ordered by the millisecond, random within it.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT NULLIF(current_setting('sentinel.tenant_id', true), '')::uuid
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.current_tenant() IS 'The tenant of the transaction, null if none is set. An unset parameter reads '''' on a reused connection.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.in_system_scope() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT COALESCE(current_setting('sentinel.scope', true) = 'system', false)
    OR (current_user <> session_user
        AND current_user = (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sentinel'))
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.in_system_scope() IS 'Whether all tenants are in scope: where the transaction says so, and within SECURITY DEFINER functions of the schema''s owner, whom forced row-level security would bind too.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- Never the same value twice, since entity tags are made of it.
    NEW.created_at := OLD.created_at;
    NEW.updated_at := GREATEST(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.is_owner_migrating(p_table oid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT COALESCE(current_setting('sentinel.migration', true) = 'on', false)
   AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = p_table), 'USAGE')
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.is_owner_migrating(oid) IS 'Whether a migration is at work: run by the owner, with sentinel.migration = on. The server''s role never passes.';

-- +goose StatementBegin
CREATE PROCEDURE sentinel.setup_tenant_table(p_table regclass, p_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
    -- In sub-selects, so that they are read once a statement and not once a row.
    EXECUTE format($policy$
        CREATE POLICY tenant_isolation ON %s
            USING (tenant_id = (SELECT sentinel.current_tenant()) OR (SELECT sentinel.in_system_scope()))
            WITH CHECK (tenant_id = (SELECT sentinel.current_tenant()) OR (SELECT sentinel.in_system_scope()))
    $policy$, p_table);
    CALL sentinel.setup_table(p_table, p_privileges);
END
$$;
-- +goose StatementEnd
COMMENT ON PROCEDURE sentinel.setup_tenant_table(regclass, text) IS 'Every tenant-owned table calls this: row-level security, forced; the updated_at trigger; the privileges of sentinel_app.';

-- +goose StatementBegin
CREATE PROCEDURE sentinel.setup_table(p_table regclass, p_privileges text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = p_table AND attname = 'updated_at')
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = p_table AND attname = 'created_at') THEN
        EXECUTE format('CREATE TRIGGER touch_updated_at BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION sentinel.touch_updated_at()', p_table);
    END IF;
    IF p_privileges <> '' THEN
        EXECUTE format('GRANT %s ON %s TO sentinel_app', p_privileges, p_table);
    END IF;
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sentinel.uuid_v7(), sentinel.current_tenant(), sentinel.in_system_scope(), sentinel.is_owner_migrating(oid) TO sentinel_app;

CREATE TABLE sentinel.installation (
    singleton boolean NOT NULL DEFAULT true,
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_pkey PRIMARY KEY (singleton),
    CONSTRAINT installation_singleton CHECK (singleton)
);
COMMENT ON TABLE sentinel.installation IS 'One row. RLS exempt: it belongs to no tenant. The epoch changes when a backup is restored and makes older revision tokens and caches void.';
CALL sentinel.setup_table('sentinel.installation', 'SELECT, UPDATE (epoch)');
INSERT INTO sentinel.installation DEFAULT VALUES;

-- +goose Down

DROP TABLE sentinel.installation;
DROP PROCEDURE sentinel.setup_tenant_table(regclass, text);
DROP PROCEDURE sentinel.setup_table(regclass, text);
DROP FUNCTION sentinel.is_owner_migrating(oid);
DROP FUNCTION sentinel.touch_updated_at();
DROP FUNCTION sentinel.in_system_scope();
DROP FUNCTION sentinel.current_tenant();
DROP FUNCTION sentinel.uuid_v7();
REVOKE USAGE ON SCHEMA sentinel FROM sentinel_app;
-- The role stays: other databases of the cluster may use it.
DROP SCHEMA sentinel;
