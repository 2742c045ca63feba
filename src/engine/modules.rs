//! Modules: the group in which people see a model.
//!
//! What the app's settings say comes first; then the module that the source itself gives (a PostgreSQL schema); then the Django
//! app that a table belongs to; else what stands before the first `_` of its name, where at least two tables share that.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::catalog::ModuleModels;
use crate::rows::{Batch, Digest, Piece, Relation, RelationKind, Row, Value};
use crate::sources::{
    Asking, Content, Deed, Definition, Glancing, Identity, Judging, Origin, Pieced, Reference, Result as SourceResult, Rival, SchemaObject,
    Sequences, Since, Snapshot, Tally, Unique, Unread,
};

use super::error::{Error, Result};
use super::names::Names;

/// So many rows of Django's tables are read at the most: a project of that size has a hundredth of it.
const MOST_READ: usize = 50_000;

/// Tables of Django's own whose names do not begin with the label of their app.
const CONTRIB: [(&str, &str); 6] = [
    ("django_content_type", "contenttypes"),
    ("django_session", "sessions"),
    ("django_admin_log", "admin"),
    ("django_site", "sites"),
    ("django_flatpage", "flatpages"),
    ("django_redirect", "redirects"),
];

/// Reads what an operator says about modules, each `NAME=GLOB[,GLOB]`; what is said of one module twice goes together.
///
/// # Errors
/// A text that is not of that form.
pub fn read(texts: &[String]) -> Result<Vec<ModuleModels>> {
    let mut modules: Vec<ModuleModels> = Vec::new();
    for text in texts {
        let unfit = || Error::Usage {
            why: format!("“{text}” names no module and its models"),
            hint: "Write --module NAME=GLOB[,GLOB].".into(),
        };
        let (module, globs) = text.split_once('=').filter(|(module, _)| !module.is_empty()).ok_or_else(unfit)?;
        let globs: Vec<String> = globs.split(',').map(str::trim).filter(|glob| !glob.is_empty()).map(str::to_owned).collect();
        if globs.is_empty() {
            return Err(unfit());
        }
        match modules.iter_mut().find(|known| known.module == module) {
            Some(known) => known.models.extend(globs),
            None => modules.push(ModuleModels { module: module.to_owned(), models: globs }),
        }
    }
    Ok(modules)
}

/// The models of a database in their modules.
pub fn grouped(snapshot: Box<dyn Snapshot>, settings: &[ModuleModels]) -> Box<dyn Snapshot> {
    let relations = relations(snapshot.as_ref(), settings);
    shown_as(snapshot, relations)
}

/// The models of a database as they stand in their modules; its rows must be readable.
pub fn relations(snapshot: &dyn Snapshot, settings: &[ModuleModels]) -> Vec<Relation> {
    Modules::of(snapshot, settings).put(snapshot.relations())
}

/// A database whose models are shown as these.
pub fn shown_as(snapshot: Box<dyn Snapshot>, relations: Vec<Relation>) -> Box<dyn Snapshot> {
    Box::new(Grouped { snapshot, relations })
}

/// What is known about the modules of a database.
struct Modules {
    settings: Vec<(String, Names)>,
    django: Django,
}

impl Modules {
    fn of(snapshot: &dyn Snapshot, settings: &[ModuleModels]) -> Self {
        let settings = settings.iter().map(|said| (said.module.clone(), Names::new(&said.models))).collect();
        Self { settings, django: Django::read(snapshot) }
    }

    fn put(&self, relations: &[Relation]) -> Vec<Relation> {
        let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
        for relation in relations.iter().filter(|relation| relation.module.is_empty() && relation.kind != RelationKind::Derived) {
            *shared.entry(prefix(&relation.name)).or_default() += 1;
        }
        let by_prefix =
            |name: &str| Some(prefix(name)).filter(|prefix| shared.get(prefix).is_some_and(|&count| count > 1)).map(str::to_owned);
        let module = |relation: &Relation| {
            let said = self.settings.iter().find(|(_, names)| names.take(&relation.name)).map(|(module, _)| module.clone());
            let own = || Some(relation.module.clone()).filter(|own| !own.is_empty());
            let told = said.or_else(own).or_else(|| self.django.label(&relation.name).map(str::to_owned));
            told.or_else(|| by_prefix(&relation.name)).unwrap_or_default()
        };
        relations.iter().map(|relation| Relation { module: module(relation), ..relation.clone() }).collect()
    }
}

fn prefix(name: &str) -> &str {
    name.split_once('_').map_or("", |(prefix, _)| prefix)
}

/// The apps of a Django project, as its own tables name them.
#[derive(Default)]
struct Django {
    /// The tables that its models should have, with the labels of their apps.
    tables: BTreeMap<String, String>,
    labels: BTreeSet<String>,
}

