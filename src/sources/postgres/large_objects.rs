//! Large objects, as a model: they are no rows of a table that could be copied, and have owner, rights and comment of their own.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use super::catalog::LARGE_OBJECTS;
use super::reader::Order;
use super::session::Session;
use super::sql::{hex, ident, string};
use crate::rows::{Class, Column, Fold, KeyKind, Relation, RelationKind, Role, Row, Value};
use crate::sources::{Content, Error, Looking, Resolve, Result, value_of};

/// Bytes of one that are asked for at once.
const PIECE: usize = 1 << 20;

/// Whether there are any.
///
/// # Errors
/// What the server says.
pub fn are_there(session: &mut Session) -> Result<bool> {
    Ok(session.one("SELECT 1 FROM pg_catalog.pg_largeobject_metadata LIMIT 1")?.is_some())
}

/// The model that they are.
#[must_use]
pub fn relation() -> Relation {
    let column = |name: &str, declared: &str| Column {
        name: name.into(),
        declared: declared.into(),
        role: Role::Data,
        fold: Fold::Binary,
        not_null: name == "oid",
    };
    Relation {
        name: LARGE_OBJECTS.into(),
        module: String::new(),
        kind: RelationKind::Table,
        columns: vec![
            column("oid", "oid"),
            column("owner", "name"),
            column("acl", "aclitem[]"),
            column("comment", "text"),
            column("data", "bytea"),
        ],
        key: KeyKind::Columns(vec![0]),
    }
}

const DESCRIBED: &str =
    "SELECT l.oid, pg_catalog.pg_get_userbyid(l.lomowner), l.lomacl, pg_catalog.obj_description(l.oid, 'pg_largeobject')
    FROM pg_catalog.pg_largeobject_metadata l";

/// Gives them in the order of their numbers. What describes them is held meanwhile, their contents are not.
///
/// # Errors
/// What the server says.
pub(super) fn scan(
    session: &mut Session,
    content: &dyn Content,
    order: &mut Order<'_>,
    each: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let relation = relation();
    for described in session.rows(&format!("{DESCRIBED} ORDER BY l.oid"))? {
        let row = Row::new(&relation, values(session, described, content)?, 0);
        order.follows(&row.key)?;
        if each(row).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn values(session: &mut Session, described: Vec<Option<String>>, content: &dyn Content) -> Result<Vec<Value>> {
    let mut cells = described.into_iter();
    let oid: i64 = cells.next().flatten().and_then(|oid| oid.parse().ok()).unwrap_or_default();
    let mut values = vec![Value::Integer(oid)];
    values.extend(cells.map(|cell| cell.map_or(Value::Null, |text| Value::text(&text))));
    values.push(data(session, oid, content)?);
    Ok(values)
}

/// The one that `like` names, as it is now.
///
/// # Errors
/// What the server says.
pub fn read(session: &mut Session, like: &Row) -> Result<Option<Row>> {
    let found = session.rows(&format!("{DESCRIBED} WHERE l.oid = {}", number(like)?))?;
    let Some(described) = found.into_iter().next() else { return Ok(None) };
    Ok(Some(Row::new(&relation(), values(session, described, &Looking)?, 0)))
}

/// Makes one with its number, and all that describes it.
///
/// # Errors
/// What the server says.
pub fn insert(session: &mut Session, row: &Row, content: &dyn Resolve) -> Result<()> {
    let oid = number(row)?;
    session.run(&format!("SELECT pg_catalog.lo_create({oid}::pg_catalog.oid)"))?;
    update(session, row, row, &[1, 2, 3, 4], content)
}

/// Writes what differs of one.
///
/// # Errors
/// What the server says.
pub fn update(session: &mut Session, like: &Row, row: &Row, columns: &[usize], content: &dyn Resolve) -> Result<()> {
    let oid = number(like)?;
    let text = |column: usize| match &row.values[column] {
        Value::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    for &column in columns {
        match (column, text(column)) {
            (1, Some(owner)) => session.run(&format!("ALTER LARGE OBJECT {oid} OWNER TO {}", ident(&owner)))?,
            (2, Some(acl)) => grant(session, oid, &acl)?,
            (3, comment) => {
                let comment = comment.map_or_else(|| "NULL".to_owned(), |comment| string(&comment));
                session.run(&format!("COMMENT ON LARGE OBJECT {oid} IS {comment}"))?;
            }
            (4, _) => write(session, oid, &row.values[4], content)?,
            _ => {}
        }
    }
    Ok(())
}

/// Deletes one.
///
/// # Errors
/// What the server says.
pub fn delete(session: &mut Session, like: &Row) -> Result<()> {
    session.run(&format!("SELECT pg_catalog.lo_unlink({}::pg_catalog.oid)", number(like)?))
}

/// Gives the rights that an access list says, to whom it says.
fn grant(session: &mut Session, oid: i64, acl: &str) -> Result<()> {
    let wanted = session.rows(&format!(
        "SELECT CASE grantee WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(grantee) END, privilege_type, is_grantable
         FROM pg_catalog.aclexplode({}::pg_catalog.aclitem[]) ORDER BY 1, 2",
        string(acl)
    ))?;
    for row in wanted {
        let [Some(grantee), Some(right), Some(grantable)] = row.as_slice() else { continue };
        let grantee = if grantee.is_empty() { "PUBLIC".to_owned() } else { ident(grantee) };
        let option = if grantable == "t" { " WITH GRANT OPTION" } else { "" };
        session.run(&format!("GRANT {right} ON LARGE OBJECT {oid} TO {grantee}{option}"))?;
    }
    Ok(())
}

/// Makes `value` the whole content of one.
fn write(session: &mut Session, oid: i64, value: &Value, content: &dyn Resolve) -> Result<()> {
    let failed = |source| Error::Io { what: format!("{LARGE_OBJECTS} {oid}"), source };
    // 131072 is INV_WRITE.
    session.run(&format!(
        "SELECT pg_catalog.lo_truncate64(fd, 0), pg_catalog.lo_close(fd) FROM pg_catalog.lo_open({oid}::pg_catalog.oid, 131072) AS fd"
    ))?;
    let mut to = Filling { session, oid, offset: 0, piece: Vec::new(), failed: None };
    let written = match value {
        Value::Blob(bytes) => to.write_all(bytes),
        Value::Large(large) => content.fetch(large, &mut to),
        _ => Ok(()),
    };
    let written = written.and_then(|()| to.flush());
    match to.failed.take() {
        Some(error) => Err(error),
        None => written.map_err(failed),
    }
}

/// One large object, written piece by piece.
struct Filling<'s> {
    session: &'s mut Session,
    oid: i64,
    offset: usize,
    piece: Vec<u8>,
    failed: Option<Error>,
}

impl Write for Filling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT pg_catalog.lo_put({}::pg_catalog.oid, {}, '\\x{}')", self.oid, self.offset, hex(&self.piece));
        self.offset += self.piece.len();
        self.piece.clear();
        self.session.run(&sql).map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.failed = Some(error);
            told
        })
    }
}

