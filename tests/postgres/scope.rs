//! What a backup and a restore are about: schemas and Django's apps as modules, and tenants.

use backstop::catalog::{App, BackupType};
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::{BackupRequest, BackupResult};
use backstop::engine::restore::plan::{PlanSummary, Scope};
use backstop::engine::restore::strategy::Strategy;
use backstop::engine::restoring::PreviewRequest;
use backstop::engine::selection::Selection;

use crate::common::postgres::{Cluster, Database};
use crate::place::{Place, going};

/// Two companies; purchases stand in a schema of their own, countries in an app of Django's.
const FIRMS: &str = "
    CREATE TABLE company (id int PRIMARY KEY, name text);
    CREATE TABLE geo_region (id int PRIMARY KEY, name text);
    CREATE TABLE geo_country (id uuid PRIMARY KEY, name text, region_id int REFERENCES geo_region);
    CREATE TABLE django_content_type (id serial PRIMARY KEY, app_label varchar(100), model varchar(100));
    CREATE SCHEMA stock;
    CREATE TABLE stock.purchase (id bigint PRIMARY KEY, company_id int REFERENCES company, country_id uuid REFERENCES geo_country,
        price numeric, scan bytea);
    CREATE TABLE setting (name text PRIMARY KEY, value text);
    INSERT INTO company VALUES (7, 'Seven'), (9, 'Nine'); INSERT INTO geo_region VALUES (1, 'north'), (2, 'south');
    INSERT INTO geo_country VALUES ('00000000-0000-0000-0000-000000000001', 'Iceland', 1), ('00000000-0000-0000-0000-000000000002', 'Malta', 2);
    INSERT INTO django_content_type (app_label, model) VALUES ('geo', 'country'), ('geo', 'region');
    INSERT INTO stock.purchase SELECT i, CASE WHEN i % 3 = 0 THEN 9 ELSE 7 END,
        CASE WHEN i % 3 = 0 THEN '00000000-0000-0000-0000-000000000002' ELSE '00000000-0000-0000-0000-000000000001' END::uuid,
        i * 1.10, decode(repeat('ab', CASE WHEN i <= 3 THEN 40000 ELSE 1 END), 'hex') FROM generate_series(1, 30) i;
    INSERT INTO setting VALUES ('mode', 'fast');";

struct Firms {
    place: Place,
    database: Database,
    cluster: Cluster,
}

impl Firms {
    fn new() -> Self {
        Self::with(FIRMS, &["company_id"])
    }

    fn with(tables: &str, columns: &[&str]) -> Self {
        let cluster = Cluster::start();
        let database = cluster.database("firms");
        database.psql(tables);
        let place = Place::protecting(&database.url());
        let firms = Self { place, database, cluster };
        firms.edit(columns, &[]);
        firms
    }

    fn edit(&self, columns: &[&str], dispensable: &[&str]) {
        let request = AppRequest {
            name: "app".into(),
            database: Some(self.database.url()),
            tenant_columns: columns.iter().map(ToString::to_string).collect(),
            dispensable: dispensable.iter().map(ToString::to_string).collect(),
            ..AppRequest::default()
        };
        self.place.engine.edit_app(&self.app(), &request).unwrap();
    }

    fn app(&self) -> App {
        self.place.engine.app(None).unwrap()
    }

    fn back_up(&self, kind: BackupType, selection: Selection) -> BackupResult {
        self.place.engine.backup(&BackupRequest { selection, ..BackupRequest::new(None, kind) }).unwrap()
    }

    fn held(&self, backup: &str) -> Vec<String> {
        let models = self.place.engine.catalog().backup_models(backup).unwrap();
        let mut held: Vec<String> = models.iter().map(|model| format!("{} {}", model.model, model.rows)).collect();
        held.sort();
        held
    }

    fn preview(&self, backup: &str, tenant: &str) -> PlanSummary {
        let scope = Scope { tenants: vec![tenant.into()], ..Scope::default() };
        let request = PreviewRequest { backup: Some(backup.into()), scope, ..PreviewRequest::new(None, Strategy::Replace) };
        self.place.engine.preview(&request, &mut going).unwrap()
    }
}

