-- An audit row may be written before the deed, as `intended`, and settled once: to ok, denied, failed or unknown. Nothing
-- else of a row ever changes. Rows go only by retention (blueno/db/retention.py), which says so in its transaction.
COMMENT ON COLUMN record.audit.outcome IS 'intended, ok, denied, failed, unknown';

DROP TRIGGER audit_is_append_only ON record.audit;

CREATE OR REPLACE FUNCTION record.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('blueno.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.outcome = 'intended' AND NEW.outcome IN ('ok', 'denied', 'failed', 'unknown')
        AND (NEW.id, NEW.at, NEW.actor, NEW.verb, NEW.resource, NEW.namespace, NEW.name, NEW.request_id, NEW.remote)
        IS NOT DISTINCT FROM
        (OLD.id, OLD.at, OLD.actor, OLD.verb, OLD.resource, OLD.namespace, OLD.name, OLD.request_id, OLD.remote)
        AND NEW.detail @> OLD.detail
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'record.audit is append-only';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON record.audit
    FOR EACH ROW EXECUTE FUNCTION record.refuse_change();
CREATE INDEX audit_by_object ON record.audit (resource, namespace, name, at);

-- Which objects are gone since when: retention asks for nothing else.
CREATE INDEX history_of_deleted ON record.history (at) WHERE condition = 'Deleted';
