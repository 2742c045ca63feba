-- How many connections read an app's database at once; where nothing is said, the engine decides.
ALTER TABLE app ADD COLUMN connections INTEGER CHECK (connections BETWEEN 1 AND 8);