#[test]
fn schemas_and_djangos_apps_are_modules_that_a_backup_is_narrowed_to() {
    let firms = Firms::new();
    let models = firms.place.engine.models(&firms.app()).unwrap();
    let module = |name: &str| models.iter().find(|model| model.model == name).unwrap().module.clone();
    assert_eq!(["stock.purchase", "geo_country", "company"].map(module), ["stock", "geo", ""]);
    let only = |modules: &[&str]| Selection { modules: modules.iter().map(ToString::to_string).collect(), ..Selection::default() };
    let made = firms.back_up(BackupType::Full, only(&["st*"]));
    assert_eq!(firms.held(&made.backup), ["stock.purchase 30"]);
    assert_eq!(firms.held(&firms.back_up(BackupType::Full, only(&["geo"])).backup), ["geo_country 2", "geo_region 2"]);
}

#[test]
fn what_is_dispensable_stays_out_of_a_quick_backup_and_none_is_since_a_narrowed_one() {
    let firms = Firms::new();
    let whole = firms.back_up(BackupType::Full, Selection::default());
    firms.edit(&["company_id"], &["setting"]);
    firms.database.psql("UPDATE setting SET value = 'slow'; UPDATE geo_region SET name = 'west' WHERE id = 2");
    let quick = firms.back_up(BackupType::Incremental, Selection { quick: true, ..Selection::default() });
    assert!(!firms.held(&quick.backup).iter().any(|held| held.starts_with("setting")));
    let next = firms.back_up(BackupType::Incremental, Selection::default());
    let parent = |backup: &str| firms.place.engine.catalog().backup(backup).unwrap().parent.unwrap();
    assert_eq!([parent(&quick.backup), parent(&next.backup)], [whole.backup.clone(), whole.backup]);
    let copy = firms.cluster.database("copy");
    firms.place.restore_to(copy.url()).unwrap();
    assert_eq!(copy.psql("SELECT value FROM setting UNION ALL SELECT name FROM geo_region WHERE id = 2").trim(), "slow\nwest");
}

#[test]
fn a_tenant_is_backed_up_and_restored_and_nobody_else_is_touched() {
    let firms = Firms::new();
    assert_eq!(firms.place.engine.tenants(&firms.app(), None).unwrap(), ["7", "9"]);
    let own = firms.back_up(BackupType::Tenant, Selection { tenants: vec!["7".into()], ..Selection::default() });
    assert_eq!(firms.held(&own.backup), ["company 1", "geo_country 1", "geo_region 1", "stock.purchase 20"]);
    assert!(own.warnings[0].contains("setting"), "{:?}", own.warnings);
    let whole = firms.back_up(BackupType::Full, Selection::default());
    firms.database.psql(
        "UPDATE stock.purchase SET price = 0 WHERE id <= 6; DELETE FROM stock.purchase WHERE id IN (10, 12);
         UPDATE geo_country SET name = 'renamed'; INSERT INTO stock.purchase VALUES (109, 9)",
    );
    for backup in [&own.backup, &whole.backup] {
        let plan = firms.preview(backup, "7");
        assert!(plan.safe_to_restore, "{:#?}", plan.findings);
        assert_eq!((plan.effect.create, plan.effect.update, plan.summary.live_only_records), (1, 4, 0));
    }
    let plan = firms.preview(&whole.backup, "7");
    firms.place.engine.restore(&plan.plan, Some("a test"), &mut going).unwrap();
    let counted = "SELECT count(*) FILTER (WHERE price = 0) || ' ' || count(*) FILTER (WHERE id IN (10, 12, 109)) FROM stock.purchase";
    assert_eq!(firms.database.psql(counted).trim(), "2 2");
    assert_eq!(firms.database.psql("SELECT count(*) FROM geo_country WHERE name = 'renamed'").trim(), "2");

    firms.database.psql("UPDATE stock.purchase SET company_id = 9 WHERE id = 1");
    let moved = firms.preview(&own.backup, "7");
    assert!(
        !moved.safe_to_restore && moved.findings.iter().any(|finding| finding.message.contains("another tenant")),
        "{:#?}",
        moved.findings
    );
}

