-- A stamp that changes whenever anybody in an organisation does, so that a process which has read everybody once need not read
-- them again. Triggers keep it: no writer can forget to, and an old number that is still called would be a silent failure.

CREATE TABLE directory_stamp (
    organisation_id BLOB PRIMARY KEY REFERENCES organisation (id),
    stamp           TEXT NOT NULL -- never the same twice, not even after a rollback
) STRICT, WITHOUT ROWID;

INSERT INTO directory_stamp (organisation_id, stamp) SELECT id, hex(randomblob(16)) FROM organisation;

CREATE TRIGGER organisation_stamped AFTER INSERT ON organisation BEGIN
    INSERT INTO directory_stamp (organisation_id, stamp) VALUES (NEW.id, hex(randomblob(16)));
END;
-- Not when its log grows.
CREATE TRIGGER organisation_changed AFTER UPDATE OF name, zone, duty_manager, last_resort ON organisation BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = NEW.id;
END;

CREATE TRIGGER team_added AFTER INSERT ON team BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = NEW.organisation_id;
END;
CREATE TRIGGER team_changed AFTER UPDATE ON team BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16))
    WHERE organisation_id IN (OLD.organisation_id, NEW.organisation_id);
END;
CREATE TRIGGER team_removed AFTER DELETE ON team BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = OLD.organisation_id;
END;

CREATE TRIGGER person_added AFTER INSERT ON person BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = NEW.organisation_id;
END;
CREATE TRIGGER person_changed AFTER UPDATE ON person BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16))
    WHERE organisation_id IN (OLD.organisation_id, NEW.organisation_id);
END;
CREATE TRIGGER person_removed AFTER DELETE ON person BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = OLD.organisation_id;
END;

CREATE TRIGGER contact_added AFTER INSERT ON emergency_contact BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16))
    WHERE organisation_id = (SELECT organisation_id FROM person WHERE id = NEW.person_id);
END;
CREATE TRIGGER contact_changed AFTER UPDATE ON emergency_contact BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16))
    WHERE organisation_id IN (SELECT organisation_id FROM person WHERE id IN (OLD.person_id, NEW.person_id));
END;
CREATE TRIGGER contact_removed AFTER DELETE ON emergency_contact BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16))
    WHERE organisation_id = (SELECT organisation_id FROM person WHERE id = OLD.person_id);
END;
