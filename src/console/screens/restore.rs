//! The restore walkthrough: one step a view, with all steps in a breadcrumb.

use super::{differing, listing};
use crate::console::commands;
use crate::console::model::Model;
use crate::console::model::list::scroll;
use crate::console::model::plan::{Finding, PlanField, PlanModel};
use crate::console::model::records::ListKind;
use crate::console::model::walk::{STRATEGIES, Step, Walk};
use crate::console::theme::Role;
use crate::console::widgets::canvas::{Canvas, Sign};
use crate::console::widgets::table::{self, Cell, Column, Room, RowLook};
use crate::console::widgets::{format, gauge, text};
use crate::engine::restore::findings::who;

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
    breadcrumb(model, canvas);
    let (width, height) = (canvas.width(), canvas.height());
    let mut body = canvas.part(0, 2, width, height.saturating_sub(2));
    match walk.step {
        Step::What => listing::draw(model, ListKind::Backups, &mut body),
        Step::Scope => scope(walk, &mut body),
        Step::Strategy => strategy(walk, &mut body),
        Step::Preview | Step::Confirm => preview(model, &mut body),
        Step::Records => differing::records(model, &mut body),
        Step::Record => differing::record(walk, &mut body),
        Step::Progress => progress(walk, &mut body),
        Step::Result => result(walk, &mut body),
    }
}

/// The steps with where one stands, and under them what was chosen so far.
fn breadcrumb(model: &Model, canvas: &mut Canvas<'_>) {
    let walk = &model.walk;
    let here = match walk.step {
        Step::Records | Step::Record => Step::Preview,
        step => step,
    };
    let mut x = 1;
    for (name, step) in STEPS {
        let (sign, role) = match step.cmp(&here) {
            std::cmp::Ordering::Less => (Sign::Good.text(canvas.unicode), Role::Dim),
            std::cmp::Ordering::Equal => (Sign::Cursor.text(canvas.unicode), Role::Strong),
            std::cmp::Ordering::Greater => (" ", Role::Dim),
        };
        x = canvas.line(x, 0, &[(role, sign), (role, " "), (role, name)]) + 2;
    }
    if walk.step == Step::What {
        canvas.put(1, 1, "Which backup? Enter takes it; / narrows the list.", Role::Dim);
    }
    if let Some((restore, app)) = &walk.undo {
        canvas.put(3, 1, &format!("{app}: taking back the restore {restore}"), Role::Dim);
        return;
    }
    let Some(backup) = walk.backup.as_ref().filter(|_| walk.step != Step::What) else { return };
    let taken = backup.taken_at.map(|at| format!(", {} ({})", format::absolute(at, model.utc), format::ago(model.now, at)));
    let mut of = format!("{}{}", backup.app, taken.unwrap_or_default());
    if here > Step::Scope {
        of += &match walk.included.len() {
            0 => "   all models".to_owned(),
            some => format!("   {}", format::counted(some as u64, "model")),
        };
        if !walk.tenants.is_empty() {
            of += &format!("   tenants {}", walk.tenants.join(", "));
        }
    }
    if here > Step::Strategy {
        of += &format!("   {}", walk.strategy_name());
        of.extend(walk.resolved().map(|words| format!("   {words}")));
    }
    canvas.put(3, 1, &of, Role::Dim);
}