/// Companies 7 and 9, their divisions, and those divisions' departments, which alone are named by what they own; a partitioned table among it.
const LEVELS: &str = "
    CREATE TABLE company (id int PRIMARY KEY, name text);
    CREATE TABLE division (id uuid PRIMARY KEY, company_id int REFERENCES company);
    CREATE TABLE department (code text PRIMARY KEY, division_id uuid REFERENCES division);
    CREATE SCHEMA stock;
    CREATE TABLE stock.purchase (id bigint, dept text REFERENCES department, price numeric, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE stock.low PARTITION OF stock.purchase FOR VALUES FROM (0) TO (10);
    CREATE TABLE stock.high PARTITION OF stock.purchase FOR VALUES FROM (10) TO (1000);
    CREATE TABLE setting (name text PRIMARY KEY, value text);
    INSERT INTO company VALUES (7, 'Seven'), (9, 'Nine');
    INSERT INTO division SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, CASE WHEN i = 3 THEN 9 ELSE 7 END FROM generate_series(1, 3) i;
    INSERT INTO department SELECT 'd' || i, ('00000000-0000-0000-0000-00000000000' || i)::uuid FROM generate_series(1, 3) i;
    INSERT INTO stock.purchase SELECT i, 'd' || 1 + i % 3, i * 1.10 FROM generate_series(1, 30) i;
    INSERT INTO stock.purchase VALUES (31, NULL, 1); INSERT INTO setting VALUES ('mode', 'fast');";

#[test]
fn a_company_has_what_its_departments_have_in_backups_restores_and_undos() {
    let firms = Firms::with(LEVELS, &["company_id", "division_id", "dept"]);
    assert_eq!(firms.place.engine.tenants(&firms.app(), None).unwrap(), ["7", "9"]);
    let own = firms.back_up(BackupType::Tenant, Selection { tenants: vec!["7".into()], ..Selection::default() });
    assert_eq!(firms.held(&own.backup), ["company 1", "department 2", "division 2", "stock.purchase 20"]);
    assert_eq!(own.warnings, ["left out (no tenant column): setting"]);
    let whole = firms.back_up(BackupType::Full, Selection::default());
    // Purchase i is of d(1 + i % 3): 2, 5 … 29 are the other company's.
    firms.database.psql(
        "UPDATE stock.purchase SET price = 0 WHERE id <= 6 OR id = 31; DELETE FROM stock.purchase WHERE id IN (10, 11);
         INSERT INTO stock.purchase VALUES (101, 'd1', 5), (103, 'd3', 5)",
    );
    let all = "SELECT string_agg(id || ':' || coalesce(dept, '') || ':' || price, ' ' ORDER BY id) FROM stock.purchase";
    let before = firms.database.psql(all);
    for backup in [&own.backup, &whole.backup] {
        let plan = firms.preview(backup, "7");
        assert!(plan.safe_to_restore, "{:#?}", plan.findings);
        assert_eq!((plan.effect.create, plan.effect.update, plan.summary.live_only_records), (1, 4, 1));
    }
    let done = firms.place.engine.restore(&firms.preview(&whole.backup, "7").plan, Some("a test"), &mut going).unwrap();
    let spoiled = "SELECT string_agg(id::text, ',' ORDER BY id) FROM stock.purchase WHERE price = 0";
    assert_eq!(firms.database.psql(spoiled).trim(), "2,5,31", "what is the other company's, or nobody's, is not touched");
    assert_eq!(
        firms.database.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM stock.purchase WHERE id IN (10, 11, 101, 103)").trim(),
        "10,101,103"
    );
    firms.place.undo(&done.restore).unwrap();
    assert_eq!(firms.database.psql(all), before);

    firms.database.psql("UPDATE division SET company_id = 9 WHERE id = '00000000-0000-0000-0000-000000000001'");
    let moved = firms.preview(&own.backup, "7");
    let of_purchases =
        moved.findings.iter().find(|finding| finding.model == "stock.purchase" && finding.message.contains("another tenant")).unwrap();
    // 3 and 6 were spoiled, and belong to the first division by its department.
    assert!(!moved.safe_to_restore && of_purchases.count == 2, "{:#?}", moved.findings);
}
