-- Pages of a search that finds much, and of a tree by type, without reading and
-- sorting all that is found.

-- +goose Up

-- With the id, so that a page by type and code is found in the index alone.
ALTER TABLE sentinel.resources
    DROP CONSTRAINT resources_type_code_key,
    ADD CONSTRAINT resources_type_code_key UNIQUE (tenant_id, type, code) INCLUDE (id);

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_pattern(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
SELECT CASE WHEN position(chr(31) IN p_text) = 0
    THEN '%' || replace(replace(replace(lower(p_text), E'\\', E'\\\\'), '%', E'\\%'), '_', E'\\_') || '%' END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.search_pattern(text) IS 'What a haystack that contains the text is LIKE. Null for a text with the separator, which would be found across columns.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_first(p_kind text, p_text text, p_most integer, OUT total bigint, OUT ids uuid[])
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, sentinel, pg_temp
    SET plan_cache_mode = force_custom_plan
    -- All of it is read, in one go.
    SET cursor_tuple_fraction = 1
    AS $$
DECLARE
    tenant uuid := sentinel.current_tenant();
    pattern text := sentinel.search_pattern(p_text);
    hits NO SCROLL CURSOR FOR
        SELECT e.object_id
        FROM sentinel.search_entries e
        WHERE e.tenant_id = tenant
        AND e.kind = p_kind
        AND e.haystack LIKE pattern;
    hit uuid;
    others bigint;
BEGIN
    total := 0;
    ids := '{}';
    IF tenant IS NULL OR pattern IS NULL THEN
        RETURN;
    END IF;
    OPEN hits;
    LOOP
        FETCH hits INTO hit;
        EXIT WHEN NOT FOUND;
        total := total + 1;
        IF total > p_most THEN
            ids := '{}';
            MOVE FORWARD ALL IN hits;
            GET DIAGNOSTICS others = ROW_COUNT;
            total := total + others;
            EXIT;
        END IF;
        ids := ids || hit;
    END LOOP;
    CLOSE hits;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.search_first(text, text, integer) IS 'How many objects search() finds, and which, in no order, if they are no more than p_most.';

-- +goose StatementBegin
CREATE FUNCTION sentinel.search_among(p_kind text, p_text text, p_ids uuid[]) RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER ROWS 1000
    SET search_path = pg_catalog, sentinel, pg_temp
    AS $$
DECLARE
    tenant uuid := sentinel.current_tenant();
    pattern text := sentinel.search_pattern(p_text);
BEGIN
    -- No join: whatever the planner knows of the table, each id is looked up.
    RETURN QUERY
    SELECT candidate.id
    FROM unnest(p_ids) WITH ORDINALITY candidate (id, place)
    WHERE (
        SELECT e.haystack LIKE pattern
        FROM sentinel.search_entries e
        WHERE e.tenant_id = tenant
        AND e.kind = p_kind
        AND e.object_id = candidate.id
    )
    ORDER BY candidate.place;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION sentinel.search_among(text, text, uuid[]) IS 'Those of the ids that search() finds, in the order in which they are given.';

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA sentinel FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sentinel.search_first(text, text, integer), sentinel.search_among(text, text, uuid[]) TO sentinel_app;

-- +goose Down

DROP FUNCTION sentinel.search_among(text, text, uuid[]);
DROP FUNCTION sentinel.search_first(text, text, integer);
DROP FUNCTION sentinel.search_pattern(text);
ALTER TABLE sentinel.resources
    DROP CONSTRAINT resources_type_code_key,
    ADD CONSTRAINT resources_type_code_key UNIQUE (tenant_id, type, code);
