//! A plan and a restore in words.

use crate::cli::table::{Align, Table};
use crate::cli::text::clean;
use crate::cli::units;
use crate::engine::restore::findings::{self, Level};
use crate::engine::restore::plan::PlanSummary;
use crate::engine::restoring::RestoreResult;

/// The verdict first, then the models that differ, then what to know.
pub(super) fn described(plan: &PlanSummary) -> Vec<String> {
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
        let who = findings::who(finding.count, &finding.keys, &finding.holders);
        let who = if who.is_empty() { who } else { format!(": {who}") };
        lines.push(clean(&format!("{glyph} {} {}{who}. {}", finding.model, finding.message, finding.remedy)).into_owned());
    }
    lines
}

/// What a restore did, and how to take it back.
pub(super) fn done(result: &RestoreResult) -> Vec<String> {
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
