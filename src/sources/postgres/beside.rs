//! A database beside the one that is to be filled: a copy of it while it is empty, filled step by step over as many connections as
//! serve, and put in its place by two renamings in one transaction. Until then the target is as it was, whoever dies; what is half
//! filled has another name, and a comment that says what it is.

use super::address::Address;
use super::missed::Missed;
use super::session::Session;
use super::sql::{ident, string};
use super::suitable;
use crate::sources::{Definition, Error, Result};

/// The databases through which others are made and renamed.
const SERVERS: [&str; 2] = ["postgres", "template1"];

/// What the comment on a database of ours begins with.
const MARK: &str = "Backstop: ";

/// A name has at most so many bytes.
const NAME_MAX: usize = 63;

/// What a database is besides its content; the last column says what a copy of it would not have, or why it cannot be made.
const SEEN: &str = "SELECT d.oid, r.rolname, pg_catalog.pg_postmaster_start_time(), pg_catalog.concat_ws(', ',
      CASE WHEN d.datacl IS NOT NULL THEN 'rights were given on it' END,
      CASE WHEN d.datconnlimit <> -1 THEN 'its connections are limited' END,
      CASE WHEN d.datistemplate THEN 'it is a template' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_db_role_setting WHERE setdatabase = d.oid) THEN 'it has settings of its own' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_shdescription WHERE objoid = d.oid AND classoid = 'pg_catalog.pg_database'::pg_catalog.regclass)
        THEN 'it has a comment' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_shseclabel WHERE objoid = d.oid AND classoid = 'pg_catalog.pg_database'::pg_catalog.regclass)
        THEN 'it has a security label' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE database = d.datname) THEN 'it has a replication slot' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_subscription WHERE subdbid = d.oid) THEN 'it has a subscription' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE database = d.datname) THEN 'it has a prepared transaction' END,
      CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datid = d.oid AND pid <> pg_catalog.pg_backend_pid()
        AND usesysid IS NOT NULL) THEN 'somebody is connected to it' END,
      CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles me WHERE me.rolname = current_user
        AND (me.rolsuper OR me.rolcreatedb AND pg_catalog.pg_has_role(d.datdba, 'USAGE'))) THEN 'this role may not make and rename it' END)
    FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba WHERE d.datname = pg_catalog.current_database()";

/// The one of these that may pass by itself.
const CONNECTED: &str = "somebody is connected to it";

/// Databases of ours that nobody is connected to.
const LEFT: &str = "SELECT d.datname FROM pg_catalog.pg_database d
    WHERE pg_catalog.starts_with(pg_catalog.shobj_description(d.oid, 'pg_database'), 'Backstop: ')
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid) ORDER BY 1";

/// A database that is nothing but its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    number: String,
    owner: String,
    /// When its server started, which tells it from another one.
    started: String,
}

/// The database that a session is in, where a copy of it would be the same; else why not.
///
/// # Errors
/// What the server says.
pub fn plain(session: &mut Session) -> Result<std::result::Result<Plain, String>> {
    let row = session.rows(SEEN)?.into_iter().next().and_then(|row| <[Option<String>; 4]>::try_from(row).ok());
    let Some([Some(number), Some(owner), Some(started), why]) = row else { return Ok(Err("the server does not describe it".into())) };
    Ok(match why.filter(|why| !why.is_empty()) {
        Some(why) => Err(why),
        None => Ok(Plain { number, owner, started }),
    })
}

/// Names what restores that were killed have left on the server.
///
/// # Errors
/// What the server says.
pub fn tell_leftovers(session: &mut Session, missed: &mut Missed) -> Result<()> {
    for name in session.rows(LEFT)?.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let drop = format!("DROP DATABASE \"{}\"", name.replace('"', "\"\""));
        missed.say(format!("a restore that was killed has left the database “{name}”; where none runs now, remove it: {drop}"));
    }
    Ok(())
}

/// The database that is filled. Dropped, it is removed, and the target is as it was.
pub struct Beside {
    /// A session of the same server, outside both.
    server: Session,
    plain: Plain,
    target: String,
    name: String,
    mark: String,
    is_made: bool,
}

