-- Tenants, their hierarchy, and the counters that say how new a decision is.

-- +goose Up

CREATE TABLE sentinel.tenants (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    name text NOT NULL,
    code text NOT NULL,
    type text NOT NULL DEFAULT 'root',
    parent_tenant_id uuid,
    isolation_mode text NOT NULL DEFAULT 'shared',
    settings jsonb NOT NULL DEFAULT '{}',
    features text[] NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    terminology jsonb NOT NULL DEFAULT '{}',
    time_zone text NOT NULL DEFAULT 'UTC',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenants_pkey PRIMARY KEY (id),
    CONSTRAINT tenants_code_key UNIQUE (code),
    CONSTRAINT tenants_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT tenants_code_format CHECK (code ~ '^[A-Z0-9][A-Z0-9-]*$' AND char_length(code) <= 50),
    CONSTRAINT tenants_type_known CHECK (type IN ('root', 'sub_tenant')),
    CONSTRAINT tenants_type_matches_parent CHECK ((type = 'sub_tenant') = (parent_tenant_id IS NOT NULL)),
    CONSTRAINT tenants_isolation_mode_known CHECK (isolation_mode IN ('shared', 'dedicated')),
    CONSTRAINT tenants_settings_object CHECK (jsonb_typeof(settings) = 'object'),
    CONSTRAINT tenants_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT tenants_terminology_object CHECK (jsonb_typeof(terminology) = 'object'),
    CONSTRAINT tenants_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT tenants_parent_fk FOREIGN KEY (parent_tenant_id) REFERENCES sentinel.tenants (id)
);
CREATE INDEX tenants_parent_idx ON sentinel.tenants (parent_tenant_id);

