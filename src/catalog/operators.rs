//! Operators: who may do what. The engine enforces it; here it is only kept.

use rusqlite::params;

use super::record::{Record, record};
use super::{Catalog, Error, Kind, Reader, Result, Role, Time};

record! {
    /// A person, by their login name, and what they may do.
    Operator {
        /// Their id.
        id: String = "o.id",
        /// Their login name.
        name: String = "o.name",
        /// What they may do.
        role: Role = "o.role",
        /// When they were added.
        created_at: Time = "o.created_at",
    }
}

impl Reader {
    /// Every operator, by name.
    pub fn operators(&self) -> Result<Vec<Operator>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {} FROM operator o ORDER BY o.name", Operator::COLUMNS))?;
            Ok(statement.query_map((), Operator::from_row)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The operator with this login name, if there is one.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>> {
        self.read(|connection| super::one(connection, &format!("SELECT {} FROM operator o WHERE o.name = ?1", Operator::COLUMNS), name))
    }
}

impl Catalog {
    /// Adds an operator, or gives one another role; the last admin keeps theirs.
    pub fn set_operator(&self, name: &str, role: Role) -> Result<Operator> {
        let (id, now) = (self.new_id(), self.now());
        self.write(|change| {
            change.execute(
                "INSERT INTO operator (id, name, role, created_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET role = excluded.role",
                params![id, name, role, now],
            )?;
            an_admin_is_left(change, name)?;
            let sql = format!("SELECT {} FROM operator o WHERE o.name = ?1", Operator::COLUMNS);
            super::one(change, &sql, name)?.ok_or_else(|| Error::NotFound { kind: Kind::Operator, text: name.to_owned() })
        })
    }

    /// Makes whoever comes first an admin: nothing happens when there is an operator already.
    pub fn set_first_operator(&self, name: &str) -> Result<bool> {
        let (id, now) = (self.new_id(), self.now());
        self.write(|change| {
            let sql =
                "INSERT INTO operator (id, name, role, created_at) SELECT ?1, ?2, 'admin', ?3 WHERE NOT EXISTS (SELECT 1 FROM operator)";
            Ok(change.execute(sql, params![id, name, now])? == 1)
        })
    }

    /// Takes an operator away; the last admin cannot be.
    pub fn remove_operator(&self, name: &str) -> Result<()> {
        self.write(|change| {
            super::found(change.execute("DELETE FROM operator WHERE name = ?1", [name])?, Kind::Operator, name)?;
            an_admin_is_left(change, name)
        })
    }
}

/// Without an admin nobody could ever make another one.
fn an_admin_is_left(change: &rusqlite::Connection, name: &str) -> Result<()> {
    if change.query_row("SELECT EXISTS (SELECT 1 FROM operator WHERE role = 'admin')", (), |row| row.get(0))? {
        return Ok(());
    }
    Err(Error::WrongState { kind: Kind::Operator, id: name.to_owned(), state: "the last admin".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    #[test]
    fn whoever_comes_first_is_admin_and_nobody_after() {
        let home = Home::new();
        assert!(home.catalog.set_first_operator("ana").unwrap());
        assert!(!home.catalog.set_first_operator("eve").unwrap());
        assert_eq!(home.catalog.operator("ana").unwrap().unwrap().role, Role::Admin);
        assert_eq!(home.catalog.operator("eve").unwrap(), None);
    }

    #[test]
    fn the_last_admin_stays_admin() {
        let home = Home::new();
        home.catalog.set_operator("ana", Role::Admin).unwrap();
        assert!(matches!(home.catalog.set_operator("ana", Role::Viewer), Err(Error::WrongState { .. })));
        home.catalog.set_operator("bo", Role::Viewer).unwrap();
        assert!(matches!(home.catalog.remove_operator("ana"), Err(Error::WrongState { .. })));
        home.catalog.set_operator("bo", Role::Admin).unwrap();
        home.catalog.remove_operator("ana").unwrap();
        assert_eq!(home.catalog.operators().unwrap().len(), 1);
    }
}
