-- Menus, the persisted cache, imports and exports, webhooks.

-- +goose Up

CREATE TABLE sentinel.permission_cache (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    cache_key text NOT NULL,
    value bytea NOT NULL,
    mac bytea NOT NULL,
    graph_revision bigint NOT NULL,
    subject_revision bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT permission_cache_pkey PRIMARY KEY (id),
    CONSTRAINT permission_cache_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT permission_cache_cache_key_key UNIQUE (tenant_id, cache_key),
    CONSTRAINT permission_cache_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT permission_cache_cache_key_length CHECK (char_length(cache_key) BETWEEN 1 AND 500)
);
COMMENT ON TABLE sentinel.permission_cache IS 'Answers written at shutdown and loaded at start. mac, keyed by the server, covers the row.';
CALL sentinel.setup_tenant_table('sentinel.permission_cache');

CREATE TABLE sentinel.menu_items (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid,
    parent_id uuid,
    name text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    icon text NOT NULL DEFAULT '',
    url text NOT NULL DEFAULT '',
    resource_id uuid,
    required_permission text NOT NULL DEFAULT '',
    display_order integer NOT NULL DEFAULT 0,
    is_visible boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT menu_items_pkey PRIMARY KEY (id),
    CONSTRAINT menu_items_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT menu_items_name_key UNIQUE NULLS NOT DISTINCT (tenant_id, name),
    CONSTRAINT menu_items_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT menu_items_parent_fk FOREIGN KEY (parent_id) REFERENCES sentinel.menu_items (id),
    CONSTRAINT menu_items_resource_fk FOREIGN KEY (tenant_id, resource_id) REFERENCES sentinel.resources (tenant_id, id) ON DELETE SET NULL (resource_id),
    CONSTRAINT menu_items_platform_without_resource CHECK (tenant_id IS NOT NULL OR resource_id IS NULL),
    CONSTRAINT menu_items_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT menu_items_display_name_length CHECK (char_length(display_name) <= 255),
    CONSTRAINT menu_items_icon_length CHECK (char_length(icon) <= 255),
    CONSTRAINT menu_items_url_length CHECK (char_length(url) <= 2000),
    CONSTRAINT menu_items_required_permission_length CHECK (char_length(required_permission) <= 255),
    CONSTRAINT menu_items_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);
COMMENT ON COLUMN sentinel.menu_items.tenant_id IS 'Null: platform-wide; read by every tenant, written in the system scope only.';
COMMENT ON COLUMN sentinel.menu_items.parent_id IS 'An item of the same tenant or of the platform, see check_menu_reference.';
CREATE INDEX menu_items_parent_idx ON sentinel.menu_items (parent_id);
CREATE INDEX menu_items_resource_idx ON sentinel.menu_items (tenant_id, resource_id);
CALL sentinel.setup_tenant_table('sentinel.menu_items');
CREATE POLICY platform_read ON sentinel.menu_items FOR SELECT
    USING (tenant_id IS NULL AND (SELECT sentinel.current_tenant()) IS NOT NULL);

CREATE TABLE sentinel.user_menu_customizations (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    item_id uuid NOT NULL,
    is_hidden boolean NOT NULL DEFAULT false,
    custom_order integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_menu_customizations_pkey PRIMARY KEY (id),
    CONSTRAINT user_menu_customizations_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT user_menu_customizations_pair_key UNIQUE (tenant_id, user_id, item_id),
    CONSTRAINT user_menu_customizations_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT user_menu_customizations_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT user_menu_customizations_item_fk FOREIGN KEY (item_id) REFERENCES sentinel.menu_items (id) ON DELETE CASCADE
);
CREATE INDEX user_menu_customizations_item_idx ON sentinel.user_menu_customizations (item_id);
CALL sentinel.setup_tenant_table('sentinel.user_menu_customizations');

-- +goose StatementBegin
CREATE FUNCTION sentinel.check_menu_reference() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    target uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    seen uuid[] := '{}';
BEGIN
    IF NOT EXISTS (
        SELECT FROM sentinel.menu_items
        WHERE id = target AND (tenant_id IS NULL OR tenant_id = NEW.tenant_id)
    ) THEN
        RAISE EXCEPTION 'there is no menu item % in this tenant', target
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_ARGV[1], SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_TABLE_NAME = 'menu_items' THEN
        WHILE target IS NOT NULL LOOP
            IF target = NEW.id OR cardinality(seen) > 16 THEN
                RAISE EXCEPTION 'menu item % would be its own ancestor or more than 16 levels deep', NEW.id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'menu_items_parent_no_cycle', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
            END IF;
            seen := seen || target;
            target := (SELECT parent_id FROM sentinel.menu_items WHERE id = target);
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.check_menu_reference() IS 'Items of the platform can be referred to by every tenant, so that the foreign key cannot hold the tenant.';
CREATE TRIGGER check_menu_reference_insert AFTER INSERT ON sentinel.menu_items
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL)
    EXECUTE FUNCTION sentinel.check_menu_reference('parent_id', 'menu_items_parent_fk');
