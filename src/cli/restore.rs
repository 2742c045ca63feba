//! `backstop restore`: see what would change, restore just that, undo it.

use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::output::Failure;
use super::session::{Ended, Session};
use super::table::{Align, Table};
use super::text::clean;
use super::units;
use super::units::{When, parse_when};
use crate::engine::restore::findings::Level;
use crate::engine::restore::plan::{Choice, PlanSummary, Scope};
use crate::engine::restore::{Step, strategy};
use crate::engine::restoring::{CopyTarget, PreviewRequest, RestoreResult};
use crate::error::Status;
use crate::rows::RelationKind;

/// `backstop restore …`.
#[derive(Debug, Subcommand)]
pub enum Restore {
    /// Show what a restore would change; stores a plan and touches nothing.
    Preview(Preview),
    /// Execute a plan, or preview, show, ask and execute in one.
    Run(Box<Run>),
    /// Put a whole copy somewhere else: a new database file, a new folder.
    To(To),
    /// Take back what a restore did.
    Undo(Undo),
}

/// Which side wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// The backup's values win; records that are live only stay.
    Replace,
    /// What is missing or empty comes back; live values stay.
    Merge,
    /// Only missing records come back.
    Skip,
}

/// A side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// What the backup has.
    Backup,
    /// What is there now.
    Live,
}

/// What is compared and what would win.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// The backup: an id, its beginning, or `latest`.
    pub backup: Option<String>,
    /// The newest backup taken at or before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "backup", value_parser = parse_when)]
    pub at: Option<When>,
    /// The application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Which side wins, for all models [default: merge].
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,
    /// Only this model; with a strategy, that strategy for this model and no narrowing; may be repeated.
    #[arg(long = "model", value_name = "MODEL[=STRATEGY]")]
    pub models: Vec<ModelChoice>,
    /// Only the models of this module; may be repeated.
    #[arg(long = "module", value_name = "MODULE")]
    pub modules: Vec<String>,
    /// Which side wins for one record; may be repeated.
    #[arg(long = "row", value_name = "MODEL:KEY=SIDE")]
    pub rows: Vec<RowChoice>,
    /// Which side wins for one field of a record; may be repeated.
    #[arg(long = "field", value_name = "MODEL:KEY:FIELD=SIDE")]
    pub fields: Vec<FieldChoice>,
    /// Only files whose path below their folder matches, or that lie in a folder that does; and the models named; may be repeated.
    #[arg(long = "files", value_name = "GLOB")]
    pub files: Vec<String>,
    /// Only the database.
    #[arg(long, conflicts_with_all = ["files", "files_only"])]
    pub database_only: bool,
    /// Only files.
    #[arg(long)]
    pub files_only: bool,
    /// Delete live records and files that the backup does not have.
    #[arg(long)]
    pub exact: bool,
}

/// `backstop restore preview`.
#[derive(Clone, Debug, Args)]
pub struct Preview {
    /// What is compared.
    #[command(flatten)]
    pub selection: Selection,
    /// Show the records of this model that differ.
    #[arg(long = "rows", value_name = "MODEL")]
    pub show_rows: Option<String>,
    /// At most so many records.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "show_rows")]
    pub limit: usize,
}

/// `backstop restore run`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("choices").args(["backup", "at", "app", "strategy", "models", "modules", "rows", "fields", "files", "database_only", "files_only", "exact"]).multiple(true).conflicts_with("plan"))]
pub struct Run {
    /// The plan that a preview stored.
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// What is restored, where there is no plan yet.
    #[command(flatten)]
    pub selection: Selection,
    /// Why, for the restore log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// The application's name, typed again, for what --exact would delete.
    #[arg(long, value_name = "APP")]
    pub confirm: Option<String>,
}

/// `backstop restore to`.
#[derive(Clone, Debug, Args)]
pub struct To {
    /// The backup: an id, its beginning, or `latest`.
    pub backup: String,
    /// The application meant by `latest`.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// A database that does not exist (sqlite:PATH), or a folder that is new or empty; give both for both.
    #[arg(long = "target", value_name = "URL|DIR", required = true)]
    pub targets: Vec<Target>,
}

