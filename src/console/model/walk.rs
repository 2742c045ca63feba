//! The restore walkthrough: its steps and the choices made in them. Going back keeps the choices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::detail::ScopeModel;
use super::differing::Differing;
use super::list::Cursor;
use super::plan::{PlanModel, PlanRow, PlanSummary, RestoreResult};
use super::records::Backup;
use crate::console::commands::Scope;
use crate::console::effect::{OpenPlan, Preview, Progress, Side};
use crate::engine::restore::plan::{OnBlocked, OnCollision};

/// Where the walkthrough stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Step {
    #[default]
    What,
    Scope,
    Strategy,
    Preview,
    Records,
    Record,
    Confirm,
    Progress,
    Result,
}

impl Step {
    /// The step before, that Esc goes back to.
    #[must_use]
    pub fn back(self) -> Option<Self> {
        Some(match self {
            Self::What | Self::Progress => return None,
            Self::Scope | Self::Result => Self::What,
            Self::Strategy => Self::Scope,
            Self::Preview => Self::Strategy,
            Self::Records | Self::Confirm => Self::Preview,
            Self::Record => Self::Records,
        })
    }

    /// Whose keys apply in it.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Preview => Scope::Preview,
            Self::Records | Self::Record => Scope::Records,
            Self::Result => Scope::Result,
            Self::Scope => Scope::Models,
            Self::What | Self::Strategy | Self::Confirm | Self::Progress => Scope::Restore,
        }
    }
}

/// The strategies with what each does, the careful one first.
pub const STRATEGIES: [(&str, &str); 3] = [
    ("merge", "Brings back missing records and fills empty fields; what was changed since stays."),
    ("skip", "Brings back missing records only; existing ones are not touched."),
    ("replace", "Makes every record of the backup as it was; later changes to them are lost."),
];

/// The walkthrough's state.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Where it stands.
    pub step: Step,
    /// What is restored from.
    pub backup: Option<Backup>,
    /// Its models.
    pub models: Vec<ScopeModel>,
    /// The models it is narrowed to; empty: all.
    pub included: BTreeSet<String>,
    /// The tenants it is narrowed to; empty: all.
    pub tenants: Vec<String>,
    /// The row in the scope, and in the strategies.
    pub cursor: Cursor,
    /// The strategy: an index of [`STRATEGIES`].
    pub strategy: usize,
    /// The number of the preview under way.
    pub comparing: Option<u64>,
    /// How far it is.
    pub progress: Progress,
    /// The models compared so far.
    pub arrived: Vec<PlanModel>,
    /// What would happen.
    pub plan: Option<PlanSummary>,
    /// Why there is no plan.
    pub problem: Option<String>,
    /// The row in the preview.
    pub at_model: Cursor,
    /// The records of the model that is looked into: a window of them.
    pub records: Differing,
    /// The field of the record.
    pub at_field: Cursor,
    /// Models with a strategy of their own.
    pub strategies: Vec<(String, String)>,
    /// What becomes of records whose unique value another one holds.
    pub collisions: OnCollision,
    /// What becomes of records whose parent is missing.
    pub blocked: OnBlocked,
    /// Records decided one by one.
    pub row_choices: Vec<(String, Value, Side)>,
    /// Fields decided one by one.
    pub field_choices: Vec<(String, Value, String, Side)>,
    /// Whether something was chosen that the plan does not hold yet.
    pub stale: bool,
    /// The number of the restore under way.
    pub restoring: Option<u64>,
    /// The restore that is taken back, with its application; there is no backup, scope or strategy then.
    pub undo: Option<(String, String)>,
    /// How it ended.
    pub result: Option<Result<RestoreResult, String>>,
}

impl Walk {
    /// A walkthrough that begins with a backup.
    #[must_use]
    pub fn from(backup: Backup) -> Self {
        Self { step: Step::Scope, backup: Some(backup), ..Self::default() }
    }

    /// The application that is restored.
    #[must_use]
    pub fn app(&self) -> Option<String> {
        let planned = self.plan.as_ref().map(|plan| plan.app.clone());
        planned.or_else(|| self.undo.as_ref().map(|(_, app)| app.clone())).or_else(|| self.backup.as_ref().map(|it| it.app.clone()))
    }

    /// The model that the preview's row stands for.
    #[must_use]
    pub fn model(&self) -> Option<&PlanModel> {
        self.shown_models().get(self.at_model.at)
    }

    /// The models the preview shows: those of the plan, or those that arrived so far.
    #[must_use]
    pub fn shown_models(&self) -> &[PlanModel] {
        self.plan.as_ref().map_or(&self.arrived, |plan| &plan.models)
    }

    /// The record that is looked at.
    #[must_use]
    pub fn row(&self) -> Option<&PlanRow> {
        self.records.selected()
    }