fn number(row: &Row) -> Result<i64> {
    match row.values.first() {
        Some(Value::Integer(oid)) => Ok(*oid),
        _ => Err(Error::Unfit { model: LARGE_OBJECTS.into(), why: "a large object has no number".into() }),
    }
}

fn data(session: &mut Session, oid: i64, content: &dyn Content) -> Result<Value> {
    let mut pieces = Pieces { session, oid, offset: 0, piece: Vec::new(), at: 0, end: false, failed: None };
    let mut start = Vec::new();
    let failed = |source| Error::Io { what: format!("{LARGE_OBJECTS} {oid}"), source };
    let first = (&mut pieces).take(crate::rows::LARGE as u64 + 1).read_to_end(&mut start);
    let kept = match first {
        Ok(_) if start.len() > crate::rows::LARGE => content.keep(Class::Blob, &mut start.as_slice().chain(&mut pieces)).map(Value::Large),
        Ok(_) => value_of(Class::Blob, &start, content),
        Err(error) => Err(error),
    };
    match pieces.failed.take() {
        Some(error) => Err(error),
        None => kept.map_err(failed),
    }
}

/// One large object, read piece by piece.
struct Pieces<'s> {
    session: &'s mut Session,
    oid: i64,
    offset: usize,
    piece: Vec<u8>,
    at: usize,
    end: bool,
    failed: Option<Error>,
}

impl Pieces<'_> {
    fn next(&mut self) -> Result<()> {
        let sql = format!("SELECT pg_catalog.lo_get({}::pg_catalog.oid, {}, {PIECE})", self.oid, self.offset);
        let hex = self.session.one(&sql)?.unwrap_or_default();
        let digits = hex.strip_prefix("\\x").unwrap_or_default().as_bytes();
        let digit = |letter: u8| u8::try_from(char::from(letter).to_digit(16).unwrap_or_default()).unwrap_or_default();
        self.piece = digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        self.offset += self.piece.len();
        self.end = self.piece.len() < PIECE;
        self.at = 0;
        Ok(())
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len()
            && !self.end
            && let Err(error) = self.next()
        {
            let told = io::Error::other(error.to_string());
            self.failed = Some(error);
            return Err(told);
        }
        let taken = buffer.len().min(self.piece.len() - self.at);
        buffer[..taken].copy_from_slice(&self.piece[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