/// `backstop restore undo`.
#[derive(Clone, Debug, Args)]
pub struct Undo {
    /// The restore's id or its beginning.
    pub restore: String,
    /// Only show what it would take back.
    #[arg(long)]
    pub preview: bool,
    /// Which side wins for a record that was edited since; may be repeated.
    #[arg(long = "row", value_name = "MODEL:KEY=SIDE")]
    pub rows: Vec<RowChoice>,
    /// Why, for the restore log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `MODEL` or `MODEL=STRATEGY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// The model.
    pub model: String,
    /// Its own strategy; none narrows the restore to the model.
    pub strategy: Option<Strategy>,
}

/// `MODEL:KEY=SIDE`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChoice {
    /// The model.
    pub model: String,
    /// The record's key: JSON where it was written as JSON, else a string to be read as the key's column has it.
    pub key: serde_json::Value,
    /// Who wins.
    pub side: Side,
}

/// `MODEL:KEY:FIELD=SIDE`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChoice {
    /// The model.
    pub model: String,
    /// The record's key, as in [`RowChoice`].
    pub key: serde_json::Value,
    /// The field.
    pub field: String,
    /// Who wins.
    pub side: Side,
}

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A database's URL.
    Database(String),
    /// A folder.
    Folder(std::path::PathBuf),
}

impl FromStr for ModelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, strategy) = match text.rsplit_once('=') {
            Some((model, word)) => (model, Some(word_of(word, "strategy")?)),
            None => (text, None),
        };
        Ok(Self { model: named(model, "model")?, strategy })
    }
}

impl FromStr for RowChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (record, side) = text.rsplit_once('=').ok_or("it is written MODEL:KEY=backup or MODEL:KEY=live")?;
        let (model, key) = record.split_once(':').ok_or("the key is missing: MODEL:KEY=SIDE")?;
        Ok(Self { model: named(model, "model")?, key: key_of(key)?, side: word_of(side, "side")? })
    }
}

impl FromStr for FieldChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "it is written MODEL:KEY:FIELD=backup or MODEL:KEY:FIELD=live";
        let (path, side) = text.rsplit_once('=').ok_or(form)?;
        let (model, rest) = path.split_once(':').ok_or(form)?;
        let (key, field) = rest.rsplit_once(':').ok_or(form)?;
        Ok(Self { model: named(model, "model")?, key: key_of(key)?, field: named(field, "field")?, side: word_of(side, "side")? })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text.is_empty() => Err("it is empty".to_owned()),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Database(text.to_owned())),
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_lowercase()) && scheme.len() > 1 => {
                Err(format!("{scheme}: is no database known here; write sqlite:PATH, or ./{text} for a folder"))
            }
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

/// A key that begins as JSON's objects, arrays and strings do is read as JSON; anything else is its text.
fn key_of(text: &str) -> Result<serde_json::Value, String> {
    if text.starts_with(['{', '[', '"']) {
        return serde_json::from_str(text).map_err(|error| format!("the key {text} is not JSON: {error}"));
    }
    named(text, "key").map(serde_json::Value::String)
}

fn named(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("the {what} is missing")) } else { Ok(text.to_owned()) }
}

fn word_of<T: ValueEnum>(word: &str, what: &str) -> Result<T, String> {
    T::from_str(word, false).map_err(|_| {
        let known: Vec<String> =
            T::value_variants().iter().filter_map(T::to_possible_value).map(|value| value.get_name().to_owned()).collect();
        format!("{word} is no {what}: it is one of {}", known.join(", "))
    })
}

