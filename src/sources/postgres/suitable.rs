//! Whether a database can be filled with a backup: empty, of the same encoding, on a server that is not older.

use super::missed::Missed;
use super::session::Session;
use super::sql::string;
use crate::sources::{Definition, Error, Result};

/// Everything that is not there when a database is made. Numbers below 16384 are the server's own, but for large objects; the language plpgsql
/// comes with every database, the schema `public` too, and may have been made anew.
const FOUND: &str = "WITH language AS (SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
      WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND e.extname = 'plpgsql'),
    spaces AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'),
    found(place, kind, class, oid, name) AS (
      SELECT 1, 'the extension', 'pg_catalog.pg_extension'::pg_catalog.regclass, oid, extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'
      UNION ALL SELECT 2, CASE c.relkind WHEN 'v' THEN 'the view' WHEN 'm' THEN 'the materialized view' WHEN 'S' THEN 'the sequence' ELSE 'the table' END,
        'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, s.nspname || '.' || c.relname
        FROM pg_catalog.pg_class c JOIN spaces s ON s.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I', 't', 'c')
      UNION ALL SELECT 3, 'the function', 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, s.nspname || '.' || p.proname
        FROM pg_catalog.pg_proc p JOIN spaces s ON s.oid = p.pronamespace
      UNION ALL SELECT 4, 'the type', 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, s.nspname || '.' || t.typname
        FROM pg_catalog.pg_type t JOIN spaces s ON s.oid = t.typnamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
        WHERE t.typcategory <> 'A' AND t.typtype <> 'm' AND (c.relkind IS NULL OR c.relkind = 'c')
      UNION ALL SELECT 5, 'the schema', 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, nspname::text FROM spaces WHERE nspname <> 'public'
      UNION ALL SELECT 6, 'the large object', 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, oid::text FROM pg_catalog.pg_largeobject_metadata
      UNION ALL SELECT 7, 'the operator', 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprname::text FROM pg_catalog.pg_operator
      UNION ALL SELECT 7, 'the operator family', 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid, opfname::text FROM pg_catalog.pg_opfamily
      UNION ALL SELECT 7, 'the collation', 'pg_catalog.pg_collation'::pg_catalog.regclass, oid, collname::text FROM pg_catalog.pg_collation
      UNION ALL SELECT 7, 'the conversion', 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid, conname::text FROM pg_catalog.pg_conversion
      UNION ALL SELECT 7, 'the cast', 'pg_catalog.pg_cast'::pg_catalog.regclass, oid, pg_catalog.format_type(castsource, NULL) FROM pg_catalog.pg_cast
      UNION ALL SELECT 7, 'the text search configuration', 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid, cfgname::text FROM pg_catalog.pg_ts_config
      UNION ALL SELECT 7, 'the text search dictionary', 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, dictname::text FROM pg_catalog.pg_ts_dict
      UNION ALL SELECT 7, 'the language', 'pg_catalog.pg_language'::pg_catalog.regclass, oid, lanname::text FROM pg_catalog.pg_language
      UNION ALL SELECT 7, 'the foreign data wrapper', 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, fdwname::text
        FROM pg_catalog.pg_foreign_data_wrapper
      UNION ALL SELECT 7, 'the publication', 'pg_catalog.pg_publication'::pg_catalog.regclass, oid, pubname::text FROM pg_catalog.pg_publication
      UNION ALL SELECT 7, 'the event trigger', 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid, evtname::text FROM pg_catalog.pg_event_trigger)
    SELECT kind || ' ' || name, count(*) OVER () FROM found
    WHERE (oid >= 16384 OR place = 6) AND (class, oid) NOT IN (SELECT classid, objid FROM language) ORDER BY place, name LIMIT 1";

/// What decides whether it fits.
const SERVER: &str = "SELECT pg_catalog.current_setting('server_version_num')::integer / 10000, pg_catalog.pg_encoding_to_char(encoding),
    datcollate, datctype FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";

