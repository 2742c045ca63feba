//! What a database is made of, asked of its catalog inside the snapshot: models with their columns and keys.

use std::collections::BTreeMap;

use super::session::Session;
use super::sql::{ident, qualified};
use super::table::{Table, Type};
use super::text::Kind;
use crate::rows::{Column, Fold, KeyKind, Relation, RelationKind, Role};
use crate::sources::{Error, Reference, Result, SchemaObject, Unique};

/// The name of the model that large objects are.
pub const LARGE_OBJECTS: &str = "pg_largeobject";

/// Tables whose rows are read: ordinary ones and the roots of partitioned ones; of an extension's tables those that it
/// says hold data of their own, where it may give a condition. Last the pages that they had when the server last counted: of partitions it has no sum.
const TABLES: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, coalesce(config.condition, ''),
      CASE c.relkind WHEN 'r' THEN c.relpages + coalesce(aside.relpages, 0) END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_class aside ON aside.oid = c.reltoastrelid
    LEFT JOIN (SELECT unnest(extconfig) AS rel, unnest(extcondition) AS condition FROM pg_catalog.pg_extension) config ON config.rel = c.oid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND (config.rel IS NOT NULL OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.deptype = 'e')) AND %
    ORDER BY n.nspname, c.relname";

/// Partitions that hold rows here, of tables that have others elsewhere: by their root.
const LOCAL: &str = "WITH RECURSIVE part(root, oid) AS (SELECT c.oid, c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'p' AND c.oid IN (%)
      UNION ALL SELECT p.root, i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
    SELECT p.root, n.nspname, c.relname FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind <> 'f' AND p.root IN (SELECT o.root FROM part o JOIN pg_catalog.pg_class f ON f.oid = o.oid WHERE f.relkind = 'f')
    ORDER BY p.root, c.oid";

/// Their columns, the base type of a domain in the place of the domain.
const COLUMNS: &str = "WITH RECURSIVE base(oid, root) AS (SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
      UNION ALL SELECT t.oid, b.root FROM pg_catalog.pg_type t JOIN base b ON t.typbasetype = b.oid WHERE t.typtype = 'd')
    SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attgenerated <> '', CASE WHEN n.nspname = 'pg_catalog' THEN t.typname ELSE '' END,
      coalesce(l.collisdeterministic, true), a.attidentity = 'a', n.nspname, t.typname,
      CASE WHEN l.collname <> 'default' THEN c.nspname END, l.collname,
      (SELECT array_to_string(ARRAY[w.nspname, o.oprname], E'\n') FROM pg_catalog.pg_opclass k JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily
        JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr JOIN pg_catalog.pg_namespace w ON w.oid = o.oprnamespace
        WHERE k.opcintype = t.oid AND k.opcdefault AND k.opcmethod = 403 AND p.amopstrategy = 3 AND p.amoplefttype = t.oid AND p.amoprighttype = t.oid)
    FROM pg_catalog.pg_attribute a JOIN base b ON b.oid = a.atttypid JOIN pg_catalog.pg_type t ON t.oid = b.root
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace c ON c.oid = l.collnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (%)
    ORDER BY a.attrelid, a.attnum";

/// The columns of unique indexes over columns alone, the primary key's first.
const INDEXES: &str = "SELECT i.indrelid, i.indexrelid, i.indisprimary, k.attnum
    FROM pg_catalog.pg_index i, LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts AND i.indrelid IN (%)
    ORDER BY i.indrelid, NOT i.indisprimary, i.indnkeyatts, i.indexrelid, k.place";

/// Foreign keys; those of single partitions count as their root's.
const REFERENCES: &str = "SELECT c.oid, r.child, r.parent, f.attname, t.attname FROM pg_catalog.pg_constraint c,
    LATERAL (SELECT coalesce(pg_catalog.pg_partition_root(c.conrelid), c.conrelid)::pg_catalog.oid AS child,
      coalesce(pg_catalog.pg_partition_root(c.confrelid), c.confrelid)::pg_catalog.oid AS parent) r,
    LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(conkey, confkey, place)
    JOIN pg_catalog.pg_attribute f ON true JOIN pg_catalog.pg_attribute t ON true
    WHERE c.contype = 'f' AND c.conparentid = 0 AND f.attrelid = c.conrelid AND f.attnum = k.conkey
      AND t.attrelid = c.confrelid AND t.attnum = k.confkey AND r.child IN (%) AND r.parent IN (%)
    ORDER BY r.child, c.conname, c.oid, k.place";

