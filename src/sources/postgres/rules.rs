//! What of a table's definition can refuse a row, and what of it the rows of a backup were under already.
//!
//! pg_dump and the server tell a constraint in the same words: one that stands in the backup's statements is no news to its rows.

use super::session::Session;
use super::sql::ident;
use super::table::Table;
use crate::sources::{Definition, Origin, Result, SchemaObject};

/// A condition that must not be false of a row.
#[derive(Clone, Debug)]
pub struct Rule {
    /// SQL over the columns of a row.
    pub condition: String,
    /// The columns that it looks at, by their places in the model.
    pub columns: Vec<usize>,
    /// Whether the rows of the backup were under it.
    pub known: bool,
    /// What a row does of which it is false.
    pub words: String,
}

/// What can refuse a row.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Conditions upon a row.
    pub rules: Vec<Rule>,
    /// The columns that may not take a value of the backup, by their places in the model.
    pub suspects: Vec<usize>,
    /// Columns that the database computes, where a condition looks at any, as SQL behind a comma: what they are, and their names.
    pub computed: Vec<String>,
}

/// CHECKs of a table: their words, but where they call a function of the application's, which may say something else by now; and those that its partitions alone have, with what is true of the rows that go there.
const CHECKS: &str = "WITH leaf AS (SELECT relid::pg_catalog.oid AS oid FROM pg_catalog.pg_partition_tree(%::pg_catalog.oid::pg_catalog.regclass) WHERE isleaf)
    SELECT c.conname, CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend f WHERE f.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND f.objid = c.oid
          AND f.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) THEN 'CONSTRAINT ' || pg_catalog.quote_ident(c.conname) || ' ' END, pg_catalog.pg_get_expr(c.conbin, c.conrelid), pg_catalog.pg_get_constraintdef(c.oid), n.nspname, t.relname,
      (SELECT pg_catalog.json_agg(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)),
      CASE WHEN c.conrelid <> % THEN coalesce(pg_catalog.pg_get_partition_constraintdef(c.conrelid), 'true') END
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE c.contype = 'c' AND coalesce(pg_catalog.to_jsonb(c)->>'conenforced', 'true') = 'true'
      AND (c.conrelid = % OR (c.conrelid IN (SELECT oid FROM leaf)
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint r WHERE r.conrelid = % AND r.contype = 'c' AND r.conname = c.conname)))
    ORDER BY c.conrelid <> %, c.conname";

/// What is true of the rows of each partition that holds any.
const BOUNDS: &str = "SELECT coalesce(pg_catalog.pg_get_partition_constraintdef(p.relid), 'true')
    FROM pg_catalog.pg_partition_tree(%::pg_catalog.oid::pg_catalog.regclass) p WHERE p.isleaf";

/// How pg_dump puts partitions to their tables.
const ATTACHED: &str =
    "SELECT 'ALTER TABLE ONLY ' || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(pc.relname) || ' ATTACH PARTITION ',
      pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' ' || pg_catalog.pg_get_expr(c.relpartbound, c.oid)
    FROM pg_catalog.pg_partition_tree(%::pg_catalog.oid::pg_catalog.regclass) p
    JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class pc ON pc.oid = p.parentrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace WHERE p.level > 0";

const COMPUTED: &str = "SELECT a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.format_type(a.atttypid, a.atttypmod)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attgenerated <> '' AND NOT a.attisdropped AND a.attrelid = %";

/// The types that the application made of which columns are, what they are made of among them: with what each of them lets pass.
const TYPES: &str = "WITH RECURSIVE part(attname, oid) AS (SELECT a.attname, a.atttypid FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = % AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      UNION SELECT p.attname, m.oid FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.oid
        CROSS JOIN LATERAL unnest(ARRAY[t.typbasetype, t.typelem]) AS m(oid) WHERE m.oid <> 0)
    SELECT p.attname, t.typtype, n.nspname, t.typname, CASE t.typtype
        WHEN 'e' THEN (SELECT pg_catalog.json_agg(pg_catalog.quote_literal(e.enumlabel)) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
        WHEN 'd' THEN (SELECT pg_catalog.json_agg(CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_depend f WHERE f.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND f.objid = c.oid
          AND f.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
          THEN 'what a function says' ELSE pg_catalog.pg_get_constraintdef(c.oid) END) FROM pg_catalog.pg_constraint c
          WHERE c.contypid = t.oid AND c.contype = 'c') END,
      t.typnotnull, pg_catalog.format_type(t.typbasetype, t.typtypmod)
    FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'c') AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')";