    /// The strategy's name.
    #[must_use]
    pub fn strategy_name(&self) -> &'static str {
        STRATEGIES.get(self.strategy).map_or("merge", |(name, _)| name)
    }

    /// A walkthrough that takes back a restore.
    #[must_use]
    pub fn undoing(restore: String, app: String) -> Self {
        Self { step: Step::Preview, undo: Some((restore, app)), ..Self::default() }
    }

    /// The walkthrough of a preview that was left behind, as it was left.
    #[must_use]
    pub fn reopened(left: OpenPlan) -> Self {
        let OpenPlan { summary, backup, models, preview } = left;
        Self {
            step: Step::Preview,
            undo: preview.undo_of.map(|restore| (restore, summary.app.clone())),
            backup,
            models,
            included: preview.models.into_iter().collect(),
            tenants: preview.tenants,
            strategy: STRATEGIES.iter().position(|(name, _)| *name == preview.strategy).unwrap_or(0),
            strategies: preview.strategies,
            collisions: preview.collisions,
            blocked: preview.blocked,
            row_choices: preview.rows,
            field_choices: preview.fields,
            plan: Some(summary),
            ..Self::default()
        }
    }

    /// What is to be compared, with all choices.
    #[must_use]
    pub fn preview(&self) -> Option<Preview> {
        let (backup, app) = match (&self.undo, &self.backup) {
            (Some((_, app)), _) => (String::new(), app.clone()),
            (None, Some(backup)) => (backup.id.clone(), backup.app.clone()),
            (None, None) => return None,
        };
        Some(Preview {
            undo_of: self.undo.as_ref().map(|(restore, _)| restore.clone()),
            replaces: self.plan.as_ref().map(|plan| plan.plan.clone()),
            backup,
            app,
            strategy: self.strategy_name().to_owned(),
            models: self.included.iter().cloned().collect(),
            tenants: self.tenants.clone(),
            strategies: self.strategies.clone(),
            collisions: self.collisions,
            blocked: self.blocked,
            rows: self.row_choices.clone(),
            fields: self.field_choices.clone(),
        })
    }

    /// What was chosen for records that are in another's way, or lack their parent, in a few words each.
    pub fn resolved(&self) -> impl Iterator<Item = &'static str> {
        let collisions = match self.collisions {
            OnCollision::Block => None,
            OnCollision::Skip => Some("collisions: skip"),
            OnCollision::Holder => Some("collisions: holder"),
        };
        let blocked = match self.blocked {
            OnBlocked::Block => None,
            OnBlocked::Skip => Some("parents: skip"),
            OnBlocked::Parents => Some("parents: taken"),
        };
        collisions.into_iter().chain(blocked)
    }

    /// Which side a record was decided for.
    #[must_use]
    pub fn row_choice(&self, model: &str, key: &Value) -> Option<Side> {
        self.row_choices.iter().find(|(of, at, _)| of == model && at == key).map(|(_, _, side)| *side)
    }

    /// Which side a field was decided for.
    #[must_use]
    pub fn field_choice(&self, model: &str, key: &Value, field: &str) -> Option<Side> {
        self.field_choices.iter().find(|(of, at, name, _)| of == model && at == key && name == field).map(|(.., side)| *side)
    }

    /// Decides a record; its fields' own decisions go.
    pub fn choose_row(&mut self, model: &str, key: &Value, side: Side) {
        self.row_choices.retain(|(of, at, _)| of != model || at != key);
        self.field_choices.retain(|(of, at, ..)| of != model || at != key);
        self.row_choices.push((model.to_owned(), key.clone(), side));
        self.stale = true;
    }

    /// Decides a field.
    pub fn choose_field(&mut self, model: &str, key: &Value, field: &str, side: Side) {
        self.field_choices.retain(|(of, at, name, _)| of != model || at != key || name != field);
        self.field_choices.push((model.to_owned(), key.clone(), field.to_owned(), side));
        self.stale = true;
    }

    /// The command line that would compare the same.
    #[must_use]
    pub fn command_line(&self) -> Option<String> {
        let preview = self.preview()?;
        let mut line = match &preview.undo_of {
            Some(restore) => format!("backstop restore undo {restore} --preview"),
            None => format!("backstop restore preview {} --app {} --strategy {}", preview.backup, preview.app, preview.strategy),
        };
        for model in &preview.models {
            line += &format!(" --model {model}");
        }
        for tenant in &preview.tenants {
            line += &format!(" --tenant '{}'", tenant.replace('\'', r"'\''"));
        }
        for (model, strategy) in &preview.strategies {
            line += &format!(" --model {model}={strategy}");
        }
        line += match preview.collisions {
            OnCollision::Block => "",
            OnCollision::Skip => " --collisions skip",
            OnCollision::Holder => " --collisions holder",
        };
        line += match preview.blocked {
            OnBlocked::Block => "",
            OnBlocked::Skip => " --blocked skip",
            OnBlocked::Parents => " --blocked parents",
        };
        let word = |side: &Side| if *side == Side::Backup { "backup" } else { "live" };
        for (model, key, side) in &preview.rows {
            line += &format!(" --row '{model}:{}={}'", key.to_string().replace('\'', r"'\''"), word(side));
        }
        for (model, key, field, side) in &preview.fields {
            line += &format!(" --field '{model}:{}:{field}={}'", key.to_string().replace('\'', r"'\''"), word(side));
        }
        Some(line)
    }
}
