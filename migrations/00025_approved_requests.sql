-- Who was approved for a resource, in the order of users: asked for where an
-- approval is enough, and there may be many of a chain.

-- +goose Up

CREATE INDEX access_requests_approved_idx ON sentinel.access_requests (
    tenant_id, chain_id, COALESCE(request_details ->> 'node_id', request_details ->> 'resource_id', ''), beneficiary_id)
    WHERE status = 'approved' AND NOT auto_approved;

-- +goose Down

DROP INDEX sentinel.access_requests_approved_idx;
