-- A stamp that changes whenever anybody in an organisation does, so that a process which has read everybody once need not read
-- them again. Triggers keep it: no writer can forget to, and an old number that is still called would be a silent failure.

CREATE TABLE directory_stamp (
    organisation_id UUID PRIMARY KEY REFERENCES organisation (id),
    stamp           XID8 NOT NULL -- the transaction that changed it last: never the same twice, not even after a rollback
);

INSERT INTO directory_stamp (organisation_id, stamp) SELECT id, pg_current_xact_id() FROM organisation;

-- Once in a transaction: it may change very many rows.
CREATE FUNCTION stamp_directory(changed UUID) RETURNS void LANGUAGE sql AS $$
    UPDATE directory_stamp SET stamp = pg_current_xact_id()
    WHERE organisation_id = changed AND stamp <> pg_current_xact_id()
$$;

CREATE FUNCTION organisation_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO directory_stamp (organisation_id, stamp) VALUES (NEW.id, pg_current_xact_id());
    ELSE
        PERFORM stamp_directory(NEW.id);
    END IF;
    RETURN NULL;
END $$;
-- Not when its log grows.
CREATE TRIGGER organisation_changed AFTER INSERT OR UPDATE OF name, zone, duty_manager, last_resort ON organisation
FOR EACH ROW EXECUTE FUNCTION organisation_changed();

CREATE FUNCTION member_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM stamp_directory(OLD.organisation_id); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM stamp_directory(NEW.organisation_id); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER team_changed AFTER INSERT OR UPDATE OR DELETE ON team
FOR EACH ROW EXECUTE FUNCTION member_changed();
CREATE TRIGGER person_changed AFTER INSERT OR UPDATE OR DELETE ON person
FOR EACH ROW EXECUTE FUNCTION member_changed();

CREATE FUNCTION contact_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM stamp_directory((SELECT organisation_id FROM person WHERE id = OLD.person_id));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM stamp_directory((SELECT organisation_id FROM person WHERE id = NEW.person_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_changed AFTER INSERT OR UPDATE OR DELETE ON emergency_contact
FOR EACH ROW EXECUTE FUNCTION contact_changed();
