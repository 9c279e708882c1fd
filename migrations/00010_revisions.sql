-- Every write that can alter a decision moves the counters of its tenant, in
-- the same transaction, once a statement.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION sentinel.graph_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    touched uuid[];
BEGIN
    -- A row without tenant is the platform's.
    CASE TG_OP
        WHEN 'INSERT' THEN
            SELECT array_agg(DISTINCT COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000')) INTO touched FROM new_rows;
        WHEN 'DELETE' THEN
            SELECT array_agg(DISTINCT COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000')) INTO touched FROM old_rows;
        ELSE
            SELECT array_agg(DISTINCT COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000')) INTO touched
            FROM (SELECT tenant_id FROM old_rows UNION ALL SELECT tenant_id FROM new_rows) both_rows;
    END CASE;
    IF touched IS NOT NULL THEN
        PERFORM sentinel.move_revision(touched, true);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.tenants_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    touched uuid[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- The counters are gone; replicas are told all the same.
        SELECT array_agg(id) INTO touched FROM old_rows;
    ELSE
        SELECT array_agg(n.id) INTO touched
        FROM new_rows n
        JOIN old_rows o USING (id)
        WHERE (n.code, n.name, n.settings, n.features, n.time_zone, n.is_active, n.parent_tenant_id)
            IS DISTINCT FROM (o.code, o.name, o.settings, o.features, o.time_zone, o.is_active, o.parent_tenant_id);
    END IF;
    IF touched IS NOT NULL THEN
        PERFORM sentinel.move_revision(touched, true);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.subjects_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    tenants uuid[];
    users uuid[];
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'users' THEN
            CASE TG_OP
                WHEN 'INSERT' THEN
                    SELECT array_agg(tenant_id), array_agg(id) INTO tenants, users FROM new_rows;
                WHEN 'DELETE' THEN
                    SELECT array_agg(tenant_id), array_agg(id) INTO tenants, users FROM old_rows;
                ELSE
                    -- Login counters and what only its owner sees move nothing.
                    SELECT array_agg(n.tenant_id), array_agg(n.id) INTO tenants, users
                    FROM new_rows n
                    JOIN old_rows o USING (id)
                    WHERE (n.tenant_id, n.email, n.email_verified_at, n.username, n.external_id, n.attributes, n.is_active,
                           n.locked_until, n.is_service_account, n.token_epoch, n.assert_subject, n.assert_override, n.allowed_ips)
                        IS DISTINCT FROM
                          (o.tenant_id, o.email, o.email_verified_at, o.username, o.external_id, o.attributes, o.is_active,
                           o.locked_until, o.is_service_account, o.token_epoch, o.assert_subject, o.assert_override, o.allowed_ips);
            END CASE;
        WHEN 'access_requests' THEN
            CASE TG_OP
                WHEN 'INSERT' THEN
                    SELECT array_agg(tenant_id), array_agg(requester_id) INTO tenants, users FROM new_rows;
                WHEN 'DELETE' THEN
                    SELECT array_agg(tenant_id), array_agg(requester_id) INTO tenants, users FROM old_rows;
                ELSE
                    SELECT array_agg(n.tenant_id), array_agg(n.requester_id) INTO tenants, users
                    FROM new_rows n
                    JOIN old_rows o USING (id)
                    WHERE (n.requester_id, n.request_type, n.request_details, n.chain_id, n.chain_snapshot, n.current_level,
                           n.status, n.expires_at, n.decided_at, n.grant_expires_at)
                        IS DISTINCT FROM
                          (o.requester_id, o.request_type, o.request_details, o.chain_id, o.chain_snapshot, o.current_level,
                           o.status, o.expires_at, o.decided_at, o.grant_expires_at);
            END CASE;
        ELSE -- user_roles, user_groups
            CASE TG_OP
                WHEN 'INSERT' THEN
                    SELECT array_agg(tenant_id), array_agg(user_id) INTO tenants, users FROM new_rows;
                WHEN 'DELETE' THEN
                    SELECT array_agg(tenant_id), array_agg(user_id) INTO tenants, users FROM old_rows;
                ELSE
                    SELECT array_agg(tenant_id), array_agg(user_id) INTO tenants, users
                    FROM (SELECT tenant_id, user_id FROM old_rows UNION SELECT tenant_id, user_id FROM new_rows) both_rows;
            END CASE;
    END CASE;
    IF users IS NOT NULL THEN
        PERFORM sentinel.move_subjects(tenants, users);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    watched record;
BEGIN
    FOR watched IN
        SELECT *
        FROM (VALUES
            ('roles', 'graph_changed'), ('groups', 'graph_changed'), ('permissions', 'graph_changed'),
            ('role_permissions', 'graph_changed'), ('group_roles', 'graph_changed'), ('resources', 'graph_changed'),
            ('field_definitions', 'graph_changed'), ('approval_chains', 'graph_changed'), ('policy_revisions', 'graph_changed'),
            ('tenants', 'tenants_changed'),
            ('users', 'subjects_changed'), ('user_roles', 'subjects_changed'), ('user_groups', 'subjects_changed'),
            ('access_requests', 'subjects_changed')) v (table_name, function_name)
    LOOP
        -- A new tenant starts with its counters.
        IF watched.table_name <> 'tenants' THEN
            EXECUTE format('CREATE TRIGGER revision_insert AFTER INSERT ON sentinel.%I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sentinel.%I()',
                watched.table_name, watched.function_name);
        END IF;
        EXECUTE format('CREATE TRIGGER revision_update AFTER UPDATE ON sentinel.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sentinel.%I()',
            watched.table_name, watched.function_name);
        EXECUTE format('CREATE TRIGGER revision_delete AFTER DELETE ON sentinel.%I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sentinel.%I()',
            watched.table_name, watched.function_name);
    END LOOP;
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

-- +goose StatementBegin
DO $$
DECLARE
    watched record;
BEGIN
    FOR watched IN
        SELECT t.tgname, t.tgrelid::regclass AS table_name
        FROM pg_trigger t
        WHERE t.tgname IN ('revision_insert', 'revision_update', 'revision_delete')
        AND NOT t.tgisinternal
        AND t.tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'sentinel'::regnamespace)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', watched.tgname, watched.table_name);
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP FUNCTION sentinel.subjects_changed();
DROP FUNCTION sentinel.tenants_changed();
DROP FUNCTION sentinel.graph_changed();
