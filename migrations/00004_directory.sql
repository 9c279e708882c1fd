-- Who may have what: resources, roles, groups, permissions, field definitions,
-- and the pairs between them.

-- +goose Up

CREATE TABLE sentinel.resources (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    code text NOT NULL,
    parent_id uuid,
    path text NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    workflow_enabled boolean NOT NULL DEFAULT false,
    workflow_config jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT resources_pkey PRIMARY KEY (id),
    CONSTRAINT resources_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT resources_type_code_key UNIQUE (tenant_id, type, code),
    CONSTRAINT resources_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT resources_parent_fk FOREIGN KEY (tenant_id, parent_id) REFERENCES sentinel.resources (tenant_id, id),
    CONSTRAINT resources_type_format CHECK (type ~ '^[a-z][a-z0-9_]{0,99}$'),
    CONSTRAINT resources_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT resources_code_length CHECK (char_length(code) BETWEEN 1 AND 255),
    CONSTRAINT resources_code_not_uuid CHECK (code !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    CONSTRAINT resources_path_length CHECK (char_length(path) <= 16640),
    CONSTRAINT resources_attributes_object CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT resources_workflow_config_object CHECK (jsonb_typeof(workflow_config) = 'object')
);
COMMENT ON COLUMN sentinel.resources.path IS 'The codes from the root down to the node, joined by "/". Kept by triggers; what is written to it is ignored.';
CREATE INDEX resources_parent_idx ON sentinel.resources (tenant_id, parent_id);
CREATE INDEX resources_created_at_idx ON sentinel.resources (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.resources');

CREATE TABLE sentinel.roles (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    type text NOT NULL DEFAULT 'custom',
    parent_role_id uuid,
    priority integer NOT NULL DEFAULT 0,
    is_assignable boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_by uuid,
    created_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT roles_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT roles_name_key UNIQUE (tenant_id, name),
    CONSTRAINT roles_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT roles_parent_fk FOREIGN KEY (tenant_id, parent_role_id) REFERENCES sentinel.roles (tenant_id, id),
    CONSTRAINT roles_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT roles_display_name_length CHECK (char_length(display_name) <= 255),
    CONSTRAINT roles_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT roles_type_known CHECK (type IN ('system', 'custom')),
    CONSTRAINT roles_system_in_platform CHECK (type <> 'system' OR tenant_id = '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT roles_name_not_reserved CHECK (type = 'system' OR lower(name) NOT IN (
        'super_admin', 'tenant_admin', 'user_manager', 'security_author', 'approver', 'auditor', 'viewer')),
    CONSTRAINT roles_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT roles_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL))
);
CREATE INDEX roles_parent_idx ON sentinel.roles (tenant_id, parent_role_id);
CREATE INDEX roles_created_at_idx ON sentinel.roles (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.roles');

CREATE TABLE sentinel.groups (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    parent_group_id uuid,
    metadata jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT groups_pkey PRIMARY KEY (id),
    CONSTRAINT groups_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT groups_name_key UNIQUE (tenant_id, name),
    CONSTRAINT groups_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT groups_parent_fk FOREIGN KEY (tenant_id, parent_group_id) REFERENCES sentinel.groups (tenant_id, id),
    CONSTRAINT groups_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT groups_display_name_length CHECK (char_length(display_name) <= 255),
    CONSTRAINT groups_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT groups_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);
CREATE INDEX groups_parent_idx ON sentinel.groups (tenant_id, parent_group_id);
CREATE INDEX groups_created_at_idx ON sentinel.groups (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.groups');

CREATE TABLE sentinel.permissions (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    resource_type text NOT NULL,
    resource_id uuid,
    resource_path text,
    actions text[] NOT NULL,
    effect text NOT NULL DEFAULT 'allow',
    conditions jsonb NOT NULL DEFAULT '{}',
    field_permissions jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT permissions_pkey PRIMARY KEY (id),
    CONSTRAINT permissions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT permissions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT permissions_resource_fk FOREIGN KEY (tenant_id, resource_id) REFERENCES sentinel.resources (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT permissions_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT permissions_resource_type_format CHECK (resource_type ~ '^(\*|[a-z][a-z0-9_]{0,99})$'),
    CONSTRAINT permissions_resource_given_once CHECK ((resource_id IS NULL) <> (resource_path IS NULL)),
    CONSTRAINT permissions_resource_path_format CHECK (resource_path ~ '^(\*|[a-z][a-z0-9_]{0,99})/.+' AND char_length(resource_path) <= 1000),
    CONSTRAINT permissions_resource_path_type CHECK (split_part(resource_path, '/', 1) = resource_type),
    CONSTRAINT permissions_actions_not_empty CHECK (cardinality(actions) > 0 AND array_position(actions, NULL) IS NULL),
    CONSTRAINT permissions_effect_known CHECK (effect IN ('allow', 'deny')),
    CONSTRAINT permissions_conditions_object CHECK (jsonb_typeof(conditions) = 'object'),
    CONSTRAINT permissions_field_permissions_object CHECK (jsonb_typeof(field_permissions) = 'object')
);
CREATE INDEX permissions_resource_idx ON sentinel.permissions (tenant_id, resource_id) WHERE resource_id IS NOT NULL;
CREATE INDEX permissions_name_idx ON sentinel.permissions (tenant_id, name);
CREATE INDEX permissions_created_at_idx ON sentinel.permissions (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.permissions');

CREATE TABLE sentinel.field_definitions (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid,
    entity_type text NOT NULL,
    field_name text NOT NULL,
    field_type text NOT NULL,
    data_type text NOT NULL DEFAULT 'string',
    storage_column text,
    storage_path text,
    display_name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    validation_rules jsonb NOT NULL DEFAULT '{}',
    default_visibility text NOT NULL DEFAULT 'read',
    is_pii boolean NOT NULL DEFAULT false,
    is_indexed boolean NOT NULL DEFAULT false,
    is_required boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT field_definitions_pkey PRIMARY KEY (id),
    CONSTRAINT field_definitions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT field_definitions_field_key UNIQUE NULLS NOT DISTINCT (tenant_id, entity_type, field_name),
    CONSTRAINT field_definitions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT field_definitions_entity_type_format CHECK (entity_type ~ '^[a-z][a-z0-9_]{0,99}$'),
    CONSTRAINT field_definitions_field_name_length CHECK (char_length(field_name) BETWEEN 1 AND 100),
    CONSTRAINT field_definitions_field_type_known CHECK (field_type IN ('core', 'platform_dynamic', 'tenant_specific')),
    CONSTRAINT field_definitions_data_type_length CHECK (char_length(data_type) BETWEEN 1 AND 50),
    CONSTRAINT field_definitions_storage_column_format CHECK (storage_column ~ '^[a-z_][a-z0-9_]{0,62}$'),
    CONSTRAINT field_definitions_storage_path_length CHECK (char_length(storage_path) BETWEEN 1 AND 500),
    CONSTRAINT field_definitions_storage_by_type CHECK (
        CASE WHEN field_type = 'core' THEN storage_path IS NULL ELSE storage_column IS NULL END),
    CONSTRAINT field_definitions_display_name_length CHECK (char_length(display_name) <= 255),
    CONSTRAINT field_definitions_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT field_definitions_validation_rules_object CHECK (jsonb_typeof(validation_rules) = 'object'),
    CONSTRAINT field_definitions_default_visibility_known CHECK (default_visibility IN ('read', 'write', 'hidden'))
);
COMMENT ON COLUMN sentinel.field_definitions.tenant_id IS 'Null: platform-wide; read by every tenant, written in the system scope only.';
CALL sentinel.setup_tenant_table('sentinel.field_definitions');
CREATE POLICY platform_read ON sentinel.field_definitions FOR SELECT
    USING (tenant_id IS NULL AND (SELECT sentinel.current_tenant()) IS NOT NULL);

CREATE TABLE sentinel.user_groups (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    group_id uuid NOT NULL,
    added_by uuid,
    added_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_groups_pkey PRIMARY KEY (id),
    CONSTRAINT user_groups_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT user_groups_pair_key UNIQUE (tenant_id, user_id, group_id),
    CONSTRAINT user_groups_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT user_groups_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT user_groups_group_fk FOREIGN KEY (tenant_id, group_id) REFERENCES sentinel.groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT user_groups_added_by_whole CHECK ((added_by IS NULL) = (added_by_tenant IS NULL))
);
CREATE INDEX user_groups_group_idx ON sentinel.user_groups (tenant_id, group_id, user_id);
CALL sentinel.setup_tenant_table('sentinel.user_groups');

CREATE TABLE sentinel.user_roles (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    role_tenant_id uuid NOT NULL,
    granted_by uuid,
    granted_by_tenant uuid,
    granted_at timestamptz NOT NULL DEFAULT now(),
    valid_from timestamptz,
    expires_at timestamptz,
    is_active boolean NOT NULL DEFAULT true,
    source_request_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_roles_pkey PRIMARY KEY (id),
    CONSTRAINT user_roles_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT user_roles_pair_key UNIQUE (tenant_id, user_id, role_id),
    CONSTRAINT user_roles_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_fk FOREIGN KEY (role_tenant_id, role_id) REFERENCES sentinel.roles (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT user_roles_validity_ordered CHECK (expires_at > valid_from),
    CONSTRAINT user_roles_granted_by_whole CHECK ((granted_by IS NULL) = (granted_by_tenant IS NULL))
);
CREATE INDEX user_roles_role_idx ON sentinel.user_roles (tenant_id, role_id, user_id);
-- Led by the role's tenant, since deleting a role looks for it in every tenant.
CREATE INDEX user_roles_role_tenant_idx ON sentinel.user_roles (role_tenant_id, role_id);
CREATE INDEX user_roles_expires_at_idx ON sentinel.user_roles (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
CALL sentinel.setup_tenant_table('sentinel.user_roles');

CREATE TABLE sentinel.group_roles (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    role_id uuid NOT NULL,
    role_tenant_id uuid NOT NULL,
    granted_by uuid,
    granted_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT group_roles_pkey PRIMARY KEY (id),
    CONSTRAINT group_roles_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT group_roles_pair_key UNIQUE (tenant_id, group_id, role_id),
    CONSTRAINT group_roles_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT group_roles_group_fk FOREIGN KEY (tenant_id, group_id) REFERENCES sentinel.groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT group_roles_role_fk FOREIGN KEY (role_tenant_id, role_id) REFERENCES sentinel.roles (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT group_roles_granted_by_whole CHECK ((granted_by IS NULL) = (granted_by_tenant IS NULL))
);
CREATE INDEX group_roles_role_idx ON sentinel.group_roles (tenant_id, role_id, group_id);
-- As user_roles_role_tenant_idx.
CREATE INDEX group_roles_role_tenant_idx ON sentinel.group_roles (role_tenant_id, role_id);
CALL sentinel.setup_tenant_table('sentinel.group_roles');

CREATE TABLE sentinel.role_permissions (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    role_id uuid NOT NULL,
    permission_id uuid NOT NULL,
    granted_by uuid,
    granted_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_permissions_pkey PRIMARY KEY (id),
    CONSTRAINT role_permissions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT role_permissions_pair_key UNIQUE (tenant_id, role_id, permission_id),
    CONSTRAINT role_permissions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT role_permissions_role_fk FOREIGN KEY (tenant_id, role_id) REFERENCES sentinel.roles (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT role_permissions_permission_fk FOREIGN KEY (tenant_id, permission_id) REFERENCES sentinel.permissions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT role_permissions_granted_by_whole CHECK ((granted_by IS NULL) = (granted_by_tenant IS NULL))
);
CREATE INDEX role_permissions_permission_idx ON sentinel.role_permissions (tenant_id, permission_id, role_id);
CALL sentinel.setup_tenant_table('sentinel.role_permissions');

-- +goose StatementBegin
CREATE FUNCTION sentinel.usable_roles() RETURNS SETOF sentinel.roles
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
SELECT *
FROM sentinel.roles
WHERE tenant_id = sentinel.current_tenant()
UNION ALL
SELECT *
FROM sentinel.roles
WHERE tenant_id = '00000000-0000-0000-0000-000000000000'
AND type = 'system'
AND name <> 'super_admin'
AND sentinel.current_tenant() <> '00000000-0000-0000-0000-000000000000'
UNION ALL
SELECT r.*
FROM sentinel.roles r
JOIN sentinel.tenant_ancestors a ON a.ancestor_id = r.tenant_id
WHERE a.tenant_id = sentinel.current_tenant()
AND a.inherits
AND r.type = 'custom'
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.usable_roles() IS 'The roles that can be assigned in the transaction''s tenant: its own, the platform''s system roles, and those of the ancestors from which it inherits. Row-level security hides the latter two from the tables.';
GRANT EXECUTE ON FUNCTION sentinel.usable_roles() TO sentinel_app;

-- Of the current tenant alone and not only of what row-level security shows,
-- so that the condition is one that an index serves; and without a window
-- function, through which a reader's own conditions would not be pushed.
CREATE VIEW sentinel.casbin_rule WITH (security_invoker = true) AS
SELECT
    hashtextextended(v0 || ' ' || v1, 0) & 9223372036854775807 AS id,
    'g'::text AS ptype, v0, v1, v2, v3, ''::text AS v4, ''::text AS v5
FROM (
    SELECT 'group:' || g.id AS v0, 'group:' || p.id AS v1, g.tenant_id::text AS v2, 'group'::text AS v3
    FROM sentinel.groups g
    JOIN sentinel.groups p ON p.tenant_id = g.tenant_id AND p.id = g.parent_group_id
    WHERE g.tenant_id = sentinel.current_tenant()
    AND g.is_active
    AND p.is_active
    UNION ALL
    SELECT 'group:' || g.id, 'role:' || r.id, gr.tenant_id::text, 'group'
    FROM sentinel.group_roles gr
    JOIN sentinel.groups g ON g.tenant_id = gr.tenant_id AND g.id = gr.group_id
    JOIN sentinel.usable_roles() r ON r.tenant_id = gr.role_tenant_id AND r.id = gr.role_id
    WHERE gr.tenant_id = sentinel.current_tenant()
    AND g.is_active
    AND r.is_active
    UNION ALL
    SELECT 'role:' || r.id, 'role:' || p.id, r.tenant_id::text, 'role'
    FROM sentinel.roles r
    JOIN sentinel.roles p ON p.tenant_id = r.tenant_id AND p.id = r.parent_role_id
    WHERE r.tenant_id = sentinel.current_tenant()
    AND r.is_active
    AND p.is_active
    UNION ALL
    SELECT 'user:' || ug.user_id, 'group:' || g.id, ug.tenant_id::text, 'user'
    FROM sentinel.user_groups ug
    JOIN sentinel.groups g ON g.tenant_id = ug.tenant_id AND g.id = ug.group_id
    WHERE ug.tenant_id = sentinel.current_tenant()
    AND g.is_active
    UNION ALL
    SELECT 'user:' || ur.user_id, 'role:' || r.id, ur.tenant_id::text, 'user'
    FROM sentinel.user_roles ur
    JOIN sentinel.usable_roles() r ON r.tenant_id = ur.role_tenant_id AND r.id = ur.role_id
    WHERE ur.tenant_id = sentinel.current_tenant()
    AND ur.is_active
    AND r.is_active
) rule;
COMMENT ON VIEW sentinel.casbin_rule IS 'Casbin''s grouping rows of the transaction''s tenant: v0 member, v1 what it belongs to, v2 the tenant, v3 the kind of the member. Inactive roles and groups are absent; the validity of a user''s own rows is judged by the reader.';
GRANT SELECT ON sentinel.casbin_rule TO sentinel_app;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP VIEW sentinel.casbin_rule;
DROP FUNCTION sentinel.usable_roles();
DROP TABLE sentinel.role_permissions;
DROP TABLE sentinel.group_roles;
DROP TABLE sentinel.user_roles;
DROP TABLE sentinel.user_groups;
DROP TABLE sentinel.field_definitions;
DROP TABLE sentinel.permissions;
DROP TABLE sentinel.groups;
DROP TABLE sentinel.roles;
DROP TABLE sentinel.resources;