fn scope(walk: &Walk, canvas: &mut Canvas<'_>) {
    const COLUMNS: &[Column] =
        &[Column::text("MODEL", Room::Share(2, 20)), Column::text("MODULE", Room::Share(1, 12)), Column::number("RECORDS", 12)];
    let chosen = walk.models.iter().filter(|scope| walk.included.contains(&scope.model));
    let records: u64 = if walk.included.is_empty() {
        walk.models.iter().map(|scope| scope.records).sum()
    } else {
        chosen.map(|scope| scope.records).sum()
    };
    let (models, records) = (format::counted(walk.models.len() as u64, "model"), format::counted(records, "record"));
    let said = match walk.included.len() {
        0 if walk.models.len() == 1 => format!("The one model, {records}."),
        0 => format!("All {models}, {records}."),
        some => format!("{some} of {models}, {records}."),
    };
    let said = if walk.tenants.is_empty() { said } else { format!("{said} Only the tenants {}.", walk.tenants.join(", ")) };
    canvas.line(1, 0, &[(Role::Strong, &said), (Role::Dim, "   Space narrows to some; Enter goes on.")]);
    let (width, height) = (canvas.width(), canvas.height());
    let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
    let top = scroll(walk.cursor.top, walk.cursor.at, walk.models.len(), usize::from(part.height().saturating_sub(1)));
    table::draw(&mut part, COLUMNS, walk.models.len(), top, |at| {
        let it = &walk.models[at];
        let look = RowLook { selected: at == walk.cursor.at, marked: walk.included.contains(&it.model) };
        let role = if walk.included.is_empty() || look.marked { Role::Text } else { Role::Dim };
        (look, vec![(it.model.clone(), role), (it.module.clone(), Role::Dim), (format::count(it.records), role)])
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
    Column::text("MODEL", Room::Share(1, 20)),
    Column::number("BACKUP", 9).spare(1),
    Column::number("NEW", 7),
    Column::number("IDENTICAL", 9).spare(2),
    Column::number("CONFLICT", 8),
    Column::number("LIVE ONLY", 9),
    Column::text("STRATEGY", Room::Fixed(8)),
    Column::number("EFFECT", 16),
];

fn number(count: u64) -> Cell {
    if count == 0 { ("·".into(), Role::Dim) } else { (format::count(count), Role::Text) }
}

/// What a restore does to a model: only what it does, no zeroes.
fn effect_of(it: &PlanModel, unicode: bool) -> String {
    let minus = if unicode { "−" } else { "-" };
    [("+", it.create), ("~", it.update), (minus, it.delete)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign}{}", format::count(count)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn plan_cells(it: &PlanModel, strong: bool, unicode: bool) -> Vec<Cell> {
    let conflict = if it.conflicts > 0 { Role::Warning } else { Role::Dim };
    let effect = if it.create + it.update + it.delete == 0 {
        ("·".to_owned(), Role::Dim)
    } else {
        let role = if it.delete > 0 { Role::Removed } else { Role::Changed };
        (effect_of(it, unicode), if it.update + it.delete == 0 { Role::Added } else { role })
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

fn preview(model: &Model, canvas: &mut Canvas<'_>) {
    let walk = &model.walk;
    verdict(walk, canvas);
    let (width, height, unicode) = (canvas.width(), canvas.height(), canvas.unicode);
    let models = walk.shown_models();
    let lines = under(model, usize::from(width.saturating_sub(4)));
    // The table keeps most of the room; what does not fit under it is told from the gravest on.
    let kept = u16::try_from(lines.len()).unwrap_or(u16::MAX).min((height / 3).max(3));
    let room = height.saturating_sub(4 + kept);
    let top = scroll(walk.at_model.top, walk.at_model.at, models.len(), usize::from(room.saturating_sub(1)));
    table::draw(&mut canvas.part(0, 2, width, room), PREVIEW, models.len(), top, |at| {
        let own = walk.strategies.iter().any(|(name, _)| *name == models[at].model);
        (RowLook { selected: at == walk.at_model.at, marked: own }, plan_cells(&models[at], false, unicode))
    });
    let shown = u16::try_from(models.len() - top.min(models.len())).unwrap_or(u16::MAX).saturating_add(1).min(room);
    if let Some(plan) = &walk.plan {
        table::row(&mut canvas.part(0, 2 + shown, width, 1), PREVIEW, 0, &plan_cells(&plan.sums(), true, unicode));
    }
    let y = (4 + shown).min(height.saturating_sub(kept));
    for (line, (head, role, text)) in lines.iter().take(usize::from(kept)).enumerate() {
        let y = y + u16::try_from(line).unwrap_or(0);
        let (x, sign) = if *role == Role::Head { (1, String::new()) } else { (1, format!("{head} ")) };
        canvas.line(x, y, &[(*role, &sign), (if *role == Role::Head { Role::Head } else { Role::Text }, text)]);
    }
}

/// What stands under the table: the findings, gravest first, then the fields of the selected model.
fn under(model: &Model, width: usize) -> Vec<(&'static str, Role, String)> {
    let walk = &model.walk;
    let Some(plan) = &walk.plan else { return Vec::new() };
    let mut lines = Vec::new();
    let grave = |level: &str| match level {
        "blocking" => 0,
        "warning" => 1,
        _ => 2,
    };
    let mut findings: Vec<_> = plan.findings.iter().collect();
    findings.sort_by_key(|finding| grave(&finding.level));
    if !findings.is_empty() {
        lines.push(("", Role::Head, "FINDINGS".to_owned()));
    }
    for finding in findings {
        let (sign, role) = gauge::state(&finding.level);
        let of = finding.model.as_ref().filter(|model| !model.is_empty()).map(|model| format!("{model}: ")).unwrap_or_default();
        let who = who(finding.count, &finding.keys, &finding.holders);
        let who = if who.is_empty() { who } else { format!(": {who}") };
        let todo = if finding.level == "blocking" { format!(". {}", remedy(model, finding)) } else { String::new() };
        let pieces = text::wrap(&text::sanitise(&format!("{}  {of}{}{who}{todo}", finding.level, finding.message)), width);
        for (at, piece) in pieces.into_iter().enumerate() {
            lines.push((if at == 0 { sign.text(true) } else { " " }, role, piece));
        }
    }
    if let Some(of) = walk.model().filter(|of| !of.fields.is_empty()) {
        let kinds = |field: &PlanField| {
            let kinds = [(field.fill, "filled"), (field.change, "changed"), (field.blank, "blanked")];
            kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
        };
        let fields: Vec<String> = of.fields.iter().map(|field| format!("{} ({})", field.field, kinds(field))).collect();
        lines.push(("", Role::Head, format!("FIELDS IN CONFLICT in {}", of.model)));
        lines.extend(text::wrap(&text::sanitise(&fields.join("   ")), width).into_iter().map(|piece| (" ", Role::Text, piece)));
    }
    lines
}

/// What to do about a finding that blocks: by the console's keys where it has some for it, else as the engine says it.
fn remedy(model: &Model, finding: &Finding) -> String {
    let key = |id| commands::named(id).and_then(|command| model.setup.keymap.keys(command)).unwrap_or_default();
    match finding.option.as_str() {
        "collisions" => format!("{} leaves out what collides, or deletes the record that holds the value.", key("preview-collisions")),
        "blocked" => format!("{} leaves out what lacks its parent, or takes the parents too.", key("preview-parents")),
        "refused" => {
            let [open, live] = ["open", "record-live"].map(key);
            format!("{open} shows them; there {live} leaves one out. The command line leaves all of them out: --refused skip.")
        }
        "row" => {
            let [open, live, backup] = ["open", "record-live", "record-backup"].map(key);
            format!("{open} shows them; there {live} leaves one as it is, {backup} takes it all the same.")
        }
        "tenants" => {
            let [tenants, open, live] = ["scope-tenants", "open", "record-live"].map(key);
            format!("{tenants} in the scope takes that tenant too; or {open} shows them, and {live} leaves one as it is.")
        }
        _ => finding.remedy.clone(),
    }
}

fn verdict(walk: &Walk, canvas: &mut Canvas<'_>) {
    let unicode = canvas.unicode;
    let (sign, role, text) = match (&walk.plan, &walk.problem, walk.comparing) {
        (_, _, Some(_)) => {
            let all = if walk.included.is_empty() { walk.models.len() } else { walk.included.len() };
            let done = walk.arrived.len() as u64;
            let of = if all == 0 { format::counted(done, "model") } else { format!("{done} of {}", format::counted(all as u64, "model")) };
            let at = walk.progress.phase.strip_prefix("compare ").map(|model| format!("   now {model}")).unwrap_or_default();
            (Sign::Running, Role::Running, format!("Comparing: {of} done. X stops; nothing is touched.{at}"))
        }
        (_, Some(problem), _) => (Sign::Critical, Role::Critical, problem.clone()),
        (Some(_), _, _) if walk.stale => {
            (Sign::Warning, Role::Warning, "Choices were made since this comparison. r compares again.".into())
        }
        (Some(plan), _, _) => {
            let can = if walk.undo.is_some() { "be taken back" } else { "be restored" };
            let warnings = plan.findings.iter().filter(|finding| finding.level == "warning").count();
            if !plan.safe_to_restore {
                (Sign::Critical, Role::Critical, format!("Cannot {can} like this: see the findings. Nothing has been touched."))
            } else if warnings > 0 {
                let warnings = format::counted(warnings as u64, "warning");
                (Sign::Warning, Role::Warning, format!("Can {can}, with {warnings}. Nothing has been touched."))
            } else {
                (Sign::Good, Role::Good, format!("Can {can}. Nothing has been touched."))
            }
        }
        (None, None, None) => (Sign::Idle, Role::Dim, "Nothing was compared. r compares.".into()),
    };
    canvas.line(1, 0, &[(role, sign.text(unicode)), (Role::Text, " "), (role, &text)]);
}

fn progress(walk: &Walk, canvas: &mut Canvas<'_>) {
    canvas.put(1, 0, "Restoring. It is all or nothing, and comes to its end even if the line drops.", Role::Strong);
    let width = canvas.width().saturating_sub(12).min(60);
    canvas.line(1, 2, &[(Role::Running, Sign::Running.text(canvas.unicode)), (Role::Text, " "), (Role::Text, &walk.progress.phase)]);
    if walk.progress.total.is_some() {
        gauge::draw(canvas, 1, 3, width, walk.progress.done, walk.progress.total);
        canvas.put(width + 3, 3, &gauge::percent(walk.progress.done, walk.progress.total), Role::Text);
    } else {
        canvas.put(3, 3, &format::counted(walk.progress.done, "record"), Role::Dim);
    }
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
                canvas.line(1, y + 1, &[(Role::Key, "u"), (Role::Text, " undoes this: what was there before is kept.")]);
                canvas.line(1, y + 2, &[(Role::Text, "safety backup  "), (Role::Dim, safety)]);
            }
            canvas.put(1, y + 3, &format!("backstop restores show {}", done.restore), Role::Dim);
        }
        Some(Err(problem)) => {
            let sign = Sign::Critical.text(canvas.unicode);
            let y = canvas.paragraph(1, 0, &format!("{sign} {problem}"), Role::Critical);
            canvas.put(1, y + 1, "The job under 3 tells how far it came; a restore is all or nothing.", Role::Text);
        }
        None => {}
    }
}
