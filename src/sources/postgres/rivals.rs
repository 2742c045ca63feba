//! Who holds what the database takes for the same: letters without case, 1.0 and 1.00, what an index over an expression, over a
//! part of the rows, or an exclusion makes one. Only the database can tell, so it is asked, in the snapshot that is read.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::sql::{ident, idents, qualified, value};
use super::table::Table;
use super::values;
use crate::rows::Row;
use crate::sources::{Error, Result, Rival};

/// What must differ between any two rows of a table, where the bytes of columns do not decide it.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// The columns that it looks at, by their places in the model.
    columns: Vec<usize>,
    terms: Vec<Term>,
    /// Which rows it is about; empty for all.
    condition: String,
    /// Whether NULL is a value like any other.
    nulls_too: bool,
}

impl Constraint {
    /// That no two rows are equal in these columns.
    pub fn of_columns(table: &Table, columns: &[usize]) -> Self {
        let term = |&column: &usize| {
            let (of, name) = (&table.types[column], &table.relation.columns[column].name);
            Term { expression: ident(name), collation: of.collation.clone(), operator: of.equal.clone() }
        };
        Self { columns: columns.to_vec(), terms: columns.iter().map(term).collect(), condition: String::new(), nulls_too: false }
    }

    /// Whether it reads the same in every encoding.
    pub fn is_ascii(&self) -> bool {
        self.condition.is_ascii() && self.terms.iter().all(|term| term.expression.is_ascii())
    }
}

/// What is compared, and how: SQL.
#[derive(Clone, Debug)]
struct Term {
    expression: String,
    collation: String,
    operator: String,
}

/// The parts of unique indexes and exclusions: what is compared, by which operator, in which collation; the index's condition, the
/// columns that its expressions name.
const TERMS: &str = "SELECT i.indrelid, i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid, k.n, true), w.nspname, o.oprname, v.nspname, l.collname,
      coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid, true), ''),
      pg_catalog.concat_ws(',', (SELECT string_agg(a.attname, E'\\n') FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND (a.attnum = ANY (i.indkey)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)))),
      coalesce(pg_catalog.to_jsonb(i)->>'indnullsnotdistinct', 'false'),
      i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR x.oid IS NOT NULL OR NOT coalesce(l.collisdeterministic, true)
    FROM pg_catalog.pg_index i CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k(n)
    JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[k.n - 1]
    LEFT JOIN pg_catalog.pg_constraint x ON x.conindid = i.indexrelid AND x.conexclop IS NOT NULL
    LEFT JOIN pg_catalog.pg_amop p ON x.oid IS NULL AND p.amopfamily = c.opcfamily AND p.amopmethod = 403 AND p.amopstrategy = 3
      AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
    JOIN pg_catalog.pg_operator o ON o.oid = coalesce(x.conexclop[k.n], p.amopopr) JOIN pg_catalog.pg_namespace w ON w.oid = o.oprnamespace
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[k.n - 1] LEFT JOIN pg_catalog.pg_namespace v ON v.oid = l.collnamespace
    WHERE i.indisvalid AND (i.indisunique OR x.oid IS NOT NULL) AND i.indrelid IN (%) ORDER BY i.indrelid, i.indexrelid, k.n";

/// The constraints that only the database can judge, by model. Those over columns that it computes are left to it when rows are written.
///
/// # Errors
/// What the server says.
pub fn load(session: &mut Session, tables: &[Table]) -> Result<BTreeMap<String, Vec<Constraint>>> {
    let oids: Vec<&str> = tables.iter().map(|table| table.oid.as_str()).collect();
    if oids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut found: BTreeMap<(String, String), (Constraint, BTreeSet<String>, bool)> = BTreeMap::new();
    for row in session.rows(&TERMS.replace('%', &oids.join(", ")))? {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let (table, index, expression) = (next(), next(), next());
        let operator = format!("OPERATOR({}.{})", ident(&next()), next());
        let (schema, collation) = (next(), next());
        let collation = if schema.is_empty() { String::new() } else { format!(" COLLATE {}", qualified(&schema, &collation)) };
        let (condition, names, nulls_too, only_told) = (next(), next(), next() == "true", next() == "t");
        let constraint = Constraint { columns: Vec::new(), terms: Vec::new(), condition, nulls_too };
        let (constraint, columns, told) = found.entry((table, index)).or_insert((constraint, BTreeSet::new(), nulls_too));
        constraint.terms.push(Term { expression, collation, operator });
        columns.extend(names.split('\n').map(str::to_owned));
        *told |= only_told;
    }
    let mut constraints: BTreeMap<String, Vec<Constraint>> = BTreeMap::new();
    for ((oid, _), (mut constraint, names, told)) in found {
        let Some(table) = tables.iter().find(|table| table.oid == oid) else { continue };
        let Some(columns) = names.iter().map(|name| table.relation.column(name)).collect::<Option<Vec<_>>>() else { continue };
        if told || columns.iter().any(|column| !table.plain.contains(column)) {
            constraint.columns = columns;
            constraints.entry(table.relation.name.clone()).or_default().push(constraint);
        }
    }
    Ok(constraints)
}

