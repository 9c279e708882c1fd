-- The queue of background jobs: River's tables as its migrations 1 to 8 of the
-- line "main" leave them (github.com/riverqueue/river, MPL-2.0), without those
-- that only its own migrator reads. A new version of River with new migrations
-- needs one here.

-- +goose Up

CREATE TYPE sentinel.river_job_state AS ENUM (
    'available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled');

CREATE TABLE sentinel.river_job (
    id bigserial NOT NULL,
    state sentinel.river_job_state NOT NULL DEFAULT 'available',
    attempt smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL DEFAULT 25,
    attempted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    finalized_at timestamptz,
    scheduled_at timestamptz NOT NULL DEFAULT now(),
    priority smallint NOT NULL DEFAULT 1,
    args jsonb NOT NULL,
    attempted_by text[],
    errors jsonb[],
    kind text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    queue text NOT NULL DEFAULT 'default',
    tags varchar(255)[] NOT NULL DEFAULT '{}',
    unique_key bytea,
    unique_states bit(8),
    CONSTRAINT river_job_pkey PRIMARY KEY (id),
    CONSTRAINT finalized_or_finalized_at_null CHECK (
        (finalized_at IS NULL AND state NOT IN ('cancelled', 'completed', 'discarded'))
        OR (finalized_at IS NOT NULL AND state IN ('cancelled', 'completed', 'discarded'))),
    CONSTRAINT max_attempts_is_positive CHECK (max_attempts > 0),
    CONSTRAINT priority_in_range CHECK (priority >= 1 AND priority <= 4),
    CONSTRAINT queue_length CHECK (char_length(queue) > 0 AND char_length(queue) < 128),
    CONSTRAINT kind_length CHECK (char_length(kind) > 0 AND char_length(kind) < 128)
);
COMMENT ON TABLE sentinel.river_job IS 'RLS exempt: the workers take jobs of all tenants. A job holds ids only, its tenant''s among them, and is done in a transaction of that tenant.';
CREATE INDEX river_job_kind ON sentinel.river_job (kind);
CREATE INDEX river_job_state_and_finalized_at_index ON sentinel.river_job (state, finalized_at) WHERE finalized_at IS NOT NULL;
CREATE INDEX river_job_prioritized_fetching_index ON sentinel.river_job (state, queue, priority, scheduled_at, id);
CREATE INDEX river_job_args_index ON sentinel.river_job USING gin (args);
CREATE INDEX river_job_metadata_index ON sentinel.river_job USING gin (metadata);

-- +goose StatementBegin
CREATE FUNCTION sentinel.river_job_state_in_bitmask(bitmask bit(8), state sentinel.river_job_state) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
SELECT CASE state
    WHEN 'available' THEN get_bit(bitmask, 7)
    WHEN 'cancelled' THEN get_bit(bitmask, 6)
    WHEN 'completed' THEN get_bit(bitmask, 5)
    WHEN 'discarded' THEN get_bit(bitmask, 4)
    WHEN 'pending' THEN get_bit(bitmask, 3)
    WHEN 'retryable' THEN get_bit(bitmask, 2)
    WHEN 'running' THEN get_bit(bitmask, 1)
    WHEN 'scheduled' THEN get_bit(bitmask, 0)
    ELSE 0
END = 1
$$;
-- +goose StatementEnd
CREATE UNIQUE INDEX river_job_unique_idx ON sentinel.river_job (unique_key)
    WHERE unique_key IS NOT NULL AND unique_states IS NOT NULL AND sentinel.river_job_state_in_bitmask(unique_states, state);

CREATE UNLOGGED TABLE sentinel.river_leader (
    elected_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    leader_id text NOT NULL,
    name text NOT NULL DEFAULT 'default',
    CONSTRAINT river_leader_pkey PRIMARY KEY (name),
    CONSTRAINT name_length CHECK (name = 'default'),
    CONSTRAINT leader_id_length CHECK (char_length(leader_id) > 0 AND char_length(leader_id) < 128)
);
COMMENT ON TABLE sentinel.river_leader IS 'RLS exempt: the one process that looks after the queue, for all tenants.';

CREATE TABLE sentinel.river_queue (
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}',
    paused_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT river_queue_pkey PRIMARY KEY (name),
    CONSTRAINT river_queue_name_length CHECK (char_length(name) BETWEEN 1 AND 127)
);
COMMENT ON TABLE sentinel.river_queue IS 'RLS exempt: the names of the queues, which serve all tenants.';

CREATE TABLE sentinel.river_notification (
    id bigserial NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT river_notification_pkey PRIMARY KEY (id),
    CONSTRAINT river_notification_payload_length CHECK (char_length(payload) <= 10000),
    CONSTRAINT topic_length CHECK (length(topic) > 0 AND length(topic) < 128)
);
COMMENT ON TABLE sentinel.river_notification IS 'RLS exempt: signals between workers of other databases, which have no NOTIFY. Stays empty here.';
CREATE INDEX river_notification_created_at_idx ON sentinel.river_notification (created_at);
CREATE INDEX river_notification_topic_id_idx ON sentinel.river_notification (topic, id);

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sentinel.river_job_state_in_bitmask(bit, sentinel.river_job_state) TO sentinel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sentinel.river_job, sentinel.river_leader, sentinel.river_queue, sentinel.river_notification TO sentinel_app;
GRANT USAGE ON SEQUENCE sentinel.river_job_id_seq, sentinel.river_notification_id_seq TO sentinel_app;

-- +goose Down

DROP TABLE sentinel.river_notification;
DROP TABLE sentinel.river_queue;
DROP TABLE sentinel.river_leader;
DROP TABLE sentinel.river_job;
DROP FUNCTION sentinel.river_job_state_in_bitmask(bit, sentinel.river_job_state);
DROP TYPE sentinel.river_job_state;