impl Rules {
    /// Those of a table.
    ///
    /// # Errors
    /// What the server says.
    pub fn load(session: &mut Session, table: &Table, origin: &Origin<'_>) -> Result<Self> {
        let backup = Backup { definition: origin.definition };
        let mut found = Self { suspects: suspects(session, table, origin, &backup)?, ..Self::default() };
        let all: Vec<usize> = (0..table.relation.columns.len()).collect();
        for row in session.rows(&CHECKS.replace('%', &table.oid))? {
            let [name, words, condition, told, schema, of, columns, bounds] = texts(row);
            let columns: Vec<String> = list(&columns);
            let places: Option<Vec<usize>> = columns.iter().map(|name| table.relation.column(name)).collect();
            if places.is_none() && found.computed.is_empty() {
                found.computed = computed(session, table)?;
            }
            let known = !words.is_empty() && backup.says("table", &schema, &of, &[words + &told]);
            let words = format!("breaks the constraint {name}: {told}");
            // What a partition alone asks for is asked of the rows that go there, told by other columns.
            let (condition, columns) = if bounds.is_empty() {
                (condition, places.unwrap_or_else(|| all.clone()))
            } else {
                (format!("(({bounds}) IS NOT TRUE OR ({condition}))"), all.clone())
            };
            found.rules.push(Rule { condition, columns, known, words });
        }
        if table.partitioned {
            let bounds: Vec<String> =
                session.rows(&BOUNDS.replace('%', &table.oid))?.into_iter().map(|row| texts::<1>(row).concat()).collect();
            let attached: Vec<[String; 2]> = session.rows(&ATTACHED.replace('%', &table.oid))?.into_iter().map(texts).collect();
            let any: Vec<String> = bounds.iter().map(|bound| format!("({bound})")).collect();
            let condition = if any.is_empty() { "false".to_owned() } else { format!("(({}) IS TRUE)", any.join(" OR ")) };
            let words = "goes to no partition that there is".to_owned();
            found.rules.push(Rule { condition, columns: all, known: backup.had_no_more_partitions(&attached), words });
        }
        Ok(found)
    }
}

/// The columns whose values may be none any more.
fn suspects(session: &mut Session, table: &Table, origin: &Origin<'_>, backup: &Backup<'_>) -> Result<Vec<usize>> {
    let relation = &table.relation;
    let declared = |name: &str| origin.relation.column(name).map(|column| origin.relation.columns[column].declared.as_str());
    let columns = relation.columns.iter().enumerate();
    let changed = columns.filter(|(_, column)| declared(&column.name).is_some_and(|was| was != column.declared));
    let mut found: Vec<usize> = changed.map(|(place, _)| place).collect();
    for row in session.rows(&TYPES.replace('%', &table.oid))? {
        let [column, sort, schema, name, allows, not_null, base] = texts(row);
        let mut allows = list(&allows);
        let known = match sort.as_str() {
            "e" => backup.had_no_more_labels(&schema, &name, &allows),
            "d" => {
                allows.push(format!(" AS {base}"));
                allows.extend((not_null == "t").then(|| "NOT NULL".to_owned()));
                backup.says("domain", &schema, &name, &allows)
            }
            _ => false,
        };
        found.extend(relation.column(&column).filter(|_| !known));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn computed(session: &mut Session, table: &Table) -> Result<Vec<String>> {
    let rows = session.rows(&COMPUTED.replace('%', &table.oid))?;
    let each = rows.into_iter().map(|row| {
        let [name, expression, of] = texts(row);
        format!(", CAST(({expression}) AS {of}) AS {}", ident(&name))
    });
    Ok(each.collect())
}

/// What pg_dump said of the database that the rows come from.
struct Backup<'b> {
    definition: Option<&'b Definition>,
}

impl Backup<'_> {
    fn objects(&self) -> &[SchemaObject] {
        self.definition.map_or(&[], |definition| &definition.objects)
    }

    /// Whether the statement that made this had all of these words.
    fn says(&self, kind: &str, schema: &str, name: &str, words: &[String]) -> bool {
        let name = format!("{schema}.{name}");
        let made = self.objects().iter().find(|object| object.kind == kind && object.name == name);
        made.is_some_and(|made| words.iter().all(|words| made.sql.contains(words)))
    }

    /// Whether every label that an enumeration had is one of these, as SQL.
    fn had_no_more_labels(&self, schema: &str, name: &str, labels: &[String]) -> bool {
        let name = format!("{schema}.{name}");
        let made = self.objects().iter().find(|object| object.kind == "type" && object.name == name);
        let Some((_, had)) = made.and_then(|made| made.sql.split_once(" AS ENUM (")) else { return false };
        let had = had.trim_end_matches(';').trim_end_matches(')');
        had.lines()
            .map(|line| line.trim().trim_end_matches(','))
            .filter(|line| !line.is_empty())
            .all(|had| labels.iter().any(|label| label == had))
    }

    /// Whether every partition that the table had is one of these, told as the statements that put them there, in two parts. Of a table that has
    /// lost all of them nothing is known.
    fn had_no_more_partitions(&self, attached: &[[String; 2]]) -> bool {
        let had = self.objects().iter().map(|object| object.sql.trim_end_matches(';'));
        let mut ours = had.filter(|sql| attached.iter().any(|[begin, _]| sql.starts_with(begin))).peekable();
        ours.peek().is_some() && ours.all(|sql| attached.iter().any(|[begin, end]| sql.strip_prefix(begin.as_str()) == Some(end)))
    }
}

