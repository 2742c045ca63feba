//! The restore walkthrough: one step a view, with all steps in a breadcrumb.

use super::listing;
use crate::console::effect::Side;
use crate::console::model::Model;
use crate::console::model::list::scroll;
use crate::console::model::plan::{PlanModel, PlanRow, plain};
use crate::console::model::records::ListKind;
use crate::console::model::walk::{STRATEGIES, Step, Walk};
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};
use crate::console::widgets::{format, gauge};

const STEPS: [(&str, Step); 7] = [
    ("What", Step::What),
    ("Scope", Step::Scope),
    ("Strategy", Step::Strategy),
    ("Preview", Step::Preview),
    ("Confirm", Step::Confirm),
    ("Progress", Step::Progress),
    ("Result", Step::Result),
];

/// Draws the step that the walkthrough stands at.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let walk = &model.walk;
    breadcrumb(walk, canvas);
    let (width, height) = (canvas.width(), canvas.height());
    let mut body = canvas.part(0, 2, width, height.saturating_sub(2));
    match walk.step {
        Step::What => listing::draw(model, ListKind::Backups, &mut body),
        Step::Scope => scope(walk, &mut body),
        Step::Strategy => strategy(walk, &mut body),
        Step::Preview | Step::Confirm => preview(walk, &mut body),
        Step::Records => records(walk, &mut body),
        Step::Record => record(walk, &mut body),
        Step::Progress => progress(walk, &mut body),
        Step::Result => result(walk, &mut body),
    }
}

fn breadcrumb(walk: &Walk, canvas: &mut Canvas<'_>) {
    let here = match walk.step {
        Step::Records | Step::Record => Step::Preview,
        step => step,
    };
    let mut x = 1;
    for (name, step) in STEPS {
        let (sign, role) = match step.cmp(&here) {
            std::cmp::Ordering::Less => (Sign::Good, Role::Dim),
            std::cmp::Ordering::Equal => (Sign::Cursor, Role::Strong),
            std::cmp::Ordering::Greater => (Sign::None, Role::Dim),
        };
        let sign = if step > here { " " } else { sign.text(canvas.unicode) };
        x = canvas.line(x, 0, &[(role, sign), (role, " "), (role, name)]) + 2;
    }
    if let Some(backup) = &walk.backup {
        let of = format!("{} {}", backup.app, backup.taken_at.map(|at| format::absolute(at, true)).unwrap_or_default());
        let end = canvas.width().saturating_sub(1);
        canvas.put_right(end, 0, end.saturating_sub(x), &of, Role::Dim);
    }
}

fn scope(walk: &Walk, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] =
        &[Column::text("MODEL", Room::Share(2)), Column::text("MODULE", Room::Share(1)), Column::number("RECORDS", 12)];
    let said =
        if walk.included.is_empty() { "All models. Space narrows to some.".to_owned() } else { format!("{} models.", walk.included.len()) };
    canvas.line(1, 0, &[(Role::Strong, &said), (Role::Dim, "   Enter goes on to the strategy.")]);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
    let top = scroll(walk.cursor.top, walk.cursor.at, walk.models.len(), usize::from(part.height().saturating_sub(1)));
    table::draw(&mut part, COLUMNS, walk.models.len(), top, |at| {
        let it = &walk.models[at];
        let look = RowLook { selected: at == walk.cursor.at, marked: walk.included.contains(&it.model) };
        (look, vec![(it.model.clone(), Role::Text), (it.module.clone(), Role::Dim), (format::count(it.records), Role::Text)])
    });
}

fn strategy(walk: &Walk, canvas: &mut Canvas<'_>) {
    canvas.put(1, 0, "What wins where a record was changed since the backup?", Role::Strong);
    let mut y = 2;
    for (at, (name, doc)) in STRATEGIES.iter().enumerate() {
        let selected = at == walk.strategy;
        let sign = if selected { Sign::Cursor.text(canvas.unicode) } else { " " };
        canvas.line(1, y, &[(Role::Strong, sign), (Role::Text, " "), (if selected { Role::Strong } else { Role::Text }, name)]);
        let end = canvas.paragraph(14, y, doc, if selected { Role::Text } else { Role::Dim });
        if selected {
            canvas.highlight(y, Role::Selected);
        }
        y = end + 1;
    }
    canvas.put(1, y, "Enter compares; nothing is touched by that.", Role::Dim);
}

const PREVIEW: &[Column] = &[
    Column::text("MODEL", Room::Share(1)),
    Column::number("BACKUP", 9).from(90),
    Column::number("NEW", 7),
    Column::number("IDENTICAL", 9).from(90),
    Column::number("CONFLICT", 8),
    Column::number("LIVE ONLY", 9),
    Column::text("STRATEGY", Room::Fixed(8)),
    Column::number("EFFECT", 14),
];

fn number(count: u64) -> Cell {
    if count == 0 { ("·".into(), Role::Dim) } else { (format::count(count), Role::Text) }
}