/// Gives `take` the rows of the table that stand in the way of `rows`, themselves among them where they are there.
///
/// # Errors
/// What the server says; an expression may not bear the values.
pub fn each(session: &mut Session, table: &Table, constraint: &Constraint, rows: &[Row], take: &mut dyn FnMut(Rival)) -> Result<()> {
    let Some(sql) = statement(table, constraint, rows) else { return Ok(()) };
    let model = &table.relation.name;
    let broken = || Error::Database { what: model.clone(), why: "COPY gave what it should not".into() };
    values::all(session, (table, 1), &sql, &mut |given, values| {
        let given = std::str::from_utf8(given).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)?;
        take(Rival { given, holder: Row::new(&table.relation, values, 0), columns: constraint.columns.clone() });
        Ok(())
    })
}

/// None where no row has values that can be written down.
fn statement(table: &Table, constraint: &Constraint, rows: &[Row]) -> Option<String> {
    let mut stem = "given".to_owned();
    while table.relation.columns.iter().any(|column| column.name.starts_with(&stem)) {
        stem.push('_');
    }
    let name = |number: usize| format!("{stem}{number}");
    let lines: Vec<String> = rows.iter().enumerate().filter_map(|(place, row)| line(table, &constraint.columns, place, row)).collect();
    if lines.is_empty() {
        return None;
    }
    let columns = idents(constraint.columns.iter().map(|&column| table.relation.columns[column].name.as_str()));
    let made = constraint.terms.iter().enumerate().map(|(number, term)| format!(", ({}) AS {}", term.expression, name(number + 1)));
    let condition = if constraint.condition.is_empty() { "true" } else { &constraint.condition };
    let given = format!(
        "SELECT {first}{made} FROM (VALUES {lines}) AS {stem}({first}, {columns}) WHERE {condition}",
        first = name(0),
        made = made.collect::<String>(),
        lines = lines.join(", ")
    );
    let equal = constraint.terms.iter().enumerate().map(|(number, Term { expression, collation, operator })| {
        let given = format!("{stem}.{}", name(number + 1));
        let equal = format!("(({expression}){collation} {operator} {given})");
        let nulls = format!(" OR (({expression}) IS NULL AND {given} IS NULL)");
        format!("({equal}{})", if constraint.nulls_too { nulls } else { String::new() })
    });
    let equal: Vec<String> = equal.collect();
    Some(format!(
        "COPY (SELECT {stem}.{first}, {all} FROM {source}, ({given} OFFSET 0) AS {stem} WHERE {condition} AND {equal}) TO STDOUT",
        first = name(0),
        all = table.columns(),
        source = table.rows(),
        equal = equal.join(" AND ")
    ))
}

/// What a row has in these columns, behind its place; none where it cannot be written down.
fn line(table: &Table, columns: &[usize], place: usize, row: &Row) -> Option<String> {
    let cast = |&column: &usize| {
        let of = &table.types[column];
        Some(format!("CAST({} AS {}){}", value(&row.values[column])?, of.name, of.collation))
    };
    let values: Vec<String> = columns.iter().map(cast).collect::<Option<_>>()?;
    Some(format!("({place}, {})", values.join(", ")))
}

/// A number for each row, the same for those that are equal in these columns; rows that cannot be written down are like none.
///
/// # Errors
/// What the server says.
pub fn alike(session: &mut Session, table: &Table, columns: &[usize], rows: &[&Row]) -> Result<Vec<usize>> {
    let mut groups: Vec<usize> = (rows.len() + 1..=2 * rows.len()).collect();
    let lines: Vec<String> = rows.iter().enumerate().filter_map(|(place, row)| line(table, columns, place, row)).collect();
    if lines.is_empty() {
        return Ok(groups);
    }
    let names: Vec<String> = (0..columns.len()).map(|number| format!("of{number}")).collect();
    let names = names.join(", ");
    let sql = format!(
        "SELECT place, pg_catalog.dense_rank() OVER (ORDER BY {names}) FROM (VALUES {}) AS given(place, {names})",
        lines.join(", ")
    );
    for row in session.rows(&sql)? {
        let mut numbers = row.iter().map(|number| number.as_ref()?.parse().ok());
        // Ranks count from one, and there are no more than rows.
        if let (Some(Some(place)), Some(Some(rank))) = (numbers.next(), numbers.next())
            && let Some(group) = groups.get_mut::<usize>(place)
        {
            *group = rank;
        }
    }
    Ok(groups)
}
