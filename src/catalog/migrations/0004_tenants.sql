-- The tenants of which a configuration makes one backup each.
ALTER TABLE configuration ADD COLUMN tenants TEXT NOT NULL DEFAULT '[]';
