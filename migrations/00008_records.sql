-- What happened: decisions by day, audit records by month. Neither refers to
-- its tenant by a foreign key: the record outlives it.

-- +goose Up

CREATE TABLE sentinel.decision_logs (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    revision text NOT NULL DEFAULT '',
    subject_id uuid,
    question jsonb NOT NULL,
    answer jsonb NOT NULL,
    allowed boolean NOT NULL,
    reason_code text NOT NULL,
    latency_us integer NOT NULL DEFAULT 0,
    cache_hit boolean NOT NULL DEFAULT false,
    origin text NOT NULL DEFAULT 'engine',
    agent_id text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    CONSTRAINT decision_logs_pkey PRIMARY KEY (tenant_id, decided_at, id, agent_id),
    CONSTRAINT decision_logs_revision_length CHECK (char_length(revision) <= 2000),
    CONSTRAINT decision_logs_reason_code_length CHECK (char_length(reason_code) BETWEEN 1 AND 100),
    CONSTRAINT decision_logs_origin_length CHECK (char_length(origin) BETWEEN 1 AND 50),
    CONSTRAINT decision_logs_agent_id_length CHECK (char_length(agent_id) <= 255),
    CONSTRAINT decision_logs_request_id_length CHECK (char_length(request_id) <= 64)
) PARTITION BY RANGE (decided_at);
COMMENT ON COLUMN sentinel.decision_logs.origin IS 'Who decided; records of agents are believed only as what that agent said.';
COMMENT ON COLUMN sentinel.decision_logs.agent_id IS 'Of the OPA agent; empty for decisions of the server.';
CREATE INDEX decision_logs_id_idx ON sentinel.decision_logs (tenant_id, id);
CREATE INDEX decision_logs_subject_idx ON sentinel.decision_logs (tenant_id, subject_id, decided_at, id);
CALL sentinel.setup_tenant_table('sentinel.decision_logs', 'SELECT, INSERT');

