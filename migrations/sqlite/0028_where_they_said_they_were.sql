-- Another place than the planned one, named as the worker went in: whoever looks for them reads both.
ALTER TABLE visit ADD COLUMN place_said TEXT;
