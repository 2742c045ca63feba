-- How closely the files of a backup belong to its database.
ALTER TABLE backup ADD COLUMN closeness TEXT;