fn plan_cells(it: &PlanModel, strong: bool) -> Vec<Cell> {
    let conflict = if it.conflicts > 0 { Role::Warning } else { Role::Dim };
    let effect = if it.create + it.update + it.delete == 0 {
        ("·".to_owned(), Role::Dim)
    } else {
        let role = if it.delete > 0 { Role::Removed } else { Role::Changed };
        (format!("+{} ~{} -{}", it.create, it.update, it.delete), if it.update + it.delete == 0 { Role::Added } else { role })
    };
    vec![
        (it.model.clone(), if strong || it.differs() { Role::Strong } else { Role::Text }),
        number(it.total),
        number(it.new),
        number(it.identical),
        (number(it.conflicts).0, conflict),
        number(it.live_only),
        (it.strategy.clone(), Role::Dim),
        effect,
    ]
}

fn preview(walk: &Walk, canvas: &mut Canvas<'_>) {
    verdict(walk, canvas);
    let (width, height) = (canvas.width(), canvas.height());
    let findings = walk.plan.as_ref().map_or(0, |plan| plan.findings.len());
    let under = u16::try_from(findings).unwrap_or(0).min(height / 4) + u16::from(findings > 0);
    let models = walk.shown_models();
    let room = height.saturating_sub(4 + under);
    let top = scroll(walk.at_model.top, walk.at_model.at, models.len(), usize::from(room.saturating_sub(1)));
    table::draw(&mut canvas.part(0, 2, width, room), PREVIEW, models.len(), top, |at| {
        (
            RowLook { selected: at == walk.at_model.at, marked: walk.strategies.iter().any(|(name, _)| *name == models[at].model) },
            plan_cells(&models[at], false),
        )
    });
    if let Some(plan) = &walk.plan {
        let y = 2 + room.min(u16::try_from(models.len()).unwrap_or(u16::MAX).saturating_add(1));
        let mut part = canvas.part(0, y, width, 1);
        table::row(&mut part, PREVIEW, 0, &plan_cells(&plan.sums(), true));
        let mut line = height.saturating_sub(under);
        if findings > 0 {
            canvas.put(1, line, "FINDINGS", Role::Head);
        }
        for finding in plan.findings.iter().take(usize::from(under.saturating_sub(1))) {
            line += 1;
            let (sign, role) = gauge::state(&finding.level);
            let sign = sign.text(canvas.unicode);
            let model = finding.model.as_ref().map(|model| format!("{model}  ")).unwrap_or_default();
            canvas.line(
                1,
                line,
                &[
                    (role, sign),
                    (Role::Text, " "),
                    (role, &finding.level),
                    (Role::Text, "  "),
                    (Role::Strong, &model),
                    (Role::Text, &finding.message),
                ],
            );
        }
    }
}

fn verdict(walk: &Walk, canvas: &mut Canvas<'_>) {
    let unicode = canvas.unicode;
    let (sign, role, text) = match (&walk.plan, &walk.problem, walk.comparing) {
        (_, _, Some(_)) => {
            let share = gauge::percent(walk.progress.done, walk.progress.total);
            (
                Sign::Running,
                Role::Running,
                format!("Comparing {} {share}   {} models done. X stops.", walk.progress.phase, walk.arrived.len()),
            )
        }
        (_, Some(problem), _) => (Sign::Critical, Role::Critical, problem.clone()),
        (Some(_), _, _) if walk.stale => {
            (Sign::Warning, Role::Warning, "Choices were made since this comparison. r compares again.".into())
        }
        (Some(plan), _, _) => {
            let warnings = plan.findings.iter().filter(|finding| finding.level == "warning").count();
            if !plan.safe_to_restore {
                (Sign::Critical, Role::Critical, "Cannot be restored like this: see the findings. Nothing has been touched.".into())
            } else if warnings > 0 {
                let word = if warnings == 1 { "warning" } else { "warnings" };
                (Sign::Warning, Role::Warning, format!("Can be restored, with {warnings} {word}. Nothing has been touched."))
            } else {
                (Sign::Good, Role::Good, "Can be restored. Nothing has been touched.".into())
            }
        }
        (None, None, None) => (Sign::Idle, Role::Dim, "Nothing was compared. r compares.".into()),
    };
    canvas.line(1, 0, &[(role, sign.text(unicode)), (Role::Text, " "), (role, &text)]);
}

fn side(walk: &Walk, row: &PlanRow) -> (String, Role) {
    let model = walk.model().map_or("", |model| model.model.as_str());
    match walk.row_choice(model, &row.key) {
        Some(Side::Backup) => ("backup, chosen".into(), Role::Changed),
        Some(Side::Live) => ("live, chosen".into(), Role::Marked),
        None if row.state == "live_only" => ("live".into(), Role::Dim),
        None if row.fields.is_empty() => ("backup".into(), Role::Added),
        None => {
            let taken = row.fields.iter().filter(|field| field.result != field.live).count();
            (format!("{taken} of {} fields", row.fields.len()), Role::Text)
        }
    }
}