impl Django {
    /// Reads them. A table that cannot be read tells nothing; that is no reason to fail.
    fn read(snapshot: &dyn Snapshot) -> Self {
        let mut django = Self::default();
        texts(snapshot, "django_content_type", ["app_label", "model"], &mut |[label, model]| {
            let table = format!("{label}_{model}");
            // Two apps can mean one table by their names: the longer label says more.
            if django.tables.get(&table).is_none_or(|known| known.len() < label.len()) {
                django.tables.insert(table, label.to_owned());
            }
            django.labels.insert(label.to_owned());
        });
        texts(snapshot, "django_migrations", ["app"], &mut |[label]| {
            django.labels.insert(label.to_owned());
        });
        django
    }

    /// The label of the app that a table belongs to: its own model's, that of the model whose many-to-many table it is, else the
    /// longest label that its name begins with.
    fn label(&self, table: &str) -> Option<&str> {
        let contrib = || CONTRIB.iter().find(|(name, label)| *name == table && self.labels.contains(*label)).map(|(_, label)| *label);
        let heads = || table.match_indices('_').map(|(at, _)| &table[..at]);
        let owner = || heads().filter_map(|head| self.tables.get(head)).max_by_key(|label| label.len()).map(String::as_str);
        let begun = || heads().filter_map(|head| self.labels.get(head)).max_by_key(|label| label.len()).map(String::as_str);
        let own = self.tables.get(table).map(String::as_str);
        own.or_else(contrib).or_else(owner).or_else(begun)
    }
}

