//! Conditions that find one row.

use super::sql::{ident, value};
use super::table::Table;
use super::text::Kind;
use crate::rows::{KeyKind, Row, Value};

/// By the values of the key, byte for byte: of many types other values are equal too (1.0 and 1.00). None where the row has no usable key.
#[must_use]
pub fn by_key(table: &Table, row: &Row) -> Option<String> {
    let KeyKind::Columns(parts) = &table.relation.key else { return None };
    if row.key.whole_row().is_some() {
        return None;
    }
    let equal = parts.iter().map(|&part| {
        let (name, sought) = (ident(&table.relation.columns[part].name), &row.values[part]);
        let literal = (!sought.is_null()).then(|| value(sought)).flatten()?;
        let of = &table.types[part];
        let equal = format!("{name} {} CAST({literal} AS {})", of.equal, of.name);
        Some(match sought {
            Value::Text(bytes) if !table.plain.contains(&part) => format!("{equal} AND {}", reads(&name, bytes)),
            _ => equal,
        })
    });
    equal.collect::<Option<Vec<_>>>().map(|equal| equal.join(" AND "))
}

/// By any of the keys of several rows; none where none of them has a usable key.
#[must_use]
pub fn any_key(table: &Table, rows: &[&Row]) -> Option<String> {
    if let KeyKind::Columns(parts) = &table.relation.key
        && let [part] = parts[..]
        && table.plain.contains(&part)
    {
        let keyed = rows.iter().filter(|row| row.key.whole_row().is_none() && !row.values[part].is_null());
        let values: Vec<String> = keyed.filter_map(|row| value(&row.values[part])).collect();
        return (!values.is_empty()).then(|| format!("{} IN ({})", ident(&table.relation.columns[part].name), values.join(", ")));
    }
    let keys: Vec<String> = rows.iter().filter_map(|row| by_key(table, row)).collect();
    (!keys.is_empty()).then(|| format!("({})", keys.join(") OR (")))
}

/// By all values that stand in the row itself, byte for byte; those that stand outside are compared where the rows arrive.
#[must_use]
pub fn by_values(table: &Table, row: &Row) -> String {
    let columns = table.relation.columns.iter().zip(&table.kinds).zip(&row.values);
    let same = columns.filter_map(|((column, kind), sought)| {
        let name = ident(&column.name);
        Some(match (sought, kind) {
            (Value::Large(_), _) => format!("{name} IS NOT NULL"),
            (Value::Null, _) => format!("{name} IS NULL"),
            (_, Kind::Integer | Kind::Bytes) => format!("{name} = {}", value(sought)?),
            // The text itself: some types know no equality.
            (Value::Text(bytes), Kind::Text) => reads(&name, bytes),
            _ => return None,
        })
    });
    let same: Vec<String> = same.collect();
    if same.is_empty() { "true".to_owned() } else { same.join(" AND ") }
}

/// That the value of a column has this text.
fn reads(name: &str, bytes: &[u8]) -> String {
    let text = format!("pg_catalog.convert_to(pg_catalog.format('%s', {name}), pg_catalog.getdatabaseencoding())");
    format!("{text} = '\\x{}'", super::sql::hex(bytes))
}