/// What the application's own statements would set off, and a restore does not.
const TRIGGERS: &str = "SELECT tgrelid, 'trigger', tgname, pg_catalog.pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid IN (%)
    UNION ALL SELECT ev_class, 'rule', rulename, pg_catalog.pg_get_ruledef(oid) FROM pg_catalog.pg_rewrite
    WHERE ev_enabled <> 'D' AND ev_class IN (%) ORDER BY 1, 3";

/// What a database is made of.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Its tables, in the order of their models' names.
    pub tables: Vec<Table>,
    /// Foreign keys between them.
    pub references: Vec<Reference>,
    /// Unique columns that are not the key.
    pub uniques: Vec<Unique>,
    /// Triggers and rules.
    pub triggers: Vec<SchemaObject>,
}

/// A column as the catalog has it.
struct Attribute {
    number: String,
    name: String,
    declared: String,
    not_null: bool,
    generated: bool,
    base: String,
    deterministic: bool,
    always: bool,
    of: Type,
}

/// The columns of a unique index, by their numbers.
struct Index {
    primary: bool,
    numbers: Vec<String>,
}

impl Catalog {
    /// Asks for everything, in the transaction that the session is in.
    ///
    /// # Errors
    /// What the server says.
    pub fn load(session: &mut Session) -> Result<Self> {
        Self::of(session, "true")
    }

    /// Asks for a table as it is now, by its number; none where there is no such table any more.
    ///
    /// # Errors
    /// What the server says.
    pub fn look_again(session: &mut Session, oid: &str) -> Result<Option<Table>> {
        Ok(Self::of(session, &format!("c.oid = {oid}"))?.tables.pop())
    }

    fn of(session: &mut Session, condition: &str) -> Result<Self> {
        let found = session.rows(&TABLES.replace('%', condition))?;
        if found.is_empty() {
            return Ok(Self::default());
        }
        let oids: Vec<String> = found.iter().map(|row| text(row, 0)).collect();
        let among = |sql: &str| sql.replace('%', &oids.join(", "));
        let mut attributes = attributes(session.rows(&among(COLUMNS))?);
        let mut indexes = indexes(session.rows(&among(INDEXES))?);
        let mut local: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in session.rows(&among(LOCAL))? {
            local.entry(text(&row, 0)).or_default().push(qualified(&text(&row, 1), &text(&row, 2)));
        }
        let mut catalog = Self::default();
        let mut models = BTreeMap::new();
        for row in &found {
            let (oid, schema, name) = (text(row, 0), text(row, 1), text(row, 2));
            let columns = attributes.remove(&oid).unwrap_or_default();
            let unique = indexes.remove(&oid).unwrap_or_default();
            let table = table(&schema, &name, &columns, &unique, text(row, 3) == "p", &text(row, 4));
            let (local, pages) = (local.remove(&oid).unwrap_or_default(), text(row, 5).parse().unwrap_or(u64::MAX));
            let table = Table { oid: oid.clone(), local, pages, ..table };
            catalog.uniques.extend(uniques(&table.relation, &columns, &unique));
            models.insert(oid, table.relation.name.clone());
            catalog.tables.push(table);
        }
        catalog.references = references(session.rows(&among(REFERENCES))?, &models, &catalog.tables);
        catalog.triggers = triggers(session.rows(&among(TRIGGERS))?, &models);
        catalog.tables.sort_by(|a, b| a.relation.name.cmp(&b.relation.name));
        Ok(catalog)
    }

    /// The names of the tables whose definition must stay, as SQL.
    ///
    /// # Errors
    /// What the server says.
    pub fn names(session: &mut Session) -> Result<Vec<String>> {
        Ok(session.rows(&TABLES.replace('%', "true"))?.iter().map(|row| qualified(&text(row, 1), &text(row, 2))).collect())
    }

    /// The table that a model is.
    ///
    /// # Errors
    /// There is none.
    pub fn table(&self, model: &str) -> Result<&Table> {
        let found = self.tables.iter().find(|table| table.relation.name == model);
        found.ok_or_else(|| Error::Unfit { model: model.into(), why: "the database has no such table".into() })
    }
}

fn text(row: &[Option<String>], column: usize) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

fn is_true(row: &[Option<String>], column: usize) -> bool {
    row.get(column).is_some_and(|value| value.as_deref() == Some("t"))
}

fn attributes(rows: Vec<Vec<Option<String>>>) -> BTreeMap<String, Vec<Attribute>> {
    let mut found: BTreeMap<String, Vec<Attribute>> = BTreeMap::new();
    for row in rows {
        let attribute = Attribute {
            number: text(&row, 1),
            name: text(&row, 2),
            declared: text(&row, 3),
            not_null: is_true(&row, 4),
            generated: is_true(&row, 5),
            base: text(&row, 6),
            deterministic: is_true(&row, 7),
            always: is_true(&row, 8),
            of: Type {
                name: qualified(&text(&row, 9), &text(&row, 10)),
                collation: collated(&text(&row, 11), &text(&row, 12)),
                equal: text(&row, 13)
                    .split_once('\n')
                    .map_or("=".to_owned(), |(schema, sign)| format!("OPERATOR({}.{sign})", ident(schema))),
            },
        };
        found.entry(text(&row, 0)).or_default().push(attribute);
    }
    found
}

