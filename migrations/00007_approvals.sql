-- Approval chains, and what people ask of them.

-- +goose Up

CREATE TABLE sentinel.approval_chains (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    resource_type text NOT NULL,
    resource_pattern text NOT NULL DEFAULT '*',
    mode text NOT NULL DEFAULT 'gate',
    approval_levels jsonb NOT NULL,
    auto_approve_conditions jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_by uuid,
    created_by_tenant uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT approval_chains_pkey PRIMARY KEY (id),
    CONSTRAINT approval_chains_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT approval_chains_name_key UNIQUE (tenant_id, name),
    CONSTRAINT approval_chains_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT approval_chains_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT approval_chains_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT approval_chains_resource_type_format CHECK (resource_type ~ '^(\*|[a-z][a-z0-9_]{0,99})$'),
    CONSTRAINT approval_chains_resource_pattern_length CHECK (char_length(resource_pattern) BETWEEN 1 AND 1000),
    CONSTRAINT approval_chains_mode_known CHECK (mode IN ('gate', 'escalation')),
    CONSTRAINT approval_chains_approval_levels_array CHECK (jsonb_typeof(approval_levels) = 'array'),
    CONSTRAINT approval_chains_auto_approve_conditions_object CHECK (jsonb_typeof(auto_approve_conditions) = 'object'),
    CONSTRAINT approval_chains_created_by_whole CHECK ((created_by IS NULL) = (created_by_tenant IS NULL))
);
CREATE INDEX approval_chains_resource_idx ON sentinel.approval_chains (tenant_id, resource_type, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.approval_chains');

CREATE TABLE sentinel.access_requests (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    requester_id uuid NOT NULL,
    request_type text NOT NULL,
    request_details jsonb NOT NULL DEFAULT '{}',
    justification text NOT NULL DEFAULT '',
    chain_id uuid,
    chain_snapshot jsonb NOT NULL DEFAULT '{}',
    current_level integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'pending',
    expires_at timestamptz,
    level_due_at timestamptz,
    decided_at timestamptz,
    grant_expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT access_requests_pkey PRIMARY KEY (id),
    CONSTRAINT access_requests_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT access_requests_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT access_requests_requester_fk FOREIGN KEY (tenant_id, requester_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT access_requests_chain_fk FOREIGN KEY (tenant_id, chain_id) REFERENCES sentinel.approval_chains (tenant_id, id) ON DELETE SET NULL (chain_id),
    CONSTRAINT access_requests_request_type_known CHECK (request_type IN ('role', 'permission', 'resource_access')),
    CONSTRAINT access_requests_request_details_object CHECK (jsonb_typeof(request_details) = 'object'),
    CONSTRAINT access_requests_justification_length CHECK (char_length(justification) <= 4000),
    CONSTRAINT access_requests_chain_snapshot_object CHECK (jsonb_typeof(chain_snapshot) = 'object'),
    CONSTRAINT access_requests_current_level_positive CHECK (current_level >= 1),
    CONSTRAINT access_requests_status_known CHECK (status IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'revoked'))
);
CREATE INDEX access_requests_requester_idx ON sentinel.access_requests (tenant_id, requester_id, status, created_at, id);
CREATE INDEX access_requests_status_idx ON sentinel.access_requests (tenant_id, status, created_at, id);
CREATE INDEX access_requests_chain_idx ON sentinel.access_requests (tenant_id, chain_id);
CALL sentinel.setup_tenant_table('sentinel.access_requests');

ALTER TABLE sentinel.user_roles
    ADD CONSTRAINT user_roles_source_request_fk FOREIGN KEY (tenant_id, source_request_id)
    REFERENCES sentinel.access_requests (tenant_id, id) ON DELETE SET NULL (source_request_id);
CREATE INDEX user_roles_source_request_idx ON sentinel.user_roles (tenant_id, source_request_id) WHERE source_request_id IS NOT NULL;

CREATE TABLE sentinel.approvals (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    request_id uuid NOT NULL,
    approver_id uuid,
    approver_tenant_id uuid,
    approval_level integer NOT NULL,
    decision text NOT NULL,
    comments text NOT NULL DEFAULT '',
    decided_at timestamptz NOT NULL DEFAULT now(),
    delegated_from uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT approvals_pkey PRIMARY KEY (id),
    CONSTRAINT approvals_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT approvals_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT approvals_request_fk FOREIGN KEY (tenant_id, request_id) REFERENCES sentinel.access_requests (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT approvals_approver_whole CHECK ((approver_id IS NULL) = (approver_tenant_id IS NULL)),
    CONSTRAINT approvals_approver_given CHECK (decision = 'escalated' OR approver_id IS NOT NULL),
    CONSTRAINT approvals_approval_level_positive CHECK (approval_level >= 1),
    CONSTRAINT approvals_decision_known CHECK (decision IN ('approved', 'denied', 'escalated')),
    CONSTRAINT approvals_comments_length CHECK (char_length(comments) <= 4000)
);
COMMENT ON COLUMN sentinel.approvals.approver_id IS 'Null for an escalation by time.';
CREATE UNIQUE INDEX approvals_once_key ON sentinel.approvals (tenant_id, request_id, approver_id) WHERE decision <> 'escalated';
CREATE INDEX approvals_request_idx ON sentinel.approvals (tenant_id, request_id, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.approvals', 'SELECT, INSERT');

CREATE TABLE sentinel.approval_delegations (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    from_user uuid NOT NULL,
    to_user uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT approval_delegations_pkey PRIMARY KEY (id),
    CONSTRAINT approval_delegations_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT approval_delegations_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT approval_delegations_from_user_fk FOREIGN KEY (tenant_id, from_user) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT approval_delegations_to_user_fk FOREIGN KEY (tenant_id, to_user) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT approval_delegations_two_people CHECK (from_user <> to_user),
    CONSTRAINT approval_delegations_ordered CHECK (ends_at > starts_at)
);
CREATE INDEX approval_delegations_from_user_idx ON sentinel.approval_delegations (tenant_id, from_user, ends_at);
CREATE INDEX approval_delegations_to_user_idx ON sentinel.approval_delegations (tenant_id, to_user, ends_at);
CALL sentinel.setup_tenant_table('sentinel.approval_delegations');

-- +goose Down

DROP TABLE sentinel.approval_delegations;
DROP TABLE sentinel.approvals;
DROP INDEX sentinel.user_roles_source_request_idx;
ALTER TABLE sentinel.user_roles DROP CONSTRAINT user_roles_source_request_fk;
DROP TABLE sentinel.access_requests;
DROP TABLE sentinel.approval_chains;
