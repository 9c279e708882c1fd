-- Imports keep the rows of their file sealed, part by part, until each is
-- written, and what was refused of it.

-- +goose Up

ALTER TABLE sentinel.imports
    DROP CONSTRAINT imports_status_known,
    DROP CONSTRAINT imports_options_object,
    DROP CONSTRAINT imports_errors_array,
    DROP COLUMN content,
    DROP COLUMN options,
    DROP COLUMN errors;
ALTER TABLE sentinel.imports RENAME COLUMN failed_rows TO refused_rows;
ALTER TABLE sentinel.imports
    ADD COLUMN source text NOT NULL DEFAULT '',
    ADD COLUMN sha256 bytea NOT NULL DEFAULT '',
    ADD COLUMN created_rows integer NOT NULL DEFAULT 0,
    ADD COLUMN updated_rows integer NOT NULL DEFAULT 0,
    ADD COLUMN unchanged_rows integer NOT NULL DEFAULT 0,
    ADD COLUMN error text NOT NULL DEFAULT '',
    ADD COLUMN scope text[] NOT NULL DEFAULT '{}',
    ADD COLUMN by_service_account boolean NOT NULL DEFAULT false,
    ADD COLUMN token_epoch integer NOT NULL DEFAULT 0,
    ADD COLUMN started_at timestamptz,
    ADD CONSTRAINT imports_status_known CHECK (status IN ('pending', 'running', 'done', 'failed', 'cancelled')),
    ADD CONSTRAINT imports_source_length CHECK (char_length(source) <= 255),
    ADD CONSTRAINT imports_error_length CHECK (char_length(error) <= 2000),
    ADD CONSTRAINT imports_counts_not_negative CHECK (
        total_rows >= 0 AND processed_rows >= 0 AND refused_rows >= 0 AND created_rows >= 0 AND updated_rows >= 0 AND unchanged_rows >= 0);
COMMENT ON COLUMN sentinel.imports.scope IS 'What the token of whoever started it was narrowed to: rows are written with its rights.';
COMMENT ON COLUMN sentinel.imports.token_epoch IS 'That of the account when it started the import: nothing more is written once its sessions were ended.';
CREATE INDEX imports_unfinished_idx ON sentinel.imports (tenant_id) WHERE status IN ('pending', 'running', 'failed');

CREATE TABLE sentinel.import_parts (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    row_count integer NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_parts_pkey PRIMARY KEY (id),
    CONSTRAINT import_parts_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT import_parts_number_key UNIQUE (tenant_id, import_id, number),
    CONSTRAINT import_parts_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT import_parts_import_fk FOREIGN KEY (tenant_id, import_id) REFERENCES sentinel.imports (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT import_parts_kind_length CHECK (char_length(kind) BETWEEN 1 AND 100),
    CONSTRAINT import_parts_row_count_positive CHECK (row_count > 0)
);
COMMENT ON TABLE sentinel.import_parts IS 'Rows of a file that wait to be written, in the order in which they will be. A part goes in the transaction that writes it. sealed is encrypted with the master key.';
CREATE INDEX import_parts_created_at_idx ON sentinel.import_parts (tenant_id, created_at);
CALL sentinel.setup_tenant_table('sentinel.import_parts');

CREATE TABLE sentinel.import_refusals (
    id uuid NOT NULL DEFAULT sentinel.uuid_v7(),
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    line integer NOT NULL,
    kind text NOT NULL DEFAULT '',
    key text NOT NULL DEFAULT '',
    field text NOT NULL DEFAULT '',
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_refusals_pkey PRIMARY KEY (id),
    CONSTRAINT import_refusals_tenant_id_id_key UNIQUE (tenant_id, id),
    CONSTRAINT import_refusals_tenant_fk FOREIGN KEY (tenant_id) REFERENCES sentinel.tenants (id) ON DELETE CASCADE,
    CONSTRAINT import_refusals_import_fk FOREIGN KEY (tenant_id, import_id) REFERENCES sentinel.imports (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT import_refusals_kind_length CHECK (char_length(kind) <= 100),
    CONSTRAINT import_refusals_key_length CHECK (char_length(key) <= 400),
    CONSTRAINT import_refusals_field_length CHECK (char_length(field) <= 400),
    CONSTRAINT import_refusals_reason_length CHECK (char_length(reason) BETWEEN 1 AND 2000)
);
CREATE INDEX import_refusals_line_idx ON sentinel.import_refusals (tenant_id, import_id, line, id);
CREATE INDEX import_refusals_created_at_idx ON sentinel.import_refusals (tenant_id, created_at);
CALL sentinel.setup_tenant_table('sentinel.import_refusals');

-- +goose Down

DROP TABLE sentinel.import_refusals;
DROP TABLE sentinel.import_parts;
DROP INDEX sentinel.imports_unfinished_idx;
-- The owner may be bound by row-level security.
SELECT set_config('sentinel.scope', 'system', true);
UPDATE sentinel.imports SET status = 'failed' WHERE status = 'cancelled';
ALTER TABLE sentinel.imports
    DROP CONSTRAINT imports_counts_not_negative,
    DROP CONSTRAINT imports_error_length,
    DROP CONSTRAINT imports_source_length,
    DROP CONSTRAINT imports_status_known,
    DROP COLUMN started_at,
    DROP COLUMN token_epoch,
    DROP COLUMN by_service_account,
    DROP COLUMN scope,
    DROP COLUMN error,
    DROP COLUMN unchanged_rows,
    DROP COLUMN updated_rows,
    DROP COLUMN created_rows,
    DROP COLUMN sha256,
    DROP COLUMN source;
ALTER TABLE sentinel.imports RENAME COLUMN refused_rows TO failed_rows;
ALTER TABLE sentinel.imports
    ADD COLUMN content bytea,
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN errors jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT imports_status_known CHECK (status IN ('pending', 'running', 'done', 'failed')),
    ADD CONSTRAINT imports_options_object CHECK (jsonb_typeof(options) = 'object'),
    ADD CONSTRAINT imports_errors_array CHECK (jsonb_typeof(errors) = 'array');