/// Shows the texts in these columns of a table, where it has them.
fn texts<const N: usize>(snapshot: &dyn Snapshot, table: &str, columns: [&str; N], each: &mut dyn FnMut([&str; N])) {
    let Some(relation) = snapshot.relations().iter().find(|relation| relation.name == table && relation.kind == RelationKind::Table) else {
        return;
    };
    let places = columns.map(|column| relation.column(column));
    if places.iter().any(Option::is_none) {
        return;
    }
    let mut left = MOST_READ;
    let scanned = snapshot.scan(relation, &Glancing, &mut |row| {
        let found = places.map(|place| match place.and_then(|place| row.values.get(place)) {
            Some(Value::Text(bytes)) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        });
        if found.iter().all(|text| !text.is_empty()) {
            each(found);
        }
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(scanned);
}

/// A database at one moment, its models in their modules.
struct Grouped<S: ?Sized> {
    snapshot: Box<S>,
    relations: Vec<Relation>,
}

impl<S: Snapshot + ?Sized> Snapshot for Grouped<S> {
    fn identity(&self) -> Identity {
        self.snapshot.identity()
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn definition(&self) -> SourceResult<Definition> {
        self.snapshot.definition()
    }

    fn describing(&self) -> Box<dyn FnOnce() -> SourceResult<Definition> + Send + '_> {
        self.snapshot.describing()
    }

    fn sequences(&self) -> SourceResult<Sequences> {
        self.snapshot.sequences()
    }

    fn triggers(&self) -> SourceResult<Vec<SchemaObject>> {
        self.snapshot.triggers()
    }

    fn references(&self) -> &[Reference] {
        self.snapshot.references()
    }

    fn uniques(&self) -> &[Unique] {
        self.snapshot.uniques()
    }

    fn consistency(&self) -> serde_json::Value {
        self.snapshot.consistency()
    }

    fn size(&self, relation: &Relation) -> u64 {
        self.snapshot.size(relation)
    }

    fn scan(&self, relation: &Relation, content: &dyn Content, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> SourceResult<Vec<Unread>> {
        self.snapshot.scan(relation, content, each)
    }

    fn another(&self) -> Option<Box<dyn Snapshot + Send>> {
        Some(Box::new(Grouped { snapshot: self.snapshot.another()?, relations: self.relations.clone() }))
    }

    fn scan_batches(
        &self,
        relation: &Relation,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> SourceResult<Vec<Unread>> {
        self.snapshot.scan_batches(relation, content, give)
    }

    fn tells_since(&self, relation: &Relation, since: &serde_json::Value) -> bool {
        self.snapshot.tells_since(relation, since)
    }

    fn scan_since(
        &self,
        relation: &Relation,
        since: &serde_json::Value,
        content: &dyn Content,
        each: &mut dyn FnMut(Since) -> ControlFlow<()>,
    ) -> SourceResult<Vec<Unread>> {
        self.snapshot.scan_since(relation, since, content, each)
    }

    fn tally_since(&self, relation: &Relation, since: &serde_json::Value, bounds: &[i64]) -> SourceResult<Option<Vec<Tally>>> {
        self.snapshot.tally_since(relation, since, bounds)
    }

    fn scan_written(
        &self,
        relation: &Relation,
        since: &serde_json::Value,
        content: &dyn Content,
        give: &mut dyn FnMut(&mut Batch) -> ControlFlow<()>,
    ) -> SourceResult<Vec<Unread>> {
        self.snapshot.scan_written(relation, since, content, give)
    }

    fn asking_since(&self, relation: &Relation, since: &serde_json::Value) -> Option<Box<dyn Asking + '_>> {
        self.snapshot.asking_since(relation, since)
    }

    fn pieces(&self, relation: &Relation) -> Option<Digest> {
        self.snapshot.pieces(relation)
    }

    fn scan_pieces(
        &self,
        relation: &Relation,
        content: &dyn Content,
        known: &mut dyn FnMut(&Piece) -> bool,
        give: &mut dyn FnMut(Pieced<'_>) -> ControlFlow<()>,
    ) -> SourceResult<Option<()>> {
        self.snapshot.scan_pieces(relation, content, known, give)
    }

    fn left_out(&self) -> Vec<String> {
        self.snapshot.left_out()
    }

    fn entry(&self, path: &[u8], content: &dyn Content) -> SourceResult<Option<Row>> {
        self.snapshot.entry(path, content)
    }

    fn judges(&self, relation: &Relation) -> SourceResult<bool> {
        self.snapshot.judges(relation)
    }

    fn rivals(&self, relation: &Relation, rows: &[Row]) -> SourceResult<Vec<Rival>> {
        self.snapshot.rivals(relation, rows)
    }

    fn compares(&self, relation: &Relation, columns: &[usize]) -> SourceResult<bool> {
        self.snapshot.compares(relation, columns)
    }

    fn holders(&self, relation: &Relation, columns: &[usize], rows: &[Row], take: &mut dyn FnMut(Rival)) -> SourceResult<()> {
        self.snapshot.holders(relation, columns, rows, take)
    }

    fn alike(&self, relation: &Relation, columns: &[usize], rows: &[&Row]) -> SourceResult<Vec<usize>> {
        self.snapshot.alike(relation, columns, rows)
    }

    fn judging<'s>(&'s self, relation: &Relation, origin: &Origin<'_>) -> SourceResult<Option<Box<dyn Judging + 's>>> {
        self.snapshot.judging(relation, origin)
    }

    fn forbids(&self, relation: &Relation, deed: Deed) -> SourceResult<Option<String>> {
        self.snapshot.forbids(relation, deed)
    }

    fn covers(&self, row: &Row) -> bool {
        self.snapshot.covers(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::KeyKind;

    fn modules(settings: &[&str], django: Django, tables: &[(&str, &str)]) -> Vec<String> {
        let said = read(&settings.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let settings = said.iter().map(|said| (said.module.clone(), Names::new(&said.models))).collect();
        let named = |(module, name): &(&str, &str)| {
            let (kind, key) = (RelationKind::Table, KeyKind::WholeRow);
            Relation { name: (*name).into(), module: (*module).into(), kind, columns: Vec::new(), key }
        };
        let relations: Vec<Relation> = tables.iter().map(named).collect();
        Modules { settings, django }.put(&relations).into_iter().map(|relation| relation.module).collect()
    }

    fn django(models: &[(&str, &str)]) -> Django {
        let tables = models.iter().map(|(label, model)| (format!("{label}_{model}"), (*label).to_owned())).collect();
        Django { tables, labels: models.iter().map(|(label, _)| (*label).to_owned()).collect() }
    }

    #[test]
    fn a_prefix_that_tables_share_is_their_module() {
        let tables = ["hr_employee", "hr_contract", "app_settings", "Track"].map(|name| ("", name));
        assert_eq!(modules(&[], Django::default(), &tables), ["hr", "hr", "", ""]);
    }

    #[test]
    fn settings_win_over_the_source_that_over_django_and_that_over_the_prefix() {
        let known = django(&[("crm", "customer"), ("crm_mail", "letter")]);
        let tables = [("", "crm_customer"), ("", "crm_mail_letter"), ("stock", "stock.crm_customer"), ("", "old_a"), ("", "old_b")];
        assert_eq!(modules(&[], known, &tables), ["crm", "crm_mail", "stock", "old", "old"]);
        let known = django(&[("crm", "customer")]);
        let said = ["archive=old_*", "people=*customer"];
        assert_eq!(modules(&said, known, &tables[..1]), ["people"]);
        assert_eq!(modules(&said, Django::default(), &tables[2..]), ["people", "archive", "archive"]);
    }

    #[test]
    fn many_to_many_tables_belong_to_the_app_of_their_model_and_the_longest_label_wins() {
        let known = django(&[("shop", "order"), ("shop_order", "item"), ("auth", "user"), ("sessions", "session")]);
        let tables = ["shop_order_tags", "shop_order_item", "auth_user_groups", "django_session", "auth_outside"].map(|name| ("", name));
        assert_eq!(modules(&[], known, &tables), ["shop", "shop_order", "auth", "sessions", "auth"]);
    }

    #[test]
    fn what_is_said_of_a_module_is_read_or_refused() {
        let said = read(&["crm=customer*, lead".into(), "crm=deal".into()]).unwrap();
        assert_eq!(said, [ModuleModels { module: "crm".into(), models: ["customer*", "lead", "deal"].map(str::to_owned).to_vec() }]);
        for wrong in ["crm", "=a", "crm=", "crm=,"] {
            assert!(read(&[wrong.into()]).is_err(), "{wrong}");
        }
    }
}