impl Beside {
    /// Makes one for the target at `address`, which nobody is connected to, and gives a session inside.
    ///
    /// # Errors
    /// Whatever stands in the way: then nothing was made, and the target can be filled itself.
    pub fn make(address: &Address, plain: Plain) -> Result<(Self, Session)> {
        let mut server = elsewhere(address, &plain)?;
        let named = server.one(&format!("SELECT datname FROM pg_catalog.pg_database WHERE oid = {}", plain.number))?;
        let gone = || Error::Missing { what: address.to_string() };
        let target = named.ok_or_else(gone)?;
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| Error::Io { what: address.to_string(), source: std::io::Error::other(error) })?;
        let mark = format!("{:08x}", u32::from_le_bytes(random));
        let name = named_beside(&target, "restoring", &mark);
        left_alone(&mut server, &plain.number)?;
        server.run(&format!("CREATE DATABASE {} TEMPLATE {} OWNER {}", ident(&name), ident(&target), ident(&plain.owner)))?;
        let mut beside = Self { server, plain, target, name, mark, is_made: true };
        let what = format!("{MARK}a restore fills this to put it in the place of {}. Where none runs, it is of no use.", beside.target);
        beside.server.run(&comment(&beside.name, Some(&what)))?;
        let mut inside = Session::open(&address.of_database(&beside.name))?;
        same_server(&mut inside, &beside.plain, address)?;
        Ok((beside, inside))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it the target's name. The target goes, where it is still empty; what could not be done after that is answered.
    ///
    /// # Errors
    /// Somebody is connected to the target, or has changed it; it is as it was then.
    pub fn put_in_place(mut self, address: &Address, definition: &Definition) -> Result<Vec<String>> {
        let refused = |why: String| Error::Unsuitable {
            what: address.to_string(),
            why: format!("while its content was made, {why}"),
            remedy: "Disconnect everybody from it, see that it is empty, and run it again.".into(),
        };
        let mut session = Session::open(address)?;
        suitable::check(&mut session, &address.to_string(), definition, &mut Missed::default())?;
        match plain(&mut session)? {
            Ok(plain) if plain == self.plain => {}
            Ok(_) => return Err(refused("another database took its name".into())),
            // It may be for a moment only: the renaming waits for some seconds, and has the last word.
            Err(why) if why == CONNECTED => {}
            Err(why) => return Err(refused(format!("it was changed: {why}"))),
        }
        drop(session);
        left_alone(&mut self.server, &self.plain.number)?;
        left_alone_by_name(&mut self.server, &self.name)?;
        let replaced = named_beside(&self.target, "replaced", &self.mark);
        let told = format!("{MARK}this was {} when it was empty, before a restore put another in its place.", self.target);
        let swap = [
            "BEGIN".to_owned(),
            format!("ALTER DATABASE {} RENAME TO {}", ident(&self.target), ident(&replaced)),
            comment(&replaced, Some(&told)),
            format!("ALTER DATABASE {} RENAME TO {}", ident(&self.name), ident(&self.target)),
            comment(&self.target, None),
            "COMMIT".to_owned(),
        ];
        if let Err(objection) = self.server.attempt(&swap.join("; ")) {
            // Where the connection is lost, nobody knows on which side of the commit: what is there is looked for by its name.
            self.is_made = objection.code.is_some() || self.is_there();
            let _ = self.server.run("ROLLBACK");
            return Err(refused(objection.words));
        }
        self.is_made = false;
        Ok(self.remove(&address.of_database(&replaced), &replaced).err().into_iter().collect())
    }

    /// Removes the database that was the target, where nobody has put anything into it meanwhile; else says so.
    fn remove(&mut self, address: &Address, replaced: &str) -> Result<(), String> {
        let kept = |why: String| format!("the database that was empty before is kept as “{replaced}”: {why}");
        let empty = Session::open(address).and_then(|mut session| suitable::found(&mut session));
        match empty {
            Ok(None) => {}
            Ok(Some(found)) => return Err(kept(format!("it holds {found} now"))),
            Err(error) => return Err(kept(error.to_string())),
        }
        let gone =
            left_alone(&mut self.server, &self.plain.number).and_then(|()| self.server.run(&format!("DROP DATABASE {}", ident(replaced))));
        gone.map_err(|error| kept(error.to_string()))
    }

    fn is_there(&mut self) -> bool {
        self.server
            .one(&format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", string(&self.name)))
            .is_ok_and(|found| found.is_some())
    }
}

impl Drop for Beside {
    /// A connection of ours that is still in it ends with it.
    fn drop(&mut self) {
        if self.is_made {
            // Where this fails, the next restore names it.
            let _ = self.server.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(&self.name)));
        }
    }
}

/// A session of the server that is neither in the target nor in a copy of it.
fn elsewhere(address: &Address, plain: &Plain) -> Result<Session> {
    let open = |name: &str| {
        let mut session = Session::open(&address.of_database(name))?;
        same_server(&mut session, plain, address)?;
        match session.one("SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()")? {
            Some(number) if number == plain.number => Err(Error::Exists { what: name.to_owned() }),
            _ => Ok(session),
        }
    };
    let [first, second] = SERVERS;
    open(first).or_else(|_| open(second))
}

/// An address may lead to several servers.
fn same_server(session: &mut Session, plain: &Plain, address: &Address) -> Result<()> {
    match session.one("SELECT pg_catalog.pg_postmaster_start_time()")? {
        Some(started) if started == plain.started => Ok(()),
        _ => Err(Error::Database { what: address.to_string(), why: "it leads to another server now".into() }),
    }
}

/// Waits until sessions that were closed have left a database: the server would look again only after a tenth of a second.
fn left_alone(server: &mut Session, number: &str) -> Result<()> {
    let there = format!("SELECT pg_catalog.pg_sleep(0.002) FROM pg_catalog.pg_stat_activity WHERE datid = {number} LIMIT 1");
    for _ in 0..100 {
        if server.rows(&there)?.is_empty() {
            break;
        }
        server.run("SELECT pg_catalog.pg_stat_clear_snapshot()")?;
    }
    Ok(())
}

fn left_alone_by_name(server: &mut Session, name: &str) -> Result<()> {
    match server.one(&format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {}", string(name)))? {
        Some(number) => left_alone(server, &number),
        None => Ok(()),
    }
}

fn comment(name: &str, text: Option<&str>) -> String {
    format!("COMMENT ON DATABASE {} IS {}", ident(name), text.map_or_else(|| "NULL".to_owned(), string))
}

/// A name beside `target`, cut where names must be.
fn named_beside(target: &str, what: &str, mark: &str) -> String {
    let behind = format!(" ({what} {mark})");
    let mut room = NAME_MAX - behind.len();
    while room < target.len() && !target.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{behind}", &target[..room.min(target.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_has_no_more_bytes_than_a_name_may_have() {
        assert_eq!(named_beside("shop", "restoring", "0badcafe"), "shop (restoring 0badcafe)");
        for target in ["x".repeat(63), "ö".repeat(31), format!("x{}", "ö".repeat(31)), "€".repeat(21)] {
            let name = named_beside(&target, "restoring", "0badcafe");
            assert!(name.len() <= NAME_MAX && name.len() > NAME_MAX - 4 && name.ends_with(" (restoring 0badcafe)"), "{name}");
        }
    }
}
