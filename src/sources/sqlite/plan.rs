//! The statements that give the rows of a table in the order of their keys.

use super::encoding::Encoding;
use super::functions;
use super::huge::Apart;
use super::salvage::Readable;
use super::schema::{Table, UniqueIndex};
use super::values::{all_of, collation, quoted};
use crate::rows::{Column, Fold, KeyKind, LARGE, Relation};

/// The statements of a pass.
pub struct Plan {
    /// The rows without a usable key: they come first.
    pub unkeyed: Option<String>,
    /// The same in no order, where long values of theirs decide it and are to be digested before.
    pub deciding: Option<String>,
    /// Those with one.
    pub keyed: Option<String>,
}

impl Plan {
    /// In the order of `index` where one is given; else in the table's own order or a sorted one. An index gives no value but
    /// the rowids: what a damaged one says of a row is not believed. Where long values are read `apart`, marks stand for them. Where the
    /// key is the rowid, what stands up to `behind` is not read.
    #[must_use]
    pub fn new(
        table: &Table,
        encoding: Encoding,
        from: &Readable,
        index: Option<&UniqueIndex>,
        (apart, behind): (Option<&Apart<'_>>, Option<i64>),
    ) -> Self {
        let relation = &table.relation;
        let columns: Vec<String> = relation.columns.iter().map(|column| quoted(&column.name)).collect();
        let from = match from {
            Readable::All => unindexed(table),
            Readable::Ranges(_) => from.source(&quoted(&relation.name), &columns, table.rowid.as_deref()),
        };
        let columns = all_columns(relation, encoding, apart);
        let select_all = |condition: &str| format!("SELECT {columns} FROM {from} WHERE {condition}");
        let select = |condition: &str, order: &str| format!("{} ORDER BY {order}", select_all(condition));
        let deciding = |condition: &str| apart.map(|_| select_all(condition));
        let whole = whole_row_order(table, encoding, apart);
        match &relation.key {
            KeyKind::WholeRow => Self { unkeyed: Some(select("1", &whole)), deciding: deciding("1"), keyed: None },
            KeyKind::Columns(parts) if table.rowid_is_key => {
                let key = quoted(&relation.columns[parts[0]].name);
                let condition = behind.map_or_else(|| "1".to_owned(), |last| format!("{key} > {last}"));
                Self { unkeyed: None, deciding: None, keyed: Some(select(&condition, &key)) }
            }
            KeyKind::Columns(parts) => {
                let (usable, order) =
                    if encoding == Encoding::Utf8 && !parts.iter().any(|&part| relation.columns[part].fold == Fold::Nocase) {
                        own_order(relation, parts)
                    } else {
                        computed_order(relation, parts, encoding, apart)
                    };
                let keyed = match (index, table.rowid.as_deref()) {
                    (Some(index), Some(rowid)) => by_index(relation, parts, index, (rowid, apart)),
                    _ => select(&usable, &order),
                };
                let unusable = format!("({usable}) IS NOT TRUE");
                Self { unkeyed: Some(select(&unusable, &whole)), deciding: deciding(&unusable), keyed: Some(keyed) }
            }
        }
    }
}

/// The rows of a table whose rowid is the key, from one to another.
#[must_use]
pub fn between(table: &Table, encoding: Encoding, apart: Option<&Apart<'_>>) -> Option<String> {
    let (relation, from) = (&table.relation, unindexed(table));
    let key = quoted(&relation.columns[*relation.key_columns().first().filter(|_| table.rowid_is_key)?].name);
    let columns = all_columns(relation, encoding, apart);
    Some(format!("SELECT {columns} FROM {from} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"))
}

/// What a statement gives of a row.
#[must_use]
pub fn all_columns(relation: &Relation, encoding: Encoding, apart: Option<&Apart<'_>>) -> String {
    match apart {
        Some(apart) => apart.reads(relation, ""),
        None => encoding.reads_all(relation.columns.iter().map(|column| column.name.as_str())),
    }
}

/// A table by its rows and not by an index that covers it. (Without rowids, the rows stand in the primary key's.)
fn unindexed(table: &Table) -> String {
    let name = quoted(&table.relation.name);
    match table.unique.iter().find(|index| index.primary).filter(|_| table.without_rowid) {
        _ if table.is_virtual => name,
        Some(rows) => format!("{name} INDEXED BY {}", quoted(&rows.name)),
        None => format!("{name} NOT INDEXED"),
    }
}

/// The rowids in the order of the index, and with each the row itself.
fn by_index(relation: &Relation, parts: &[usize], index: &UniqueIndex, (rowid, apart): (&str, Option<&Apart<'_>>)) -> String {
    let plain = || relation.columns.iter().map(|column| format!("row_.{}", quoted(&column.name))).collect::<Vec<_>>().join(", ");
    let columns = apart.map_or_else(plain, |apart| apart.reads(relation, "row_."));
    let order = parts.iter().map(|&part| {
        let column = &relation.columns[part];
        format!("at_.{} COLLATE {}", quoted(&column.name), collation(column.fold))
    });
    let (table, index, rowid) = (quoted(&relation.name), quoted(&index.name), quoted(rowid));
    let usable = usable("row_.", relation, parts);
    format!(
        "SELECT {columns} FROM {table} AS at_ INDEXED BY {index} CROSS JOIN {table} AS row_ NOT INDEXED ON row_.{rowid} = at_.{rowid} \
         WHERE {usable} ORDER BY {}",
        order.collect::<Vec<_>>().join(", ")
    )
}

/// Identical rows stand in the order of their rowids, so that their ordinals stay.
fn whole_row_order(table: &Table, encoding: Encoding, apart: Option<&Apart<'_>>) -> String {
    let visible = || table.relation.visible().map(|column| encoding.reads(&table.relation.columns[column].name)).collect::<Vec<_>>();
    let hidden = table.relation.columns.iter().find(|column| column.is_hidden());
    let row = apart.map_or_else(|| functions::row(&visible()), |apart| apart.row(&table.relation));
    hidden.map_or(row.clone(), |hidden| format!("{row}, {}", quoted(&hidden.name)))
}

/// The condition for a usable key, and the order that the key's index has. NOCASE is not here: SQLite stops at a NUL in it.
fn own_order(relation: &Relation, parts: &[usize]) -> (String, String) {
    let columns = parts.iter().map(|&part| &relation.columns[part]);
    let order = columns.map(|column| format!("{} COLLATE {}", quoted(&column.name), collation(column.fold)));
    (usable("", relation, parts), order.collect::<Vec<_>>().join(", "))
}

/// The columns of the key, of the table that `of` names (with its dot), are neither NULL nor too large. NULL is not asked for by its name: of a
/// column that is NOT NULL SQLite would answer without a look, and rows can be older than that.
fn usable(of: &str, relation: &Relation, parts: &[usize]) -> String {
    let each = parts.iter().map(|&part| format!("octet_length({of}{}) <= {LARGE}", quoted(&relation.columns[part].name)));
    all_of(each.collect())
}

fn computed_order(relation: &Relation, parts: &[usize], encoding: Encoding, apart: Option<&Apart<'_>>) -> (String, String) {
    let columns = || parts.iter().map(|&part| &relation.columns[part]);
    let folds = functions::folds(columns().map(|column| column.fold));
    let read = |column: &Column| apart.map_or_else(|| encoding.reads(&column.name), |apart| apart.reads_key(&column.name));
    let key = format!("backstop_key('{folds}', {})", columns().map(read).collect::<Vec<_>>().join(", "));
    (format!("{key} IS NOT NULL"), key)
}
