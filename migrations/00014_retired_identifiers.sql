-- An identifier that was an account's is nobody else's afterwards: whoever still
-- writes the old one must not mean the new account.

-- +goose Up

CREATE TABLE sentinel.identifier_keys (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identifier_keys_pkey PRIMARY KEY (id),
    CONSTRAINT identifier_keys_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT identifier_keys_tenant_id_key UNIQUE (tenant_id),
    CONSTRAINT identifier_keys_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE
);
COMMENT ON TABLE sentinel.identifier_keys IS 'A random key for each tenant, under which retired identifiers are hashed: without it nobody finds out by trying whose they were. Read by functions of the schema''s owner only.';
CALL sentinel.setup_tenant_table('sentinel.identifier_keys', 'SELECT (id, tenant_id, created_at, updated_at)');

CREATE TABLE sentinel.retired_identifiers (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT retired_identifiers_pkey PRIMARY KEY (id),
    CONSTRAINT retired_identifiers_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT retired_identifiers_hash_key UNIQUE (tenant_id, kind, hash),
    CONSTRAINT retired_identifiers_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT retired_identifiers_kind_known CHECK (kind IN ('email', 'external_id'))
);
COMMENT ON TABLE sentinel.retired_identifiers IS 'E-mail addresses and external ids that accounts had, as keyed hashes. user_id is whose it was, without a foreign key: the account may be gone. It may have it again, others may not.';
CALL sentinel.setup_tenant_table('sentinel.retired_identifiers', 'SELECT');

-- +goose StatementBegin
CREATE FUNCTION sentinel.identifier_hash(p_key bytea, p_identifier text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- The key is of a fixed length, so that no two pairs read the same.
SELECT sha256(p_key || convert_to(p_identifier, 'UTF8'))
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.retire_identifiers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
BEGIN
    -- Most updates are of neither.
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT
            FROM old_rows o
            JOIN new_rows n ON n.id = o.id
            WHERE (n.email, n.external_id) IS DISTINCT FROM (o.email, o.external_id)
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    -- A tenant that goes takes all of it along.
    INSERT INTO sentinel.identifier_keys (tenant_id, key)
    SELECT DISTINCT o.tenant_id, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    FROM old_rows o
    JOIN sentinel.tenants t ON t.id = o.tenant_id
    ON CONFLICT (tenant_id) DO NOTHING;
    IF TG_OP = 'DELETE' THEN
        INSERT INTO sentinel.retired_identifiers (tenant_id, kind, hash, user_id)
        SELECT o.tenant_id, i.kind, sentinel.identifier_hash(k.key, i.identifier), o.id
        FROM old_rows o
        JOIN sentinel.identifier_keys k ON k.tenant_id = o.tenant_id
        CROSS JOIN LATERAL (VALUES ('email', NULLIF(o.email, '')), ('external_id', o.external_id)) i (kind, identifier)
        WHERE i.identifier IS NOT NULL
        ON CONFLICT (tenant_id, kind, hash) DO NOTHING;
    ELSE
        INSERT INTO sentinel.retired_identifiers (tenant_id, kind, hash, user_id)
        SELECT o.tenant_id, i.kind, sentinel.identifier_hash(k.key, i.identifier), o.id
        FROM old_rows o
        JOIN new_rows n ON n.id = o.id
        JOIN sentinel.identifier_keys k ON k.tenant_id = o.tenant_id
        CROSS JOIN LATERAL (VALUES
            ('email', CASE WHEN n.email <> o.email THEN NULLIF(o.email, '') END),
            ('external_id', CASE WHEN n.external_id IS DISTINCT FROM o.external_id THEN o.external_id END)) i (kind, identifier)
        WHERE i.identifier IS NOT NULL
        ON CONFLICT (tenant_id, kind, hash) DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER retire_identifiers_delete AFTER DELETE ON sentinel.users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.retire_identifiers();
CREATE TRIGGER retire_identifiers_update AFTER UPDATE ON sentinel.users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.retire_identifiers();

-- +goose StatementBegin
CREATE FUNCTION sentinel.refuse_retired_identifiers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    kind_taken text;
BEGIN
    SELECT r.kind INTO kind_taken
    FROM sentinel.identifier_keys k
    CROSS JOIN LATERAL (VALUES ('email', NULLIF(NEW.email, '')), ('external_id', NEW.external_id)) i (kind, identifier)
    JOIN sentinel.retired_identifiers r ON r.tenant_id = k.tenant_id AND r.kind = i.kind
        AND r.hash = sentinel.identifier_hash(k.key, i.identifier)
    WHERE k.tenant_id = NEW.tenant_id
    AND r.user_id <> NEW.id
    ORDER BY r.kind
    LIMIT 1;
    IF kind_taken IS NOT NULL THEN
        RAISE EXCEPTION 'the % of another account is not given out again', kind_taken
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'users_' || kind_taken || '_retired', SCHEMA = 'sentinel', TABLE = 'users';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- Afterwards, so that it sees what was given up by a transaction for which the
-- unique index had to wait.
CREATE TRIGGER refuse_retired_insert AFTER INSERT ON sentinel.users
    FOR EACH ROW EXECUTE FUNCTION sentinel.refuse_retired_identifiers();
CREATE TRIGGER refuse_retired_update AFTER UPDATE ON sentinel.users
    FOR EACH ROW WHEN (NEW.email <> OLD.email OR NEW.external_id IS DISTINCT FROM OLD.external_id OR NEW.tenant_id <> OLD.tenant_id)
    EXECUTE FUNCTION sentinel.refuse_retired_identifiers();

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TRIGGER refuse_retired_update ON sentinel.users;
DROP TRIGGER refuse_retired_insert ON sentinel.users;
DROP FUNCTION sentinel.refuse_retired_identifiers();
DROP TRIGGER retire_identifiers_update ON sentinel.users;
DROP TRIGGER retire_identifiers_delete ON sentinel.users;
DROP FUNCTION sentinel.retire_identifiers();
DROP FUNCTION sentinel.identifier_hash(bytea, text);
DROP TABLE sentinel.retired_identifiers;
DROP TABLE sentinel.identifier_keys;