CREATE TRIGGER check_menu_reference_update AFTER UPDATE ON sentinel.menu_items
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND (NEW.parent_id, NEW.tenant_id) IS DISTINCT FROM (OLD.parent_id, OLD.tenant_id))
    EXECUTE FUNCTION sentinel.check_menu_reference('parent_id', 'menu_items_parent_fk');
CREATE TRIGGER check_menu_reference AFTER INSERT OR UPDATE ON sentinel.user_menu_customizations
    FOR EACH ROW EXECUTE FUNCTION sentinel.check_menu_reference('item_id', 'user_menu_customizations_item_fk');

CREATE TABLE sentinel.imports (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    format text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    is_dry_run boolean NOT NULL DEFAULT false,
    options jsonb NOT NULL DEFAULT '{}',
    content bytea,
    total_rows integer NOT NULL DEFAULT 0,
    processed_rows integer NOT NULL DEFAULT 0,
    failed_rows integer NOT NULL DEFAULT 0,
    errors jsonb NOT NULL DEFAULT '[]',
    created_by uuid,
    created_by_tenant uuid,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imports_pkey PRIMARY KEY (id),
    CONSTRAINT imports_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT imports_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT imports_kind_length CHECK (char_length(kind) BETWEEN 1 AND 100),
    CONSTRAINT imports_format_length CHECK (char_length(format) BETWEEN 1 AND 20),
    CONSTRAINT imports_status_known CHECK (status IN ('pending', 'running', 'done', 'failed')),
    CONSTRAINT imports_options_object CHECK (jsonb_typeof(options) = 'object'),
    CONSTRAINT imports_errors_array CHECK (jsonb_typeof(errors) = 'array'),
    CONSTRAINT imports_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL))
);
CREATE INDEX imports_created_at_idx ON sentinel.imports (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.imports');

CREATE TABLE sentinel.exports (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    format text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    filter jsonb NOT NULL DEFAULT '{}',
    row_count integer NOT NULL DEFAULT 0,
    content bytea,
    error text NOT NULL DEFAULT '',
    created_by uuid,
    created_by_tenant uuid,
    finished_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT exports_pkey PRIMARY KEY (id),
    CONSTRAINT exports_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT exports_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT exports_kind_length CHECK (char_length(kind) BETWEEN 1 AND 100),
    CONSTRAINT exports_format_length CHECK (char_length(format) BETWEEN 1 AND 20),
    CONSTRAINT exports_status_known CHECK (status IN ('pending', 'running', 'done', 'failed')),
    CONSTRAINT exports_filter_object CHECK (jsonb_typeof(filter) = 'object'),
    CONSTRAINT exports_error_length CHECK (char_length(error) <= 2000),
    CONSTRAINT exports_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL))
);
CREATE INDEX exports_created_at_idx ON sentinel.exports (tenant_id, created_at, id);
CREATE INDEX exports_expires_at_idx ON sentinel.exports (tenant_id, expires_at);
CALL sentinel.setup_tenant_table('sentinel.exports');

CREATE TABLE sentinel.webhooks (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    secret bytea NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_by uuid,
    created_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT webhooks_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT webhooks_name_key UNIQUE (tenant_id, name),
    CONSTRAINT webhooks_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT webhooks_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT webhooks_url_length CHECK (char_length(url) BETWEEN 1 AND 2000),
    CONSTRAINT webhooks_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL))
);
COMMENT ON COLUMN sentinel.webhooks.secret IS 'Encrypted with the master key.';
CALL sentinel.setup_tenant_table('sentinel.webhooks');

CREATE TABLE sentinel.webhook_deliveries (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event text NOT NULL,
    payload jsonb NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    response_status integer,
    error text NOT NULL DEFAULT '',
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT webhook_deliveries_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT webhook_deliveries_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_webhook_fk FOREIGN KEY (tenant_id, webhook_id) REFERENCES sentinel.webhooks (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_event_length CHECK (char_length(event) BETWEEN 1 AND 100),
    CONSTRAINT webhook_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_attempts_not_negative CHECK (attempts >= 0),
    CONSTRAINT webhook_deliveries_error_length CHECK (char_length(error) <= 2000)
);
CREATE INDEX webhook_deliveries_webhook_idx ON sentinel.webhook_deliveries (tenant_id, webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_created_at_idx ON sentinel.webhook_deliveries (tenant_id, created_at);
CALL sentinel.setup_tenant_table('sentinel.webhook_deliveries');

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TABLE sentinel.webhook_deliveries;
DROP TABLE sentinel.webhooks;
DROP TABLE sentinel.exports;
DROP TABLE sentinel.imports;
DROP TABLE sentinel.user_menu_customizations;
DROP TABLE sentinel.menu_items;
DROP FUNCTION sentinel.check_menu_reference();
DROP TABLE sentinel.permission_cache;
