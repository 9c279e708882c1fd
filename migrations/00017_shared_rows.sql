-- A field is defined once for whoever sees it: by the platform for everybody, or
-- by tenants for themselves, not by both.

-- +goose Up

-- Not led by the tenant: a definition of the platform's is held against those of
-- all tenants.
CREATE INDEX field_definitions_name_idx ON sentinel.field_definitions (entity_type, field_name);

-- +goose StatementBegin
CREATE FUNCTION sentinel.check_field_owner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    -- The digits stand for nothing but this trigger.
    lock_key CONSTANT bigint := 170017;
BEGIN
    -- Tenants do not wait for each other, but for the platform, and it for them:
    -- neither sees what the other has not committed.
    IF NEW.tenant_id IS NULL THEN
        PERFORM pg_advisory_xact_lock(lock_key);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(lock_key);
    END IF;
    IF EXISTS (
        SELECT
        FROM sentinel.field_definitions
        WHERE entity_type = NEW.entity_type
        AND field_name = NEW.field_name
        AND (tenant_id IS NULL) <> (NEW.tenant_id IS NULL)
    ) THEN
        RAISE EXCEPTION 'field % of % is defined elsewhere', NEW.field_name, NEW.entity_type
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'field_definitions_platform_key', SCHEMA = 'sentinel', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.check_field_owner() IS 'The platform''s rows are written in the system scope, in which all tenants'' are seen; a tenant sees the platform''s beside its own.';
CREATE TRIGGER check_field_owner_insert AFTER INSERT ON sentinel.field_definitions
    FOR EACH ROW EXECUTE FUNCTION sentinel.check_field_owner();
CREATE TRIGGER check_field_owner_update AFTER UPDATE ON sentinel.field_definitions
    FOR EACH ROW WHEN ((NEW.tenant_id, NEW.entity_type, NEW.field_name) IS DISTINCT FROM (OLD.tenant_id, OLD.entity_type, OLD.field_name))
    EXECUTE FUNCTION sentinel.check_field_owner();

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;

-- +goose Down

DROP TRIGGER check_field_owner_update ON sentinel.field_definitions;
DROP TRIGGER check_field_owner_insert ON sentinel.field_definitions;
DROP FUNCTION sentinel.check_field_owner();
DROP INDEX sentinel.field_definitions_name_idx;
