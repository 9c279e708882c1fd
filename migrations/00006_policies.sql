-- Rego modules, their history, what was published, and the agents that run it.

-- +goose Up

CREATE TABLE sentinel.policies (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    path text NOT NULL,
    package text NOT NULL,
    rego text NOT NULL,
    description text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    published_version integer,
    status text NOT NULL DEFAULT 'draft',
    created_by uuid,
    created_by_tenant uuid,
    updated_by uuid,
    updated_by_tenant uuid,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policies_pkey PRIMARY KEY (id),
    CONSTRAINT policies_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT policies_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT policies_path_length CHECK (char_length(path) BETWEEN 1 AND 255),
    CONSTRAINT policies_package_length CHECK (char_length(package) BETWEEN 1 AND 255),
    CONSTRAINT policies_rego_size CHECK (octet_length(rego) <= 262144),
    CONSTRAINT policies_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT policies_version_positive CHECK (version >= 1),
    CONSTRAINT policies_published_version_known CHECK (published_version BETWEEN 1 AND version),
    CONSTRAINT policies_status_known CHECK (status IN ('draft', 'validated', 'tested', 'published', 'superseded')),
    CONSTRAINT policies_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL)),
    CONSTRAINT policies_updated_by_whole CHECK ((updated_by IS NULL) = (updated_by_tenant IS NULL))
);
COMMENT ON COLUMN sentinel.policies.rego IS 'The draft, equal to the text of policy_versions at version.';
COMMENT ON COLUMN sentinel.policies.deleted_at IS 'A deleted module stays live until the next publication, and restorable by a rollback after it.';
CREATE UNIQUE INDEX policies_path_key ON sentinel.policies (tenant_id, path) WHERE deleted_at IS NULL;
CREATE INDEX policies_created_at_idx ON sentinel.policies (tenant_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.policies');

CREATE TABLE sentinel.policy_versions (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    policy_id uuid NOT NULL,
    version integer NOT NULL,
    path text NOT NULL,
    package text NOT NULL,
    rego text NOT NULL,
    description text NOT NULL DEFAULT '',
    author_id uuid,
    author_tenant_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policy_versions_pkey PRIMARY KEY (id),
    CONSTRAINT policy_versions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT policy_versions_version_key UNIQUE (tenant_id, policy_id, version),
    CONSTRAINT policy_versions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT policy_versions_policy_fk FOREIGN KEY (tenant_id, policy_id) REFERENCES sentinel.policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT policy_versions_version_positive CHECK (version >= 1),
    CONSTRAINT policy_versions_path_length CHECK (char_length(path) BETWEEN 1 AND 255),
    CONSTRAINT policy_versions_package_length CHECK (char_length(package) BETWEEN 1 AND 255),
    CONSTRAINT policy_versions_rego_size CHECK (octet_length(rego) <= 262144),
    CONSTRAINT policy_versions_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT policy_versions_author_whole CHECK ((author_id IS NULL) = (author_tenant_id IS NULL))
);
COMMENT ON TABLE sentinel.policy_versions IS 'Every text a module ever had. Never updated.';
CALL sentinel.setup_tenant_table('sentinel.policy_versions', 'SELECT, INSERT, DELETE');

CREATE TABLE sentinel.policy_revisions (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    revision bigint NOT NULL,
    modules jsonb NOT NULL DEFAULT '[]',
    bundle_digest text NOT NULL DEFAULT '',
    rollback_of bigint,
    is_forced boolean NOT NULL DEFAULT false,
    force_reason text NOT NULL DEFAULT '',
    simulation jsonb NOT NULL DEFAULT '{}',
    published_by uuid,
    published_by_tenant uuid,
    published_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policy_revisions_pkey PRIMARY KEY (id),
    CONSTRAINT policy_revisions_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT policy_revisions_revision_key UNIQUE (tenant_id, revision),
    CONSTRAINT policy_revisions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT policy_revisions_rollback_of_fk FOREIGN KEY (tenant_id, rollback_of) REFERENCES sentinel.policy_revisions (tenant_id, revision),
    CONSTRAINT policy_revisions_revision_positive CHECK (revision >= 1),
    CONSTRAINT policy_revisions_modules_array CHECK (jsonb_typeof(modules) = 'array'),
    CONSTRAINT policy_revisions_bundle_digest_length CHECK (char_length(bundle_digest) <= 128),
    CONSTRAINT policy_revisions_force_reason_given CHECK (NOT is_forced OR char_length(force_reason) BETWEEN 1 AND 2000),
    CONSTRAINT policy_revisions_simulation_object CHECK (jsonb_typeof(simulation) = 'object'),
    CONSTRAINT policy_revisions_published_by_whole CHECK ((published_by IS NULL) = (published_by_tenant IS NULL))
);
COMMENT ON TABLE sentinel.policy_revisions IS 'What was published: the highest revision of a tenant is live.';
COMMENT ON COLUMN sentinel.policy_revisions.modules IS 'An array of {policy_id, version_id, path, package, version}.';
CALL sentinel.setup_tenant_table('sentinel.policy_revisions');

CREATE TABLE sentinel.opa_agents (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    agent_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    opa_version text NOT NULL DEFAULT '',
    labels jsonb NOT NULL DEFAULT '{}',
    status jsonb NOT NULL DEFAULT '{}',
    active_revision text NOT NULL DEFAULT '',
    account_id uuid,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    last_activated_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT opa_agents_pkey PRIMARY KEY (id),
    CONSTRAINT opa_agents_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT opa_agents_agent_id_key UNIQUE (tenant_id, agent_id),
    CONSTRAINT opa_agents_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT opa_agents_account_fk FOREIGN KEY (tenant_id, account_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE SET NULL (account_id),
    CONSTRAINT opa_agents_agent_id_length CHECK (char_length(agent_id) BETWEEN 1 AND 255),
    CONSTRAINT opa_agents_name_length CHECK (char_length(name) <= 255),
    CONSTRAINT opa_agents_opa_version_length CHECK (char_length(opa_version) <= 100),
    CONSTRAINT opa_agents_active_revision_length CHECK (char_length(active_revision) <= 255),
    CONSTRAINT opa_agents_labels_object CHECK (jsonb_typeof(labels) = 'object'),
    CONSTRAINT opa_agents_status_object CHECK (jsonb_typeof(status) = 'object')
);
CREATE INDEX opa_agents_account_idx ON sentinel.opa_agents (tenant_id, account_id);
CREATE INDEX opa_agents_last_seen_at_idx ON sentinel.opa_agents (tenant_id, last_seen_at);
CALL sentinel.setup_tenant_table('sentinel.opa_agents');

-- +goose Down

DROP TABLE sentinel.opa_agents;
DROP TABLE sentinel.policy_revisions;
DROP TABLE sentinel.policy_versions;
DROP TABLE sentinel.policies;
