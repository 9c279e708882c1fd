-- As which of a level's approvers a vote may count is taken down with the vote:
-- it stands whatever becomes of whoever gave it.

-- +goose Up

ALTER TABLE sentinel.approvals
    ADD COLUMN entries jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT approvals_entries_array CHECK (jsonb_typeof(entries) = 'array');
COMMENT ON COLUMN sentinel.approvals.entries IS 'The places of the level''s approvers, from 0, as which the vote may count.';

-- +goose Down

ALTER TABLE sentinel.approvals
    DROP COLUMN entries;