CREATE TABLE sentinel.tenant_ancestors (
    tenant_id uuid NOT NULL,
    ancestor_id uuid NOT NULL,
    depth integer NOT NULL,
    inherits boolean NOT NULL,
    CONSTRAINT tenant_ancestors_pkey PRIMARY KEY (tenant_id, ancestor_id),
    CONSTRAINT tenant_ancestors_depth_positive CHECK (depth >= 1),
    CONSTRAINT tenant_ancestors_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT tenant_ancestors_ancestor_fk FOREIGN KEY (ancestor_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE
);
-- The one index that tenant_id does not lead: it finds the descendants.
CREATE INDEX tenant_ancestors_ancestor_idx ON sentinel.tenant_ancestors (ancestor_id, tenant_id);
COMMENT ON TABLE sentinel.tenant_ancestors IS 'Every ancestor of every tenant, kept by trigger. inherits: the tenant and each one between it and the ancestor have settings.inherit_permissions.';

-- Before every other table that refers to tenants: deleting a tenant then
-- removes its counters first, and what its other rows would still record
-- about changes is dropped with them.
CREATE TABLE sentinel.policy_revision (
    tenant_id uuid NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    graph_revision bigint NOT NULL DEFAULT 1,
    subject_floor bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policy_revision_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT policy_revision_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE
);
COMMENT ON TABLE sentinel.policy_revision IS 'RLS exempt: replicas poll the counters of all tenants, and they tell nothing but that something changed. Moved by triggers only.';
COMMENT ON COLUMN sentinel.policy_revision.subject_floor IS 'subject_changes is complete for revisions above this one.';
-- Of its own trigger on tenants and the movers below. UPDATE of one harmless
-- column lets the server lock the row, which serialises a tenant's writes.
CALL sentinel.setup_table('sentinel.policy_revision', 'SELECT, UPDATE (updated_at)');

CREATE TABLE sentinel.subject_changes (
    tenant_id uuid NOT NULL,
    revision bigint NOT NULL,
    user_id uuid NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT subject_changes_pkey PRIMARY KEY (tenant_id, revision, user_id)
);
COMMENT ON TABLE sentinel.subject_changes IS 'Which subjects a revision changed. Without foreign keys: the deletion of a user is such a change.';
CALL sentinel.setup_tenant_table('sentinel.subject_changes', 'SELECT');

-- +goose StatementBegin
CREATE FUNCTION sentinel.inherits_permissions(p_settings jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
SELECT COALESCE(p_settings -> 'inherit_permissions' = 'true'::jsonb, false)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.writable_tenants() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
SELECT sentinel.current_tenant()
UNION ALL
SELECT tenant_id FROM sentinel.tenant_ancestors WHERE ancestor_id = sentinel.current_tenant()
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.writable_tenants() IS 'The transaction''s tenant and its descendants. It runs as the owner, so that policies which use it do not recurse.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.visible_tenants() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
SELECT sentinel.writable_tenants()
UNION ALL
SELECT ancestor_id FROM sentinel.tenant_ancestors WHERE tenant_id = sentinel.current_tenant()
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.visible_tenants() IS 'The transaction''s tenant, its ancestors and its descendants.';
GRANT EXECUTE ON FUNCTION sentinel.visible_tenants(), sentinel.writable_tenants() TO sentinel_app;

ALTER TABLE sentinel.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE sentinel.tenants FORCE ROW LEVEL SECURITY;
-- By its parent too, since a new row is read back before it has ancestors.
CREATE POLICY tenants_read ON sentinel.tenants FOR SELECT
    USING (id IN (SELECT sentinel.visible_tenants())
        OR parent_tenant_id IN (SELECT sentinel.writable_tenants())
        OR (SELECT sentinel.in_system_scope()));
CREATE POLICY tenants_insert ON sentinel.tenants FOR INSERT
    WITH CHECK (parent_tenant_id IN (SELECT sentinel.writable_tenants()) OR (SELECT sentinel.in_system_scope()));
CREATE POLICY tenants_update ON sentinel.tenants FOR UPDATE
    USING (id IN (SELECT sentinel.writable_tenants()) OR (SELECT sentinel.in_system_scope()))
    WITH CHECK (id IN (SELECT sentinel.writable_tenants()) OR (SELECT sentinel.in_system_scope()));
CREATE POLICY tenants_delete ON sentinel.tenants FOR DELETE
    USING (id IN (SELECT sentinel.writable_tenants()) OR (SELECT sentinel.in_system_scope()));
CALL sentinel.setup_table('sentinel.tenants', 'SELECT, INSERT, UPDATE, DELETE');

ALTER TABLE sentinel.tenant_ancestors ENABLE ROW LEVEL SECURITY;
ALTER TABLE sentinel.tenant_ancestors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON sentinel.tenant_ancestors
    USING (tenant_id = (SELECT sentinel.current_tenant())
        OR ancestor_id = (SELECT sentinel.current_tenant())
        OR (SELECT sentinel.in_system_scope()))
    WITH CHECK ((SELECT sentinel.in_system_scope()));
CALL sentinel.setup_table('sentinel.tenant_ancestors', 'SELECT');

-- +goose StatementBegin
CREATE FUNCTION sentinel.guard_tenant() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    IF OLD.id = '00000000-0000-0000-0000-000000000000' AND NOT sentinel.is_owner_migrating(TG_RELID) THEN
        RAISE EXCEPTION 'the tenant PLATFORM cannot be changed or deleted'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tenants_platform_immutable', SCHEMA = 'sentinel', TABLE = 'tenants';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF NEW.id <> OLD.id OR NEW.parent_tenant_id IS DISTINCT FROM OLD.parent_tenant_id THEN
        RAISE EXCEPTION 'the parent of a tenant never changes'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tenants_parent_immutable', SCHEMA = 'sentinel', TABLE = 'tenants';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER guard_tenant BEFORE UPDATE OR DELETE ON sentinel.tenants
    FOR EACH ROW EXECUTE FUNCTION sentinel.guard_tenant();

-- +goose StatementBegin
CREATE FUNCTION sentinel.add_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    INSERT INTO sentinel.policy_revision (tenant_id) VALUES (NEW.id);
    IF NEW.parent_tenant_id IS NOT NULL THEN
        -- Waits for a change of an ancestor's settings that is under way.
        PERFORM FROM sentinel.tenants
        WHERE id = NEW.parent_tenant_id
           OR id IN (SELECT ancestor_id FROM sentinel.tenant_ancestors WHERE tenant_id = NEW.parent_tenant_id)
        ORDER BY id
        FOR SHARE;
        INSERT INTO sentinel.tenant_ancestors (tenant_id, ancestor_id, depth, inherits)
        SELECT NEW.id, NEW.parent_tenant_id, 1, sentinel.inherits_permissions(NEW.settings)
        UNION ALL
        SELECT NEW.id, ancestor_id, depth + 1, inherits AND sentinel.inherits_permissions(NEW.settings)
        FROM sentinel.tenant_ancestors
        WHERE tenant_id = NEW.parent_tenant_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER add_tenant AFTER INSERT ON sentinel.tenants
    FOR EACH ROW EXECUTE FUNCTION sentinel.add_tenant();

-- +goose StatementBegin
CREATE FUNCTION sentinel.refresh_inheritance() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    UPDATE sentinel.tenant_ancestors a
    SET inherits = now_inherits
    FROM (
        SELECT line.tenant_id, line.ancestor_id,
            sentinel.inherits_permissions(t.settings) AND NOT EXISTS (
                SELECT
                FROM sentinel.tenant_ancestors between_them
                JOIN sentinel.tenants b ON b.id = between_them.ancestor_id
                WHERE between_them.tenant_id = line.tenant_id
                AND between_them.depth < line.depth
                AND NOT sentinel.inherits_permissions(b.settings)
            ) AS now_inherits
        FROM sentinel.tenant_ancestors line
        JOIN sentinel.tenants t ON t.id = line.tenant_id
        WHERE line.tenant_id = NEW.id
           OR line.tenant_id IN (SELECT tenant_id FROM sentinel.tenant_ancestors WHERE ancestor_id = NEW.id)
    ) fresh
    WHERE a.tenant_id = fresh.tenant_id
    AND a.ancestor_id = fresh.ancestor_id
    AND a.inherits <> now_inherits;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER refresh_inheritance AFTER UPDATE ON sentinel.tenants
    FOR EACH ROW
    WHEN (sentinel.inherits_permissions(OLD.settings) <> sentinel.inherits_permissions(NEW.settings))
    EXECUTE FUNCTION sentinel.refresh_inheritance();
-- A WHEN clause runs as whoever updates.
GRANT EXECUTE ON FUNCTION sentinel.inherits_permissions(jsonb) TO sentinel_app;

-- +goose StatementBegin
CREATE FUNCTION sentinel.move_revision(p_tenants uuid[], p_graph boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    -- In one order, so that two writers of several tenants do not deadlock.
    PERFORM FROM sentinel.policy_revision WHERE tenant_id = ANY (p_tenants) ORDER BY tenant_id FOR UPDATE;
    UPDATE sentinel.policy_revision
    SET revision = revision + 1,
        graph_revision = graph_revision + p_graph::int,
        updated_at = clock_timestamp()
    WHERE tenant_id = ANY (p_tenants);
    -- Equal notifications of one transaction are sent once.
    PERFORM pg_notify('sentinel_revision', t::text) FROM unnest(p_tenants) t;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.move_subjects(p_tenants uuid[], p_users uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    IF cardinality(p_users) = 0 THEN
        RETURN;
    END IF;
    PERFORM sentinel.move_revision(p_tenants, false);
    INSERT INTO sentinel.subject_changes (tenant_id, revision, user_id)
    SELECT DISTINCT r.tenant_id, r.revision, s.user_id
    FROM unnest(p_tenants, p_users) s (tenant_id, user_id)
    JOIN sentinel.policy_revision r USING (tenant_id);
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.move_subjects(uuid[], uuid[]) IS 'Moves the revision of the tenants and records the users, given pairwise, at the new one.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.prune_subject_changes(p_older_than interval) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
WITH gone AS (
    DELETE FROM sentinel.subject_changes
    WHERE changed_at < clock_timestamp() - p_older_than
    RETURNING tenant_id, revision
), floors AS (
    UPDATE sentinel.policy_revision r
    SET subject_floor = GREATEST(r.subject_floor, g.revision)
    FROM (SELECT tenant_id, max(revision) AS revision FROM gone GROUP BY tenant_id) g
    WHERE r.tenant_id = g.tenant_id
)
SELECT count(*) FROM gone
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.prune_subject_changes(interval) IS 'Deletes older records of all tenants, remembers up to where, and returns how many.';
CREATE INDEX subject_changes_changed_at_idx ON sentinel.subject_changes (tenant_id, changed_at);
GRANT EXECUTE ON FUNCTION sentinel.prune_subject_changes(interval) TO sentinel_app;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TABLE sentinel.subject_changes;
DROP TABLE sentinel.policy_revision;
DROP TABLE sentinel.tenant_ancestors;
DROP TABLE sentinel.tenants;
DROP FUNCTION sentinel.prune_subject_changes(interval);
DROP FUNCTION sentinel.move_subjects(uuid[], uuid[]);
DROP FUNCTION sentinel.move_revision(uuid[], boolean);
DROP FUNCTION sentinel.refresh_inheritance();
DROP FUNCTION sentinel.add_tenant();
DROP FUNCTION sentinel.guard_tenant();
DROP FUNCTION sentinel.visible_tenants();
DROP FUNCTION sentinel.writable_tenants();
DROP FUNCTION sentinel.inherits_permissions(jsonb);
