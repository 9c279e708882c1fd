-- What ends tokens before their time, and the keys behind which personal data
-- and the installation's secrets are kept.

-- +goose Up

ALTER TABLE sentinel.refresh_tokens ADD COLUMN token_epoch integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN sentinel.refresh_tokens.token_epoch IS 'The account''s token_epoch at the login. A session of an older one is dead.';

ALTER TABLE sentinel.tenants ADD COLUMN tokens_valid_from timestamptz;
COMMENT ON COLUMN sentinel.tenants.tokens_valid_from IS 'Tokens and sessions issued before it are void, in this tenant and those below. Set by trigger when the tenant is deactivated, so that none comes back to life with it.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.end_tenant_tokens() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF OLD.is_active AND NOT NEW.is_active THEN
        NEW.tokens_valid_from := clock_timestamp();
    ELSE
        NEW.tokens_valid_from := OLD.tokens_valid_from;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER end_tokens BEFORE UPDATE ON sentinel.tenants FOR EACH ROW EXECUTE FUNCTION sentinel.end_tenant_tokens();

-- Nothing has written to it so far.
ALTER TABLE sentinel.token_blacklist ALTER COLUMN user_id SET NOT NULL;
-- A revoked token changes what its account may do: replicas drop the subject.
CREATE TRIGGER revision_insert AFTER INSERT ON sentinel.token_blacklist REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sentinel.subjects_changed();

CREATE TABLE sentinel.personal_keys (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    sealed_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT personal_keys_pkey PRIMARY KEY (id),
    CONSTRAINT personal_keys_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT personal_keys_user_key UNIQUE (tenant_id, user_id),
    CONSTRAINT personal_keys_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE
);
COMMENT ON TABLE sentinel.personal_keys IS 'A key a person, encrypted with the master key. Personal data in records that can only be added to is encrypted with it, so that erasing the key erases the data. Without a foreign key to users: the records of a deleted account can still be read, those of an erased one cannot.';
CALL sentinel.setup_tenant_table('sentinel.personal_keys');

CREATE TABLE sentinel.installation_secrets (
    name text NOT NULL,
    sealed_value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_secrets_pkey PRIMARY KEY (name),
    CONSTRAINT installation_secrets_name_length CHECK (char_length(name) BETWEEN 1 AND 100)
);
COMMENT ON TABLE sentinel.installation_secrets IS 'RLS exempt: keys of the installation that outlive a master key, such as that of the audit chain. sealed_value is encrypted with the master key.';
CALL sentinel.setup_table('sentinel.installation_secrets', 'SELECT, INSERT, UPDATE');

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TABLE sentinel.installation_secrets;
DROP TABLE sentinel.personal_keys;
DROP TRIGGER revision_insert ON sentinel.token_blacklist;
ALTER TABLE sentinel.token_blacklist ALTER COLUMN user_id DROP NOT NULL;
DROP TRIGGER end_tokens ON sentinel.tenants;
DROP FUNCTION sentinel.end_tenant_tokens();
ALTER TABLE sentinel.tenants DROP COLUMN tokens_valid_from;
ALTER TABLE sentinel.refresh_tokens DROP COLUMN token_epoch;