impl Session<'_> {
    /// `backstop restore …`.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn restore(&mut self, restore: Restore) -> Ended {
        match restore {
            Restore::Preview(preview) => self.restore_preview(&preview),
            Restore::Run(run) => self.restore_run(&run),
            Restore::To(to) => self.restore_to(&to),
            Restore::Undo(undo) => self.restore_undo(&undo),
        }
    }

    fn restore_preview(&mut self, preview: &Preview) -> Ended {
        let plan = self.engine.preview(&self.request(&preview.selection), &mut going)?;
        let Some(model) = preview.show_rows.as_deref() else {
            self.output.result(&plan, described)?;
            return Ok(Status::Done);
        };
        let rows = self.engine.plan_rows(&plan.plan, model, 0, preview.limit)?;
        let mut document = serde_json::to_value(&plan).unwrap_or_default();
        document["rows"] = rows.clone().into();
        self.output.result(&document, |_| {
            let mut lines = described(&plan);
            lines.extend(rows.iter().map(|row| clean(&row.to_string()).into_owned()));
            lines
        })?;
        Ok(Status::Done)
    }

    fn restore_run(&mut self, run: &Run) -> Ended {
        let plan = match &run.plan {
            Some(plan) => self.engine.plan_summary(plan)?,
            None => self.engine.preview(&self.request(&run.selection), &mut going)?,
        };
        if !self.output.json() {
            self.output.lines(&described(&plan))?;
        }
        self.consent(&plan, run)?;
        let result = self.engine.restore(&plan.plan, run.reason.as_deref(), &mut going)?;
        self.output.result(&result, done)?;
        Ok(if result.warnings.is_empty() { Status::Done } else { Status::Warnings })
    }

    /// What deletes needs the application's name too; everything else a yes.
    fn consent(&mut self, plan: &PlanSummary, run: &Run) -> Result<(), Failure> {
        if !plan.safe_to_restore {
            // The engine refuses it with its reasons; nothing is asked before.
            return Ok(());
        }
        if plan.effect.delete > 0 && run.confirm.as_deref() != Some(plan.app.as_str()) {
            let message = format!("this restore would delete {} of {}", units::counted(plan.effect.delete, "live record"), plan.app);
            return Err(Failure::new(Status::Refused, message).hint(format!("Where that is meant, add --confirm {}", plan.app)));
        }
        self.confirm(&format!("Restore into {}?", plan.app), run.yes)
    }

    fn restore_to(&mut self, to: &To) -> Ended {
        let target = |target: &Target| match target {
            Target::Database(url) => CopyTarget::Database(url.clone()),
            Target::Folder(folder) => CopyTarget::Folder(folder.clone()),
        };
        let targets: Vec<CopyTarget> = to.targets.iter().map(target).collect();
        let copied = self.engine.restore_to(&to.backup, to.app.as_deref(), &targets)?;
        self.output.result(&copied, |copied| {
            let what =
                format!("{} and {} written and checked", units::counted(copied.records, "record"), units::counted(copied.files, "file"));
            std::iter::once(what).chain(copied.warnings.iter().map(|warning| format!("warning: {}", clean(warning)))).collect()
        })?;
        Ok(if copied.warnings.is_empty() { Status::Done } else { Status::Warnings })
    }

    fn restore_undo(&mut self, undo: &Undo) -> Ended {
        let choices = undo.rows.iter().map(row_choice).collect();
        let plan = self.engine.preview_undo(&undo.restore, choices, &mut going)?;
        if undo.preview {
            self.output.result(&plan, described)?;
            return Ok(Status::Done);
        }
        if !self.output.json() {
            self.output.lines(&described(&plan))?;
        }
        self.confirm(&format!("Take back the restore {} of {}?", undo.restore, plan.app), undo.yes)?;
        let result = self.engine.restore(&plan.plan, undo.reason.as_deref(), &mut going)?;
        self.output.result(&result, done)?;
        Ok(if result.warnings.is_empty() { Status::Done } else { Status::Warnings })
    }

    fn request(&self, selection: &Selection) -> PreviewRequest {
        let narrowing = selection.models.iter().filter(|choice| choice.strategy.is_none()).map(|choice| choice.model.clone());
        let own = selection.models.iter().filter_map(|choice| Some((choice.model.clone(), engine_strategy(choice.strategy?))));
        let only = [(selection.database_only, RelationKind::Table), (selection.files_only, RelationKind::Files)];
        let scope = Scope {
            modules: selection.modules.iter().cloned().collect(),
            models: narrowing.collect(),
            files: selection.files.clone(),
            only: only.into_iter().find_map(|(asked, kind)| asked.then_some(kind)),
            ..Scope::default()
        };
        PreviewRequest {
            backup: selection.backup.clone(),
            at: selection.at.as_ref().map(|when| when.resolve(self.engine.clock().now())),
            strategies: own.collect(),
            scope,
            choices: selection.rows.iter().map(row_choice).chain(selection.fields.iter().map(field_choice)).collect(),
            exact: selection.exact,
            ..PreviewRequest::new(selection.app.clone(), engine_strategy(selection.strategy.unwrap_or(Strategy::Merge)))
        }
    }
}

fn going(_: Step<'_>) -> bool {
    true
}

fn engine_strategy(strategy: Strategy) -> strategy::Strategy {
    match strategy {
        Strategy::Replace => strategy::Strategy::Replace,
        Strategy::Merge => strategy::Strategy::Merge,
        Strategy::Skip => strategy::Strategy::Skip,
    }
}

fn engine_side(side: Side) -> strategy::Side {
    match side {
        Side::Backup => strategy::Side::Backup,
        Side::Live => strategy::Side::Live,
    }
}

