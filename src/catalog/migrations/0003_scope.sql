-- What is left out of a backup: by its configuration, as dispensable to the app, and in each backup that was made.
ALTER TABLE app ADD COLUMN dispensable TEXT NOT NULL DEFAULT '[]';
ALTER TABLE configuration ADD COLUMN exclude_modules TEXT NOT NULL DEFAULT '[]';
ALTER TABLE configuration ADD COLUMN exclude_models TEXT NOT NULL DEFAULT '[]';
ALTER TABLE backup ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