fn list(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

fn texts<const N: usize>(row: Vec<Option<String>>) -> [String; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| values.next().flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, name: &str, sql: &str) -> Definition {
        let object = SchemaObject { kind: kind.into(), name: name.into(), table: String::new(), sql: sql.into() };
        Definition { objects: vec![object], ..Definition::default() }
    }

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_stands_in_the_backups_statement_is_known() {
        let made = said("table", "public.t", "CREATE TABLE public.t (\n    v integer,\n    CONSTRAINT fit CHECK ((v > 0))\n);");
        let backup = Backup { definition: Some(&made) };
        assert!(backup.says("table", "public", "t", &texts(&["CONSTRAINT fit CHECK ((v > 0))"])));
        assert!(!backup.says("table", "public", "t", &texts(&["CONSTRAINT fit CHECK ((v > 1))"])));
        assert!(!backup.says("table", "other", "t", &texts(&["CONSTRAINT fit CHECK ((v > 0))"])));
        assert!(!Backup { definition: None }.says("table", "public", "t", &[]));
    }

    #[test]
    fn an_enumeration_may_have_more_labels_by_now_and_no_fewer() {
        let made = said("type", "public.mood", "CREATE TYPE public.mood AS ENUM (\n    'sad',\n    'it''s (fine)'\n);");
        let backup = Backup { definition: Some(&made) };
        assert!(backup.had_no_more_labels("public", "mood", &texts(&["'it''s (fine)'", "'new'", "'sad'"])));
        assert!(!backup.had_no_more_labels("public", "mood", &texts(&["'it''s (fine)'", "'blue'"])));
        assert!(!backup.had_no_more_labels("public", "other", &texts(&["'sad'"])));
    }

    #[test]
    fn a_table_may_have_more_partitions_by_now_and_no_fewer() {
        let begin = "ALTER TABLE ONLY public.t ATTACH PARTITION ".to_owned();
        let one = [begin.clone(), "public.t_1 FOR VALUES IN (1)".to_owned()];
        let two = [begin, "public.t_2 DEFAULT".to_owned()];
        let mut made = said("table attach", "public.t_1", "ALTER TABLE ONLY public.t ATTACH PARTITION public.t_1 FOR VALUES IN (1);");
        assert!(Backup { definition: Some(&made) }.had_no_more_partitions(&[two.clone(), one.clone()]));
        assert!(!Backup { definition: Some(&made) }.had_no_more_partitions(std::slice::from_ref(&two)));
        made.objects.clear();
        assert!(!Backup { definition: Some(&made) }.had_no_more_partitions(&[two, one]));
    }
}
