-- Which models of an app belong together, where neither the source nor their names say so.
ALTER TABLE app ADD COLUMN modules TEXT NOT NULL DEFAULT '[]';