/// Text in another collation than its type's own.
fn collated(schema: &str, name: &str) -> String {
    if schema.is_empty() { String::new() } else { format!(" COLLATE {}", qualified(schema, name)) }
}

fn indexes(rows: Vec<Vec<Option<String>>>) -> BTreeMap<String, Vec<Index>> {
    let mut found: BTreeMap<String, Vec<Index>> = BTreeMap::new();
    let mut last = None;
    for row in rows {
        let of_table = found.entry(text(&row, 0)).or_default();
        if last.replace(text(&row, 1)) != Some(text(&row, 1)) {
            of_table.push(Index { primary: is_true(&row, 2), numbers: Vec::new() });
        }
        if let Some(index) = of_table.last_mut() {
            index.numbers.push(text(&row, 3));
        }
    }
    found
}

/// The name that people see: a table in `public` by its own, one elsewhere with its schema. What would be unclear is quoted.
#[must_use]
pub fn model_name(schema: &str, table: &str) -> String {
    let part = |name: &str| if name.contains(['.', '"']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() };
    if schema == "public" && table != LARGE_OBJECTS { part(table) } else { format!("{}.{}", part(schema), part(table)) }
}

fn table(schema: &str, name: &str, attributes: &[Attribute], unique: &[Index], partitioned: bool, condition: &str) -> Table {
    let stored: Vec<&Attribute> = attributes.iter().filter(|attribute| !attribute.generated).collect();
    let place = |number: &String| stored.iter().position(|attribute| attribute.number == *number);
    let usable = |index: &&Index| index.numbers.iter().all(|number| place(number).is_some_and(|place| stored[place].not_null));
    let key = unique.iter().find(usable).map(|index| index.numbers.iter().filter_map(place).collect::<Vec<_>>());
    let columns = stored.iter().map(|attribute| Column {
        name: attribute.name.clone(),
        declared: attribute.declared.clone(),
        role: Role::Data,
        fold: fold_of(&attribute.base),
        not_null: attribute.not_null,
    });
    let relation = Relation {
        name: model_name(schema, name),
        module: if schema == "public" { String::new() } else { schema.to_owned() },
        kind: RelationKind::Table,
        columns: columns.collect(),
        key: key.clone().map_or(KeyKind::WholeRow, KeyKind::Columns),
    };
    let parts: Vec<&Attribute> = key.unwrap_or_default().into_iter().map(|part| stored[part]).collect();
    Table {
        relation,
        oid: String::new(),
        name: qualified(schema, name),
        partitioned,
        condition: condition_of(condition),
        always: (0..stored.len()).filter(|&column| stored[column].always).collect(),
        kinds: stored.iter().map(|attribute| kind_of(&attribute.base)).collect(),
        types: stored.iter().map(|attribute| attribute.of.clone()).collect(),
        plain: (0..stored.len()).filter(|&column| is_plain(stored[column])).collect(),
        order: parts.iter().map(|attribute| order_of(attribute)).collect(),
        local: Vec::new(),
        pages: 0,
        long: parts.iter().filter(|attribute| !is_short(&attribute.base)).map(|attribute| bytes_of(attribute)).collect(),
    }
}

/// An extension's condition begins with WHERE.
fn condition_of(condition: &str) -> String {
    let trimmed = condition.trim();
    trimmed.get(..5).filter(|start| start.eq_ignore_ascii_case("where")).map_or(trimmed, |_| trimmed[5..].trim()).to_owned()
}

fn fold_of(base: &str) -> Fold {
    if base == "bpchar" { Fold::Rtrim } else { Fold::Binary }
}

fn kind_of(base: &str) -> Kind {
    match base {
        "int2" | "int4" | "int8" | "oid" => Kind::Integer,
        "bytea" => Kind::Bytes,
        _ => Kind::Text,
    }
}

/// Types whose values are never too long for a key.
fn is_short(base: &str) -> bool {
    matches!(base, "int2" | "int4" | "int8" | "oid" | "bool" | "uuid" | "date" | "timestamp" | "timestamptz" | "float4" | "float8" | "name")
}

/// Whether two values are equal to the database only where their texts are one (blanks at the end of `bpchar` are the key's business).
fn is_plain(attribute: &Attribute) -> bool {
    let base = attribute.base.as_str();
    let other = ["text", "varchar", "bpchar", "bytea", "time", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "char"];
    attribute.deterministic && ((is_short(base) && !matches!(base, "float4" | "float8")) || other.contains(&base))
}