CREATE TABLE sentinel.audit_logs (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    actor_tenant_id uuid,
    actor_type text NOT NULL,
    actor_details jsonb NOT NULL DEFAULT '{}',
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id text NOT NULL DEFAULT '',
    resource_details jsonb NOT NULL DEFAULT '{}',
    changes jsonb NOT NULL DEFAULT '{}',
    result text NOT NULL,
    error_details jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    request_id text NOT NULL DEFAULT '',
    seq bigint NOT NULL,
    prev_hash bytea NOT NULL DEFAULT '',
    hash bytea NOT NULL,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (tenant_id, created_at, id),
    CONSTRAINT audit_logs_actor_whole CHECK ((actor_id IS NULL) = (actor_tenant_id IS NULL)),
    CONSTRAINT audit_logs_actor_type_known CHECK (actor_type IN ('user', 'service_account', 'system')),
    CONSTRAINT audit_logs_action_length CHECK (char_length(action) BETWEEN 1 AND 100),
    CONSTRAINT audit_logs_resource_type_length CHECK (char_length(resource_type) BETWEEN 1 AND 100),
    CONSTRAINT audit_logs_resource_id_length CHECK (char_length(resource_id) <= 255),
    CONSTRAINT audit_logs_result_known CHECK (result IN ('success', 'failure', 'denied')),
    CONSTRAINT audit_logs_request_id_length CHECK (char_length(request_id) <= 64),
    CONSTRAINT audit_logs_seq_positive CHECK (seq >= 1)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE sentinel.audit_logs IS 'A chain per tenant: hash is keyed and covers prev_hash. Rows are only ever inserted.';
CREATE INDEX audit_logs_seq_idx ON sentinel.audit_logs (tenant_id, seq);
CREATE INDEX audit_logs_id_idx ON sentinel.audit_logs (tenant_id, id);
CREATE INDEX audit_logs_actor_idx ON sentinel.audit_logs (tenant_id, actor_id, created_at, id);
CREATE INDEX audit_logs_resource_idx ON sentinel.audit_logs (tenant_id, resource_type, resource_id, created_at, id);
CREATE INDEX audit_logs_action_idx ON sentinel.audit_logs (tenant_id, action, created_at, id);
CALL sentinel.setup_tenant_table('sentinel.audit_logs', 'SELECT, INSERT');

-- +goose StatementBegin
CREATE FUNCTION sentinel.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'audit_logs_append_only', SCHEMA = 'sentinel', TABLE = 'audit_logs';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sentinel.audit_logs
    FOR EACH ROW EXECUTE FUNCTION sentinel.refuse_change();

CREATE TABLE sentinel.audit_heads (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT '',
    anchor_seq bigint NOT NULL DEFAULT 0,
    anchor_hash bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_heads_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT audit_heads_seq_not_negative CHECK (anchor_seq >= 0 AND seq >= anchor_seq)
);
COMMENT ON TABLE sentinel.audit_heads IS 'The last link of each tenant''s chain, locked by whoever appends; and the last one that was dropped with its partition, where verification starts.';
CALL sentinel.setup_tenant_table('sentinel.audit_heads', 'SELECT, INSERT, UPDATE (seq, hash)');

-- +goose StatementBegin
CREATE PROCEDURE sentinel.add_partition(p_parent text, p_from date, p_to date)
    LANGUAGE plpgsql
    AS $$
DECLARE
    partition_name text := format('%s_%s', p_parent, to_char(p_from, 'YYYYMMDD'));
BEGIN
    IF to_regclass(format('sentinel.%I', partition_name)) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Days and months are UTC's.
    EXECUTE format('CREATE TABLE sentinel.%I PARTITION OF sentinel.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, p_parent, p_from::text || ' 00:00:00+00', p_to::text || ' 00:00:00+00');
    -- Its own, for whoever may read it directly: the parent's do not apply then.
    CALL sentinel.setup_tenant_table(format('sentinel.%I', partition_name)::regclass, '');
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sentinel.ensure_partitions(ahead_days integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    SET lock_timeout = '5s'
    AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    last_day date := (now() AT TIME ZONE 'UTC')::date + LEAST(GREATEST(ahead_days, 0), 400);
    p date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('sentinel.ensure_partitions', 0));
    FOR p IN SELECT generate_series(today, last_day, interval '1 day')::date LOOP
        BEGIN
            CALL sentinel.add_partition('decision_logs', p, p + 1);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'decision_logs of % stay in the default partition, which has rows of that day', p;
        END;
    END LOOP;
    FOR p IN SELECT generate_series(date_trunc('month', today::timestamp), date_trunc('month', last_day::timestamp), interval '1 month')::date LOOP
        BEGIN
            CALL sentinel.add_partition('audit_logs', p, (p + interval '1 month')::date);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'audit_logs of % stay in the default partition, which has rows of that month', p;
        END;
    END LOOP;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.ensure_partitions(integer) IS 'Creates the partitions of today and so many days ahead that are not there yet. What has none lands in the default partition.';
GRANT EXECUTE ON FUNCTION sentinel.ensure_partitions(integer) TO sentinel_app;

CREATE TABLE sentinel.decision_logs_default PARTITION OF sentinel.decision_logs DEFAULT;
CREATE TABLE sentinel.audit_logs_default PARTITION OF sentinel.audit_logs DEFAULT;
CALL sentinel.setup_tenant_table('sentinel.decision_logs_default', '');
CALL sentinel.setup_tenant_table('sentinel.audit_logs_default', '');
SELECT sentinel.ensure_partitions(7);

-- +goose StatementBegin
CREATE FUNCTION sentinel.drop_decision_logs(p_before date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    SET lock_timeout = '5s'
    AS $$
DECLARE
    p text;
    dropped integer := 0;
BEGIN
    FOR p IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sentinel.decision_logs'::regclass
        AND c.relname ~ '^decision_logs_[0-9]{8}$'
        AND to_date(right(c.relname, 8), 'YYYYMMDD') < p_before
    LOOP
        EXECUTE format('DROP TABLE sentinel.%I', p);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM sentinel.decision_logs_default WHERE decided_at < p_before::timestamp AT TIME ZONE 'UTC';
    RETURN dropped;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.drop_decision_logs(date) IS 'Drops the days before the given one (UTC) and returns how many partitions that were.';
GRANT EXECUTE ON FUNCTION sentinel.drop_decision_logs(date) TO sentinel_app;

-- +goose StatementBegin
CREATE FUNCTION sentinel.drop_audit_logs(p_before date) RETURNS integer
    LANGUAGE plpgsql
    SET search_path = pg_catalog, sentinel, pg_temp
    SET lock_timeout = '5s'
    AS $$
DECLARE
    p text;
    dropped integer := 0;
BEGIN
    -- It is the owner's session, which row-level security binds.
    PERFORM set_config('sentinel.scope', 'system', true);
    FOR p IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sentinel.audit_logs'::regclass
        AND c.relname ~ '^audit_logs_[0-9]{8}$'
        AND to_date(right(c.relname, 8), 'YYYYMMDD') + interval '1 month' <= p_before
        ORDER BY c.relname
    LOOP
        EXECUTE format($query$
            UPDATE sentinel.audit_heads h
            SET anchor_seq = l.seq, anchor_hash = l.hash
            FROM (SELECT DISTINCT ON (tenant_id) tenant_id, seq, hash FROM sentinel.%I ORDER BY tenant_id, seq DESC) l
            WHERE l.tenant_id = h.tenant_id
            AND l.seq > h.anchor_seq
        $query$, p);
        EXECUTE format('DROP TABLE sentinel.%I', p);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.drop_audit_logs(date) IS 'For the owner alone: drops whole months before the given day (UTC), anchors the chains, and returns how many partitions that were.';

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP FUNCTION sentinel.drop_audit_logs(date);
DROP FUNCTION sentinel.drop_decision_logs(date);
DROP FUNCTION sentinel.ensure_partitions(integer);
DROP PROCEDURE sentinel.add_partition(text, date, date);
DROP TABLE sentinel.audit_heads;
DROP TABLE sentinel.audit_logs;
DROP FUNCTION sentinel.refuse_change();
DROP TABLE sentinel.decision_logs;