fn row_choice(row: &RowChoice) -> Choice {
    Choice { model: row.model.clone(), key: row.key.clone(), field: None, side: engine_side(row.side) }
}

fn field_choice(field: &FieldChoice) -> Choice {
    Choice { model: field.model.clone(), key: field.key.clone(), field: Some(field.field.clone()), side: engine_side(field.side) }
}

/// The verdict first, then the models that differ, then what to know.
fn described(plan: &PlanSummary) -> Vec<String> {
    let verdict = if plan.safe_to_restore {
        "✓ can be restored; nothing has been touched"
    } else {
        "✗ cannot be restored as it is; nothing has been touched"
    };
    let mut lines = vec![format!("plan {}  {}  {}", plan.plan, clean(&plan.app), verdict), String::new()];
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("backup", Align::Right),
        ("new", Align::Right),
        ("identical", Align::Right),
        ("conflict", Align::Right),
        ("live only", Align::Right),
        ("effect", Align::Left),
    ]);
    for model in plan.models.iter().filter(|model| model.new + model.conflicts + model.live_only > 0) {
        let effect = format!("+{} ~{} −{}", model.create, model.update, model.delete);
        let counts = [model.total, model.new, model.identical, model.conflicts, model.live_only].map(units::count);
        table.row(std::iter::once(&model.model).chain(&counts).chain(std::iter::once(&effect)));
    }
    if table.is_empty() {
        lines.push("the backup and the live records are the same".into());
    } else {
        lines.extend(table.lines());
    }
    lines.push(String::new());
    for finding in &plan.findings {
        let glyph = match finding.level {
            Level::Blocking => "✗",
            Level::Warning => "●",
            Level::Info => "·",
        };
        lines.push(clean(&format!("{glyph} {} {}. {}", finding.model, finding.message, finding.remedy)).into_owned());
    }
    lines
}

fn done(result: &RestoreResult) -> Vec<String> {
    let counts = format!(
        "{}: created {}, updated {}, left {}, deleted {} in {}",
        result.status,
        units::count(result.records_created),
        units::count(result.records_updated),
        units::count(result.records_skipped),
        units::count(result.records_deleted),
        units::duration(result.duration_seconds)
    );
    let mut lines = vec![counts];
    lines.extend(result.warnings.iter().map(|warning| clean(&format!("warning: {warning}")).into_owned()));
    lines.push(format!("take it back with: backstop restore undo {}", result.restore));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_named_alone_or_with_its_strategy() {
        let read = |text: &str| text.parse::<ModelChoice>().map(|choice| (choice.model, choice.strategy));
        assert_eq!(read("hr_employee"), Ok(("hr_employee".into(), None)));
        assert_eq!(read("hr_employee=replace"), Ok(("hr_employee".into(), Some(Strategy::Replace))));
        assert_eq!(read("hr_employee=overwrite"), Err("overwrite is no strategy: it is one of replace, merge, skip".into()));
    }

    #[test]
    fn a_key_may_hold_colons_and_equals_signs() {
        let row: RowChoice = "log:2026-11-21T10:00:00=x=live".parse().unwrap();
        assert_eq!((row.model.as_str(), row.key, row.side), ("log", json!("2026-11-21T10:00:00=x"), Side::Live));
        let row: RowChoice = r#"mark:{"a":1,"b":"x=y"}=backup"#.parse().unwrap();
        assert_eq!((row.key, row.side), (json!({"a": 1, "b": "x=y"}), Side::Backup));
        let field: FieldChoice = "hr_employee:7:salary=backup".parse().unwrap();
        assert_eq!((field.key, field.field.as_str()), (json!("7"), "salary"));
        for wrong in ["hr_employee", "hr_employee=live", ":7=live", "m:=live", "m:7=both", "m:{=live"] {
            assert!(wrong.parse::<RowChoice>().is_err(), "{wrong}");
        }
        assert!("m:7=live".parse::<FieldChoice>().is_err());
    }

    #[test]
    fn a_target_is_a_database_or_a_folder() {
        assert_eq!("sqlite:/tmp/a.db".parse(), Ok(Target::Database("sqlite:/tmp/a.db".into())));
        assert_eq!("/tmp/out".parse(), Ok(Target::Folder("/tmp/out".into())));
        assert!("mysql://x/y".parse::<Target>().is_err());
        assert!("sqlite:".parse::<Target>().is_err());
    }
}