/// The order that our key has: the type's own where the two are provably one, else that of the bytes of its text.
fn order_of(attribute: &Attribute) -> String {
    let name = ident(&attribute.name);
    match attribute.base.as_str() {
        "int2" | "int4" | "int8" | "oid" | "bool" | "uuid" | "bytea" => name,
        // The cast takes the trailing blanks, as the key does.
        "bpchar" => format!("{name}::pg_catalog.text COLLATE \"C\""),
        _ => format!("{} COLLATE \"C\"", text_of(attribute)),
    }
}

/// The text that COPY gives: a cast to text may give another one (of a boolean), the output function does not.
fn text_of(attribute: &Attribute) -> String {
    let name = ident(&attribute.name);
    match attribute.base.as_str() {
        "text" | "varchar" if attribute.deterministic => name,
        "text" | "varchar" => format!("{name}::pg_catalog.text"),
        _ => format!("pg_catalog.format('%s', {name})"),
    }
}

fn bytes_of(attribute: &Attribute) -> String {
    let value = if attribute.base == "bytea" { ident(&attribute.name) } else { text_of(attribute) };
    format!("pg_catalog.octet_length({value})")
}

/// Unique columns besides the key.
fn uniques(relation: &Relation, attributes: &[Attribute], unique: &[Index]) -> Vec<Unique> {
    let name = |number: &String| attributes.iter().find(|attribute| attribute.number == *number);
    let mut found = Vec::new();
    for index in unique {
        let Some(parts) = index.numbers.iter().map(name).collect::<Option<Vec<_>>>() else { continue };
        let columns: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
        let key = relation.key_columns().iter().map(|&part| &relation.columns[part].name);
        if index.primary || parts.iter().any(|part| part.generated) || key.eq(columns.iter()) {
            continue;
        }
        let folds = parts.iter().map(|part| fold_of(&part.base)).collect();
        found.push(Unique { model: relation.name.clone(), columns, folds });
    }
    found
}

fn references(rows: Vec<Vec<Option<String>>>, models: &BTreeMap<String, String>, tables: &[Table]) -> Vec<Reference> {
    let mut references: Vec<Reference> = Vec::new();
    let mut last = None;
    for row in rows {
        let (Some(from), Some(to)) = (models.get(&text(&row, 1)), models.get(&text(&row, 2))) else { continue };
        if last.replace(text(&row, 0)) != Some(text(&row, 0)) {
            let (columns, to_columns, folds) = (Vec::new(), Vec::new(), Vec::new());
            references.push(Reference { from: from.clone(), columns, to: to.clone(), to_columns, folds });
        }
        let Some(reference) = references.last_mut() else { continue };
        let parent = tables.iter().find(|table| table.relation.name == *to).map(|table| &table.relation);
        let fold = parent.and_then(|parent| parent.column(&text(&row, 4)).map(|column| parent.columns[column].fold));
        reference.columns.push(text(&row, 3));
        reference.to_columns.push(text(&row, 4));
        reference.folds.push(fold.unwrap_or_default());
    }
    let is_stored = |model: &str, columns: &[String]| {
        let table = tables.iter().find(|table| table.relation.name == model);
        table.is_some_and(|table| columns.iter().all(|column| table.relation.column(column).is_some()))
    };
    let mut seen: Vec<Reference> = Vec::new();
    references.retain(|reference| {
        !seen.contains(reference) && {
            seen.push(reference.clone());
            true
        }
    });
    references.retain(|reference| is_stored(&reference.from, &reference.columns) && is_stored(&reference.to, &reference.to_columns));
    references
}

fn triggers(rows: Vec<Vec<Option<String>>>, models: &BTreeMap<String, String>) -> Vec<SchemaObject> {
    let object = |row: Vec<Option<String>>| {
        let table = models.get(&text(&row, 0))?.clone();
        Some(SchemaObject { kind: text(&row, 1), name: text(&row, 2), table, sql: text(&row, 3) })
    };
    rows.into_iter().filter_map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_its_table_and_elsewhere_by_its_schema_too() {
        assert_eq!(model_name("public", "film"), "film");
        assert_eq!(model_name("sales", "order"), "sales.order");
        assert_eq!(model_name("public", "sales.order"), "\"sales.order\"");
        assert_eq!(model_name("a\"b", "c"), "\"a\"\"b\".c");
    }

    #[test]
    fn an_extensions_condition_loses_its_where() {
        assert_eq!(condition_of("WHERE NOT standard"), "NOT standard");
        assert_eq!(condition_of(""), "");
    }
}
