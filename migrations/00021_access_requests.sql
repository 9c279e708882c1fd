-- What access requests need beyond the first sketch: who gains by one, the
-- longest time a chain may grant for, and one pending request for one thing.

-- +goose Up

ALTER TABLE sentinel.approval_chains
    ADD COLUMN max_duration_hours integer,
    ADD CONSTRAINT approval_chains_max_duration_hours_range CHECK (max_duration_hours BETWEEN 1 AND 87600);
COMMENT ON COLUMN sentinel.approval_chains.max_duration_hours IS 'The longest time for which an approval may grant. Null: no limit.';

ALTER TABLE sentinel.access_requests
    ADD COLUMN beneficiary_id uuid,
    ADD COLUMN auto_approved boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT access_requests_beneficiary_fk FOREIGN KEY (tenant_id, beneficiary_id) REFERENCES sentinel.users (tenant_id, id) ON DELETE CASCADE;
COMMENT ON COLUMN sentinel.access_requests.beneficiary_id IS 'Who gains: the requester unless they ask for another.';
COMMENT ON COLUMN sentinel.access_requests.auto_approved IS 'The chain''s conditions approved it. Such a row is a record: what it says is judged again at each question, so that it grants nothing by itself.';

-- +goose StatementBegin
DO $$
BEGIN
    PERFORM set_config('sentinel.scope', 'system', true);
    UPDATE sentinel.access_requests SET beneficiary_id = requester_id;
END
$$;
-- +goose StatementEnd

ALTER TABLE sentinel.access_requests
    ALTER COLUMN beneficiary_id SET NOT NULL;

CREATE INDEX access_requests_beneficiary_idx ON sentinel.access_requests (tenant_id, beneficiary_id, status, created_at, id);
CREATE UNIQUE INDEX access_requests_pending_key ON sentinel.access_requests (
    tenant_id, beneficiary_id, request_type,
    COALESCE(request_details ->> 'resource_type', ''), COALESCE(request_details ->> 'resource_id', ''), COALESCE(request_details ->> 'node_id', ''),
    COALESCE(request_details ->> 'action', ''), COALESCE(request_details ->> 'role_id', ''), chain_id)
    WHERE status = 'pending';

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.subjects_changed() RETURNS trigger
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
                    SELECT array_agg(tenant_id), array_agg(beneficiary_id) INTO tenants, users FROM new_rows;
                WHEN 'DELETE' THEN
                    SELECT array_agg(tenant_id), array_agg(beneficiary_id) INTO tenants, users FROM old_rows;
                ELSE
                    SELECT array_agg(n.tenant_id), array_agg(n.beneficiary_id) INTO tenants, users
                    FROM new_rows n
                    JOIN old_rows o USING (id)
                    WHERE (n.beneficiary_id, n.request_type, n.request_details, n.chain_id, n.chain_snapshot, n.current_level,
                           n.status, n.expires_at, n.decided_at, n.grant_expires_at)
                        IS DISTINCT FROM
                          (o.beneficiary_id, o.request_type, o.request_details, o.chain_id, o.chain_snapshot, o.current_level,
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

-- +goose Down

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sentinel.subjects_changed() RETURNS trigger
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

DROP INDEX sentinel.access_requests_pending_key;
DROP INDEX sentinel.access_requests_beneficiary_idx;
ALTER TABLE sentinel.access_requests
    DROP COLUMN auto_approved,
    DROP COLUMN beneficiary_id;
ALTER TABLE sentinel.approval_chains
    DROP COLUMN max_duration_hours;