/// Checks that the database can take what `definition` describes; differences that do no harm are put into `missed`.
/// Gives the encoding of the database.
///
/// # Errors
/// [`Error::Unsuitable`] with the command that makes one that can.
pub fn check(session: &mut Session, place: &str, definition: &Definition, missed: &mut Missed) -> Result<String> {
    let pragma = |name: &str| definition.pragmas.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let rows = session.rows(SERVER)?;
    let is = |column: usize| rows.first().and_then(|row| row.get(column).cloned().flatten()).unwrap_or_default();
    let (major, encoding, collate, ctype) = (is(0), is(1), is(2), is(3));
    let refuse = |why: String, remedy: String| Err(Error::Unsuitable { what: place.to_owned(), why, remedy });
    let wanted = [("encoding", pragma("encoding")), ("lc-collate", pragma("collate")), ("lc-ctype", pragma("ctype"))];
    let create = createdb(&wanted);
    let backed_up = pragma("server_version_num").parse::<u32>().unwrap_or_default() / 10_000;
    if major.parse::<u32>().unwrap_or_default() < backed_up {
        let remedy = format!("Name a database of a server of version {backed_up} or later.");
        return refuse(format!("its server has version {major}, the backup is of version {backed_up}"), remedy);
    }
    if encoding != pragma("encoding") {
        return refuse(format!("its encoding is {encoding}, the backup's is {}", pragma("encoding")), create);
    }
    if let Some(found) = found(session)? {
        return refuse(format!("it is not empty, it holds {found}"), create);
    }
    extensions(session, place, definition)?;
    for (what, is, was) in [("sorts", &collate, pragma("collate")), ("tells letters apart", &ctype, pragma("ctype"))] {
        if is != was {
            missed.say(format!("the database {what} as {is} does, the one that was backed up did as {was}"));
        }
    }
    Ok(encoding)
}

/// What the database holds, in words; `None` where it is empty.
///
/// # Errors
/// What the server says.
pub fn found(session: &mut Session) -> Result<Option<String>> {
    let rows = session.rows(FOUND)?;
    let [Some(found), Some(all)] = rows.first().map_or(&[][..], Vec::as_slice) else { return Ok(None) };
    let more = all.parse().unwrap_or(1_u64) - 1;
    Ok(Some(if more == 0 { found.clone() } else { format!("{found} and {more} more") }))
}

/// The command that makes a database that fits.
fn createdb(wanted: &[(&str, &str)]) -> String {
    let settings = wanted.iter().filter(|(_, value)| !value.is_empty());
    let settings: Vec<String> = settings.map(|(name, value)| format!("--{name}='{}'", value.replace('\'', "'\\''"))).collect();
    format!("Make an empty database for it: createdb --template=template0 {} NAME", settings.join(" "))
}

/// All extensions that the backup needs must be there to be made.
fn extensions(session: &mut Session, place: &str, definition: &Definition) -> Result<()> {
    let made = definition.objects.iter().filter(|object| object.kind == "extension" && object.sql.starts_with("CREATE "));
    let names: Vec<String> = made.map(|object| string(&object.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT name FROM unnest(ARRAY[{}]::text[]) AS name WHERE name NOT IN (SELECT name FROM pg_catalog.pg_available_extensions) ORDER BY 1",
        names.join(", ")
    );
    let lacking: Vec<String> = session.rows(&sql)?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let remedy = format!("Install the packages of these extensions on the machine of the server: {}", lacking.join(", "));
    let why = format!("its server lacks what the extension {} needs", lacking.join(" and "));
    Err(Error::Unsuitable { what: place.to_owned(), why, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_makes_a_database_says_all_that_decides() {
        let made = createdb(&[("encoding", "LATIN1"), ("lc-collate", "it's"), ("lc-ctype", "")]);
        assert_eq!(made, "Make an empty database for it: createdb --template=template0 --encoding='LATIN1' --lc-collate='it'\\''s' NAME");
    }
}
