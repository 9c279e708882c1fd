-- Accounts, and the secrets by which they prove who they are.

-- +goose Up

CREATE TABLE sentinel.users (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    email text NOT NULL DEFAULT '',
    email_verified_at timestamptz,
    username text,
    display_name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    external_id text,
    password_hash text,
    is_service_account boolean NOT NULL DEFAULT false,
    service_account_key_id text,
    service_account_key_hash bytea,
    previous_key_id text,
    previous_key_hash bytea,
    previous_key_expires_at timestamptz,
    owner_id uuid,
    allowed_ips text[] NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    preferences jsonb NOT NULL DEFAULT '{}',
    assert_subject boolean NOT NULL DEFAULT false,
    assert_override text[] NOT NULL DEFAULT '{}',
    last_login timestamptz,
    login_count integer NOT NULL DEFAULT 0,
    failed_login_count integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    must_change_password boolean NOT NULL DEFAULT false,
    token_epoch integer NOT NULL DEFAULT 0,
    mfa_enabled boolean NOT NULL DEFAULT false,
    mfa_secret bytea,
    mfa_last_step bigint NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT users_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT users_owner_fk FOREIGN KEY (tenant_id, owner_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE SET NULL (owner_id),
    CONSTRAINT users_email_length CHECK (char_length(email) <= 320),
    CONSTRAINT users_email_normalised CHECK (email = lower(email) AND email = btrim(email)),
    CONSTRAINT users_email_given CHECK (is_service_account OR email <> ''),
    CONSTRAINT users_username_length CHECK (char_length(username) BETWEEN 1 AND 255),
    CONSTRAINT users_display_name_length CHECK (char_length(display_name) <= 255),
    CONSTRAINT users_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT users_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255),
    CONSTRAINT users_password_hash_length CHECK (char_length(password_hash) BETWEEN 1 AND 500),
    CONSTRAINT users_key_id_length CHECK (char_length(service_account_key_id) BETWEEN 1 AND 64),
    CONSTRAINT users_previous_key_id_length CHECK (char_length(previous_key_id) BETWEEN 1 AND 64),
    CONSTRAINT users_service_account_credentials CHECK (
        CASE WHEN is_service_account
            THEN service_account_key_id IS NOT NULL AND service_account_key_hash IS NOT NULL AND password_hash IS NULL
            ELSE service_account_key_id IS NULL AND service_account_key_hash IS NULL AND previous_key_id IS NULL AND owner_id IS NULL
        END),
    CONSTRAINT users_previous_key_whole CHECK (
        (previous_key_id IS NULL) = (previous_key_hash IS NULL)
        AND (previous_key_id IS NULL) = (previous_key_expires_at IS NULL)),
    CONSTRAINT users_mfa_secret_present CHECK (NOT mfa_enabled OR mfa_secret IS NOT NULL),
    CONSTRAINT users_counters_not_negative CHECK (login_count >= 0 AND failed_login_count >= 0 AND token_epoch >= 0),
    CONSTRAINT users_attributes_object CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT users_preferences_object CHECK (jsonb_typeof(preferences) = 'object')
);
COMMENT ON COLUMN sentinel.users.email IS 'Normalised (NFKC, lower case, IDNA); empty for a service account without one.';
CREATE UNIQUE INDEX users_email_key ON sentinel.users (tenant_id, email) WHERE email <> '';
CREATE UNIQUE INDEX users_external_id_key ON sentinel.users (tenant_id, external_id) WHERE external_id IS NOT NULL;
-- Not led by tenant_id: an API key names its account before the tenant is known.
CREATE UNIQUE INDEX users_service_account_key_id_key ON sentinel.users (service_account_key_id) WHERE service_account_key_id IS NOT NULL;
CREATE UNIQUE INDEX users_previous_key_id_key ON sentinel.users (previous_key_id) WHERE previous_key_id IS NOT NULL;
CREATE INDEX users_created_at_idx ON sentinel.users (tenant_id, created_at, id);
CREATE INDEX users_last_login_idx ON sentinel.users (tenant_id, last_login, id);
CREATE INDEX users_owner_idx ON sentinel.users (tenant_id, owner_id) WHERE owner_id IS NOT NULL;
CALL sentinel.setup_tenant_table('sentinel.users');

CREATE TABLE sentinel.login_failures (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    network text NOT NULL,
    failed_count integer NOT NULL DEFAULT 0,
    lock_count integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT login_failures_pkey PRIMARY KEY (id),
    CONSTRAINT login_failures_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT login_failures_user_network_key UNIQUE (tenant_id, user_id, network),
    CONSTRAINT login_failures_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT login_failures_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT login_failures_network_length CHECK (char_length(network) BETWEEN 1 AND 64),
    CONSTRAINT login_failures_counts_not_negative CHECK (failed_count >= 0 AND lock_count >= 0)
);
COMMENT ON TABLE sentinel.login_failures IS 'Failed logins by account and network prefix, so that nobody can lock another out from elsewhere.';
CALL sentinel.setup_tenant_table('sentinel.login_failures');

