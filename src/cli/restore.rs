//! `backstop restore`: see what would change, restore just that, undo it.

mod choices;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use clap::{ArgGroup, Args, Subcommand};

use super::output::Failure;
use super::session::{Ended, Session};
use super::text::clean;
use super::units;
use super::units::{When, parse_when};
use crate::engine::restore::plan::{OnBlocked, OnCollision, OnRefused, PlanSummary, Scope};
use crate::engine::restoring::{CopyTarget, PreviewRequest};
use crate::error::Status;
use crate::rows::RelationKind;

pub use choices::{FieldChoice, FieldName, ModelChoice, RecordName, RowChoice, Side, Strategy, Target};
use choices::{engine_strategy, field_choice, row_choice};
use shown::{described, done};

/// `backstop restore …`.
#[derive(Debug, Subcommand)]
pub enum Restore {
    /// Show what a restore would change; stores a plan and touches nothing.
    Preview(Box<Preview>),
    /// Execute a plan, or preview, show, ask and execute in one.
    Run(Box<Run>),
    /// Put a whole copy somewhere else: a new database file, a new folder.
    To(To),
    /// Take back what a restore did.
    Undo(Undo),
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
    /// Only the records of this tenant, and what they refer to where it is missing: an id, or LEVEL=ID; may be repeated.
    #[arg(long = "tenant", value_name = "ID")]
    pub tenants: Vec<String>,
    /// Only this record; may be repeated.
    #[arg(long = "record", value_name = "MODEL:KEY")]
    pub records: Vec<RecordName>,
    /// Leave this field out of the comparison; may be repeated.
    #[arg(long = "ignore", value_name = "MODEL:FIELD")]
    pub ignored: Vec<FieldName>,
    /// What to do with a record whose unique value another one holds: leave it out, or delete the holder [default: it blocks the plan].
    #[arg(long, value_name = "HOW", value_parser = ["skip", "holder"])]
    pub collisions: Option<String>,
    /// What to do with a record whose parent is missing: leave it out, or take the parents too [default: it blocks the plan].
    #[arg(long, value_name = "HOW", value_parser = ["skip", "parents"])]
    pub blocked: Option<String>,
    /// What to do with a record that the database as it is now would not take: leave it out [default: it blocks the plan].
    #[arg(long, value_name = "HOW", value_parser = ["skip"])]
    pub refused: Option<String>,
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
#[command(group = ArgGroup::new("choices").args(["backup", "at", "app", "strategy", "models", "modules", "tenants", "records", "ignored", "collisions", "blocked", "refused", "rows", "fields", "files", "database_only", "files_only", "exact"]).multiple(true).conflicts_with("plan"))]
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
    /// A database that does not exist (sqlite:PATH) or is empty (postgresql://…), or a folder that is new or empty; give both for both.
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
        let request = self.request(&preview.selection);
        let plan = self.watched(|engine, watch| engine.preview(&request, &mut |step| watch.step(step)))?;
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
            None => {
                let request = self.request(&run.selection);
                self.watched(|engine, watch| engine.preview(&request, &mut |step| watch.step(step)))?
            }
        };
        if !self.output.json() {
            self.output.lines(&described(&plan))?;
        }
        self.consent(&plan, run)?;
        let result = self.watched(|engine, watch| engine.restore(&plan.plan, run.reason.as_deref(), &mut |step| watch.step(step)))?;
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
        let copied =
            self.watched(|engine, watch| engine.restore_to_watched(&to.backup, to.app.as_deref(), &targets, &mut |step| watch.step(step)))?;
        self.output.result(&copied, |copied| {
            let what =
                format!("{} and {} written and checked", units::counted(copied.records, "record"), units::counted(copied.files, "file"));
            let ways = copied.ways.iter().map(|way| clean(way).into_owned());
            let warnings = copied.warnings.iter().map(|warning| format!("warning: {}", clean(warning)));
            std::iter::once(what).chain(ways).chain(warnings).collect()
        })?;
        Ok(if copied.warnings.is_empty() { Status::Done } else { Status::Warnings })
    }

    fn restore_undo(&mut self, undo: &Undo) -> Ended {
        let choices = undo.rows.iter().map(row_choice).collect();
        let plan = self.watched(|engine, watch| engine.preview_undo(&undo.restore, choices, &mut |step| watch.step(step)))?;
        if undo.preview {
            self.output.result(&plan, described)?;
            return Ok(Status::Done);
        }
        if !self.output.json() {
            self.output.lines(&described(&plan))?;
        }
        self.confirm(&format!("Take back the restore {} of {}?", undo.restore, plan.app), undo.yes)?;
        let result = self.watched(|engine, watch| engine.restore(&plan.plan, undo.reason.as_deref(), &mut |step| watch.step(step)))?;
        self.output.result(&result, done)?;
        Ok(if result.warnings.is_empty() { Status::Done } else { Status::Warnings })
    }

    fn request(&self, selection: &Selection) -> PreviewRequest {
        let narrowing = selection.models.iter().filter(|choice| choice.strategy.is_none()).map(|choice| choice.model.clone());
        let own = selection.models.iter().filter_map(|choice| Some((choice.model.clone(), engine_strategy(choice.strategy?))));
        let only = [(selection.database_only, RelationKind::Table), (selection.files_only, RelationKind::Files)];
        let mut scope = Scope {
            modules: selection.modules.iter().cloned().collect(),
            models: narrowing.collect(),
            files: selection.files.clone(),
            tenants: selection.tenants.clone(),
            only: only.into_iter().find_map(|(asked, kind)| asked.then_some(kind)),
            ..Scope::default()
        };
        for record in &selection.records {
            scope.records.entry(record.model.clone()).or_default().push(record.key.clone());
        }
        let mut ignore = BTreeMap::<String, BTreeSet<String>>::new();
        for field in &selection.ignored {
            ignore.entry(field.model.clone()).or_default().insert(field.field.clone());
        }
        let collisions = match selection.collisions.as_deref() {
            Some("skip") => OnCollision::Skip,
            Some(_) => OnCollision::Holder,
            None => OnCollision::Block,
        };
        let blocked = match selection.blocked.as_deref() {
            Some("skip") => OnBlocked::Skip,
            Some(_) => OnBlocked::Parents,
            None => OnBlocked::Block,
        };
        PreviewRequest {
            backup: selection.backup.clone(),
            at: selection.at.as_ref().map(|when| when.resolve(self.engine.clock().now())),
            strategies: own.collect(),
            scope,
            choices: selection.rows.iter().map(row_choice).chain(selection.fields.iter().map(field_choice)).collect(),
            exact: selection.exact,
            ignore,
            collisions,
            blocked,
            refused: if selection.refused.is_some() { OnRefused::Skip } else { OnRefused::Block },
            ..PreviewRequest::new(selection.app.clone(), engine_strategy(selection.strategy.unwrap_or(Strategy::Merge)))
        }
    }
}