fn records(walk: &Walk, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] = &[
        Column::text("RECORD", Room::Share(2)),
        Column::text("STATE", Room::Fixed(10)),
        Column::text("DIFFERS IN", Room::Share(3)),
        Column::text("TAKES FROM BACKUP", Room::Fixed(18)),
    ];
    let name = walk.model().map_or("", |model| model.model.as_str());
    let more = if walk.rows_end { "" } else { "+" };
    canvas.line(1, 0, &[(Role::Strong, name), (Role::Dim, &format!("   {}{more} records differ", walk.rows.len()))]);
    if walk.stale {
        canvas.put_right(canvas.width().saturating_sub(1), 0, 40, "Esc compares again with these choices", Role::Warning);
    }
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
    let top = scroll(walk.at_row.top, walk.at_row.at, walk.rows.len(), usize::from(part.height().saturating_sub(1)));
    table::draw(&mut part, COLUMNS, walk.rows.len(), top, |at| {
        let row = &walk.rows[at];
        let fields = row.fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>().join(", ");
        let role = match row.state.as_str() {
            "new" => Role::Added,
            "conflict" => Role::Warning,
            _ => Role::Dim,
        };
        let chosen =
            walk.row_choice(name, &row.key).is_some() || walk.field_choices.iter().any(|(of, key, ..)| of == name && *key == row.key);
        let look = RowLook { selected: at == walk.at_row.at, marked: chosen };
        (look, vec![(plain(&row.key), Role::Text), (row.state.replace('_', " "), role), (fields, Role::Dim), side(walk, row)])
    });
}

fn record(walk: &Walk, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] = &[
        Column::text("FIELD", Room::Share(2)),
        Column::text("BACKUP", Room::Share(3)),
        Column::text("LIVE, now", Room::Share(3)),
        Column::text("RESULT", Room::Share(3)),
    ];
    let (Some(model), Some(row)) = (walk.model(), walk.row()) else { return };
    canvas.line(
        1,
        0,
        &[
            (Role::Strong, &model.model),
            (Role::Text, "  "),
            (Role::Text, &plain(&row.key)),
            (Role::Warning, &format!("   {}", row.state.replace('_', " "))),
        ],
    );
    let whole = walk.row_choice(&model.model, &row.key);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
    let top = scroll(walk.at_field.top, walk.at_field.at, row.fields.len(), usize::from(part.height().saturating_sub(1)));
    table::draw(&mut part, COLUMNS, row.fields.len(), top, |at| {
        let field = &row.fields[at];
        let chosen = walk.field_choice(&model.model, &row.key, &field.field).or(whole);
        let result = match chosen {
            Some(Side::Backup) => &field.backup,
            Some(Side::Live) => &field.live,
            None => &field.result,
        };
        let role = if *result == field.live { Role::Dim } else { Role::Changed };
        let look = RowLook { selected: at == walk.at_field.at, marked: chosen.is_some() };
        (
            look,
            vec![
                (field.field.clone(), Role::Text),
                (plain(&field.backup), Role::Text),
                (plain(&field.live), Role::Text),
                (plain(result), role),
            ],
        )
    });
}

fn progress(walk: &Walk, canvas: &mut Canvas<'_>) {
    canvas.put(1, 0, "Restoring. It is all or nothing, and comes to its end even if the line drops.", Role::Strong);
    let width = canvas.width().saturating_sub(12).min(60);
    canvas.put(1, 2, &walk.progress.phase, Role::Text);
    gauge::draw(canvas, 1, 3, width, walk.progress.done, walk.progress.total);
    canvas.put(width + 3, 3, &gauge::percent(walk.progress.done, walk.progress.total), Role::Text);
}

fn result(walk: &Walk, canvas: &mut Canvas<'_>) {
    match &walk.result {
        Some(Ok(done)) => {
            let (sign, role) = gauge::state(&done.status);
            let sign = sign.text(canvas.unicode);
            canvas.line(
                1,
                0,
                &[(role, &format!("{sign} {}", done.status)), (Role::Text, &format!("   in {}", format::duration(done.duration_seconds)))],
            );
            let figures = [
                ("created", done.records_created),
                ("updated", done.records_updated),
                ("skipped", done.records_skipped),
                ("deleted", done.records_deleted),
            ];
            let mut y = 2;
            for (word, count) in figures {
                canvas.put_right(14, y, 13, &format::count(count), Role::Strong);
                canvas.put(16, y, word, Role::Text);
                y += 1;
            }
            if let Some(safety) = &done.safety_backup {
                canvas.line(
                    1,
                    y + 1,
                    &[
                        (Role::Text, "The safety backup "),
                        (Role::Dim, safety),
                        (Role::Text, " holds what was there before; "),
                        (Role::Key, "u"),
                        (Role::Text, " undoes this."),
                    ],
                );
            }
            canvas.put(1, y + 2, &format!("backstop restores show {}", done.restore), Role::Dim);
        }
        Some(Err(problem)) => {
            let sign = Sign::Critical.text(canvas.unicode);
            let y = canvas.paragraph(1, 0, &format!("{sign} {problem}"), Role::Critical);
            canvas.put(1, y + 1, "The job under 3 tells how far it came; a restore is all or nothing.", Role::Text);
        }
        None => {}
    }
}