CREATE TABLE sentinel.refresh_tokens (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    family_id uuid NOT NULL,
    family_expires_at timestamptz NOT NULL,
    token_hash bytea NOT NULL,
    device_info jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    replaced_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT refresh_tokens_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT refresh_tokens_token_hash_key UNIQUE (tenant_id, token_hash),
    CONSTRAINT refresh_tokens_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_replaced_by_fk FOREIGN KEY (tenant_id, replaced_by) REFERENCES sentinel.refresh_tokens (tenant_id, id)
        ON DELETE SET NULL (replaced_by) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT refresh_tokens_device_info_object CHECK (jsonb_typeof(device_info) = 'object')
);
CREATE INDEX refresh_tokens_family_idx ON sentinel.refresh_tokens (tenant_id, family_id);
CREATE INDEX refresh_tokens_user_idx ON sentinel.refresh_tokens (tenant_id, user_id, created_at);
CREATE INDEX refresh_tokens_replaced_by_idx ON sentinel.refresh_tokens (tenant_id, replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX refresh_tokens_expires_at_idx ON sentinel.refresh_tokens (tenant_id, expires_at);
CALL sentinel.setup_tenant_table('sentinel.refresh_tokens');

CREATE TABLE sentinel.token_blacklist (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    jti text NOT NULL,
    user_id uuid,
    token_type text NOT NULL DEFAULT 'access',
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_by uuid,
    revoked_by_tenant uuid,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT token_blacklist_pkey PRIMARY KEY (id),
    CONSTRAINT token_blacklist_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT token_blacklist_jti_key UNIQUE (tenant_id, jti),
    CONSTRAINT token_blacklist_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT token_blacklist_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT token_blacklist_jti_length CHECK (char_length(jti) BETWEEN 1 AND 100),
    CONSTRAINT token_blacklist_token_type_known CHECK (token_type IN ('access', 'refresh', 'service_account')),
    CONSTRAINT token_blacklist_revoked_by_whole CHECK ((revoked_by IS NULL) = (revoked_by_tenant IS NULL)),
    CONSTRAINT token_blacklist_reason_length CHECK (char_length(reason) <= 500)
);
CREATE INDEX token_blacklist_user_idx ON sentinel.token_blacklist (tenant_id, user_id);
CREATE INDEX token_blacklist_revoked_at_idx ON sentinel.token_blacklist (tenant_id, revoked_at);
CREATE INDEX token_blacklist_expires_at_idx ON sentinel.token_blacklist (tenant_id, expires_at);
CALL sentinel.setup_tenant_table('sentinel.token_blacklist');

CREATE TABLE sentinel.one_time_tokens (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    token_hash bytea NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT one_time_tokens_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT one_time_tokens_token_hash_key UNIQUE (tenant_id, token_hash),
    CONSTRAINT one_time_tokens_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT one_time_tokens_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT one_time_tokens_purpose_known CHECK (purpose IN ('password_reset', 'invitation', 'email_change')),
    CONSTRAINT one_time_tokens_metadata_object CHECK (jsonb_typeof(metadata) = 'object')
);
CREATE INDEX one_time_tokens_user_idx ON sentinel.one_time_tokens (tenant_id, user_id, purpose);
CREATE INDEX one_time_tokens_expires_at_idx ON sentinel.one_time_tokens (tenant_id, expires_at);
CALL sentinel.setup_tenant_table('sentinel.one_time_tokens');

CREATE TABLE sentinel.mfa_recovery_codes (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT mfa_recovery_codes_pkey PRIMARY KEY (id),
    CONSTRAINT mfa_recovery_codes_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT mfa_recovery_codes_code_hash_key UNIQUE (tenant_id, user_id, code_hash),
    CONSTRAINT mfa_recovery_codes_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT mfa_recovery_codes_user_fk FOREIGN KEY (tenant_id, user_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE
);
CALL sentinel.setup_tenant_table('sentinel.mfa_recovery_codes');

CREATE TABLE sentinel.signing_keys (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    kid text NOT NULL,
    algorithm text NOT NULL DEFAULT 'EdDSA',
    public_key bytea NOT NULL,
    private_key bytea NOT NULL,
    status text NOT NULL DEFAULT 'next',
    not_before timestamptz NOT NULL DEFAULT now(),
    not_after timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT signing_keys_pkey PRIMARY KEY (id),
    CONSTRAINT signing_keys_kid_key UNIQUE (kid),
    CONSTRAINT signing_keys_kid_length CHECK (char_length(kid) BETWEEN 1 AND 100),
    CONSTRAINT signing_keys_algorithm_known CHECK (algorithm IN ('EdDSA')),
    CONSTRAINT signing_keys_status_known CHECK (status IN ('next', 'active', 'retired'))
);
COMMENT ON TABLE sentinel.signing_keys IS 'RLS exempt: the keys sign for all tenants and belong to none. private_key is encrypted with the master key.';
CREATE UNIQUE INDEX signing_keys_one_active ON sentinel.signing_keys (status) WHERE status = 'active';
CALL sentinel.setup_table('sentinel.signing_keys', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE sentinel.idempotency_keys (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    principal_tenant_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status_code integer,
    response_headers jsonb NOT NULL DEFAULT '{}',
    response_body bytea,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id),
    CONSTRAINT idempotency_keys_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT idempotency_keys_scope_key UNIQUE (tenant_id, principal_id, route, key),
    CONSTRAINT idempotency_keys_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_route_length CHECK (char_length(route) BETWEEN 1 AND 300),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_response_headers_object CHECK (jsonb_typeof(response_headers) = 'object')
);
COMMENT ON COLUMN sentinel.idempotency_keys.status_code IS 'Null while the first request is under way.';
CREATE INDEX idempotency_keys_expires_at_idx ON sentinel.idempotency_keys (tenant_id, expires_at);
CALL sentinel.setup_tenant_table('sentinel.idempotency_keys');

-- +goose Down

DROP TABLE sentinel.idempotency_keys;
DROP TABLE sentinel.signing_keys;
DROP TABLE sentinel.mfa_recovery_codes;
DROP TABLE sentinel.one_time_tokens;
DROP TABLE sentinel.token_blacklist;
DROP TABLE sentinel.refresh_tokens;
DROP TABLE sentinel.login_failures;
DROP TABLE sentinel.users;
