//! What the commands of the restore walkthrough do. Nothing is touched before the confirmation.

use super::super::commands::Reason;
use super::super::effect::{Action, Effect, Outcome, Problem, Progress, Query};
use super::super::message::Message;
use super::super::model::differing::{Differing, WINDOW};
use super::super::model::list::{Cursor, Motion};
use super::super::model::plan::{PlanModel, PlanRow, PlanSummary};
use super::super::model::records::Record;
use super::super::model::walk::{STRATEGIES, Step, Walk};
use super::super::model::{Model, Screen};
use super::super::widgets::confirm::Confirm;
use super::super::widgets::prompt::Prompt;
use super::{act, shell, undo};

/// Whether the selected backup can be restored from.
///
/// # Errors
///
/// It cannot.
pub fn can_begin(model: &Model) -> Result<(), Reason> {
    if model.setup.read_only {
        return Err("this console is read-only, and a preview is kept as a plan".into());
    }
    match model.row() {
        Some(Record::Backup(backup)) if backup.status == "completed" || backup.status == "partial" => Ok(()),
        Some(Record::Backup(backup)) => Err(format!("this backup is {}; it holds nothing to restore from", backup.status)),
        _ => Err("no backup is selected".into()),
    }
}

/// Begins with the selected backup.
pub fn begin(model: &mut Model) -> Vec<Effect> {
    if let Err(reason) = can_begin(model) {
        model.refuse(reason);
        return Vec::new();
    }
    let Some(Record::Backup(backup)) = model.row() else { return Vec::new() };
    if model.walk.restoring.is_some() {
        model.refuse("a restore is running; it must end first");
        return Vec::new();
    }
    let backup = (**backup).clone();
    let mut effects: Vec<Effect> = model.walk.comparing.map(Effect::Stop).into_iter().collect();
    let id = backup.id.clone();
    model.walk = Walk::from(backup);
    model.screen = Screen::Restore;
    model.stack.truncate(1);
    effects.push(model.ask(Query::Models { backup: id }));
    effects
}

/// Begins by showing the backups of the selected application.
pub fn of_app(model: &mut Model) -> Vec<Effect> {
    let Some(app) = shell::selected_app(model) else { return Vec::new() };
    model.screen = Screen::Restore;
    if model.walk.restoring.is_none() {
        model.walk = Walk::default();
        return shell::filtered(model, format!("app:{app}"));
    }
    Vec::new()
}

/// Whether no restore is running.
///
/// # Errors
///
/// One is.
pub fn is_idle(model: &Model) -> Result<(), Reason> {
    if model.walk.restoring.is_none() { Ok(()) } else { Err("a restore is running".into()) }
}

/// Begins another one; a preview that was not executed stays, and is offered again.
pub fn anew(model: &mut Model) -> Vec<Effect> {
    let mut effects: Vec<Effect> = model.walk.comparing.map(Effect::Stop).into_iter().collect();
    model.walk = Walk::default();
    effects.extend(super::refresh(model));
    effects
}

/// Moves in the step.
pub fn step(model: &mut Model, motion: Motion) -> Vec<Effect> {
    let visible = model.visible();
    let walk = &mut model.walk;
    match walk.step {
        Step::Scope => walk.cursor.step(motion, walk.models.len(), visible),
        Step::Strategy => {
            walk.cursor.at = walk.strategy;
            walk.cursor.step(motion, STRATEGIES.len(), STRATEGIES.len());
            if walk.strategy != walk.cursor.at {
                walk.strategy = walk.cursor.at;
                walk.stale = true;
            }
        }
        Step::Preview => {
            let length = walk.shown_models().len();
            walk.at_model.step(motion, length, visible);
        }
        Step::Records => {
            let wanted = walk.records.step(motion, visible);
            return window(model, wanted, None);
        }
        Step::Record => {
            let length = walk.row().map_or(0, |row| row.fields.len());
            walk.at_field.step(motion, length, visible);
        }
        Step::What | Step::Confirm | Step::Progress | Step::Result => {}
    }
    Vec::new()
}

/// Goes on to the next step, or into what is selected.
pub fn open(model: &mut Model) -> Vec<Effect> {
    match model.walk.step {
        Step::What => return begin(model),
        Step::Scope => {
            model.walk.step = Step::Strategy;
            model.walk.cursor = Cursor::default();
        }
        Step::Strategy => {
            model.walk.step = Step::Preview;
            if model.walk.plan.is_none() || model.walk.stale {
                return compare(model);
            }
        }
        Step::Preview => return open_model(model),
        Step::Records if model.walk.row().is_some() => {
            model.walk.at_field = Cursor::default();
            model.walk.step = Step::Record;
        }
        Step::Confirm => return confirm(model),
        Step::Records | Step::Record | Step::Progress | Step::Result => {}
    }
    Vec::new()
}

/// Goes a step back; choices stay, and what they change is compared again.
pub fn back(model: &mut Model) -> Vec<Effect> {
    // An undo has neither scope nor strategy to go back to.
    let before = if model.walk.undo.is_some() && model.walk.step == Step::Preview { Some(Step::What) } else { model.walk.step.back() };
    let Some(step) = before else { return Vec::new() };
    let was = std::mem::replace(&mut model.walk.step, step);
    model.walk.cursor = Cursor::default();
    match (was, step) {
        (Step::Records, Step::Preview) if model.walk.stale => compare(model),
        (_, Step::What) => super::refresh(model),
        _ => Vec::new(),
    }
}

/// Takes a model into the scope, or leaves it out.
pub fn toggle_model(model: &mut Model) -> Vec<Effect> {
    let walk = &mut model.walk;
    if let Some(name) = walk.models.get(walk.cursor.at).map(|scope| scope.model.clone()) {
        if !walk.included.remove(&name) {
            walk.included.insert(name);
        }
        walk.stale = true;
    }
    step(model, Motion::Down)
}

/// Takes the models of the selected one's module into the scope, or leaves them out where all of them are in it.
pub fn toggle_module(model: &mut Model) -> Vec<Effect> {
    let walk = &mut model.walk;
    let Some(module) = walk.models.get(walk.cursor.at).map(|scope| scope.module.clone()) else { return Vec::new() };
    let of: Vec<String> = walk.models.iter().filter(|scope| scope.module == module).map(|scope| scope.model.clone()).collect();
    if of.iter().all(|name| walk.included.contains(name)) {
        walk.included.retain(|name| !of.contains(name));
    } else {
        walk.included.extend(of);
    }
    walk.stale = true;
    Vec::new()
}

/// Asks which tenants the restore is about.
pub fn ask_tenants(model: &mut Model) -> Vec<Effect> {
    let question = "Whose records? Ids, or LEVEL=ID, with spaces between them; nothing: everybody's.";
    model.push(Prompt::new("Tenants", question, Message::Tenants).optional());
    Vec::new()
}

/// Narrows the restore to the tenants that a text names.
pub fn of_tenants(model: &mut Model, text: &str) -> Vec<Effect> {
    model.walk.tenants = text.split([' ', ',', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    model.walk.stale = true;
    Vec::new()
}

/// Takes all models again.
pub fn all_models(model: &mut Model) -> Vec<Effect> {
    model.walk.included.clear();
    model.walk.stale = true;
    Vec::new()
}

/// Compares the backup with what is there now.
pub fn compare(model: &mut Model) -> Vec<Effect> {
    let Some(preview) = model.walk.preview() else { return Vec::new() };
    let mut effects: Vec<Effect> = model.walk.comparing.map(Effect::Stop).into_iter().collect();
    if model.setup.read_only {
        model.refuse("this console is read-only, and a preview is kept as a plan");
        return effects;
    }
    let effect = model.act(Action::Preview(Box::new(preview)));
    if let Effect::Act(number, _) = effect {
        model.walk.comparing = Some(number);
    }
    let walk = &mut model.walk;
    walk.step = Step::Preview;
    walk.plan = None;
    walk.problem = None;
    walk.arrived.clear();
    walk.progress = Progress::default();
    walk.stale = false;
    effects.push(effect);
    effects
}

/// Takes how far a comparison or a restore is.
pub fn progressed(model: &mut Model, number: u64, progress: &Progress) {
    let walk = &mut model.walk;
    if walk.comparing == Some(number) || walk.restoring == Some(number) {
        walk.arrived.extend(progress.model.clone());
        walk.progress = progress.clone();
    }
}

/// The plan with the models that a restore is about on top: an operator looks for what was spoiled.
fn what_differs_first(mut plan: PlanSummary) -> PlanSummary {
    plan.models.sort_by_key(|model| match (model.new + model.conflicts, model.live_only) {
        (0, 0) => 2,
        (0, _) => 1,
        _ => 0,
    });
    plan
}

/// Takes how a comparison or a restore ended; whether it was one of the walkthrough's.
pub fn finished(model: &mut Model, number: u64, result: &Result<Outcome, Problem>) -> bool {
    let walk = &mut model.walk;
    if walk.comparing == Some(number) {
        walk.comparing = None;
        match result {
            Ok(Outcome::Planned(plan)) => {
                walk.at_model.at = walk.at_model.at.min(plan.models.len().saturating_sub(1));
                walk.plan = Some(what_differs_first((**plan).clone()));
            }
            Ok(_) => walk.problem = Some("the engine gave no plan".into()),
            Err(problem) => walk.problem = Some(problem.message.clone()),
        }
        return true;
    }
    if walk.restoring == Some(number) {
        walk.restoring = None;
        walk.step = Step::Result;
        walk.result = Some(match result {
            Ok(Outcome::Restored(done)) => Ok((**done).clone()),
            Ok(_) => Err("the engine gave no result; the job under 3 tells how it ended".into()),
            Err(problem) => Err(problem.message.clone()),
        });
        return true;
    }
    false
}

/// Whether a comparison is under way.
///
/// # Errors
///
/// None is.
pub fn is_comparing(model: &Model) -> Result<(), Reason> {
    if model.walk.comparing.is_some() { Ok(()) } else { Err("nothing is being compared".into()) }
}

/// Stops the comparison under way.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    model.walk.comparing.map(Effect::Stop).into_iter().collect()
}

/// Whether there is a plan.
///
/// # Errors
///
/// There is none.
pub fn has_plan(model: &Model) -> Result<(), Reason> {
    match (&model.walk.plan, model.walk.comparing) {
        (Some(_), _) => Ok(()),
        (None, Some(_)) => Err("the comparison is not finished".into()),
        (None, None) => Err("there is no preview; r compares again".into()),
    }
}

/// Whether there is a plan whose strategies can be changed.
///
/// # Errors
///
/// There is none, or it takes back a restore.
pub fn has_strategies(model: &Model) -> Result<(), Reason> {
    match &model.walk.undo {
        Some(_) => Err("an undo puts back exactly what the restore changed; choose records instead".into()),
        None => has_plan(model),
    }
}

/// Gives the selected model the next strategy.
pub fn next_strategy(model: &mut Model) -> Vec<Effect> {
    let Some((name, now)) = model.walk.model().map(|of| (of.model.clone(), of.strategy.clone())) else { return Vec::new() };
    let at = STRATEGIES.iter().position(|(strategy, _)| *strategy == now).map_or(0, |at| (at + 1) % STRATEGIES.len());
    model.walk.strategies.retain(|(of, _)| *of != name);
    model.walk.strategies.push((name, STRATEGIES[at].0.to_owned()));
    compare(model)
}

/// Gives every model the next strategy; those that had one of their own follow.
pub fn next_strategy_of_all(model: &mut Model) -> Vec<Effect> {
    model.walk.strategy = (model.walk.strategy + 1) % STRATEGIES.len();
    model.walk.strategies.clear();
    let effects = compare(model);
    model.say(format!("{} for every model", model.walk.strategy_name()));
    effects
}

/// Copies the command line that would compare the same.
pub fn copy_command(model: &mut Model) -> Vec<Effect> {
    let Some(line) = model.walk.command_line() else { return Vec::new() };
    super::copied(model, line)
}

fn open_model(model: &mut Model) -> Vec<Effect> {
    if let Err(reason) = has_plan(model) {
        model.refuse(reason);
        return Vec::new();
    }
    let Some(differs) = model.walk.model().map(PlanModel::differs) else { return Vec::new() };
    if !differs {
        model.say("all of its records are identical");
        return Vec::new();
    }
    let walk = &mut model.walk;
    walk.step = Step::Records;
    let total = walk.model().map_or(0, |of| of.new + of.conflicts + of.live_only);
    walk.records = Differing::of(total);
    step(model, Motion::By(0))
}

/// Asks for a window of the records that begins at a place, or for one round the first conflict from a place on.
pub(super) fn window(model: &mut Model, from: Option<usize>, conflict: Option<usize>) -> Vec<Effect> {
    let (Some(plan), Some(of)) = (model.walk.plan.as_ref(), model.walk.model()) else { return Vec::new() };
    if from.is_none() && conflict.is_none() {
        return Vec::new();
    }
    let (plan, of) = (plan.plan.clone(), of.model.clone());
    vec![model.ask(Query::Rows { plan, model: of, from: from.or(conflict).unwrap_or(0), conflict, limit: WINDOW })]
}

/// Takes a window of the records of the model that is looked into.
pub fn rows(model: &mut Model, from: usize, found: Option<usize>, rows: Vec<PlanRow>, end: bool) -> Vec<Effect> {
    let visible = model.visible();
    let records = &mut model.walk.records;
    records.answered(from, rows, end);
    let wanted = match found {
        Some(place) => records.select(place, visible),
        None => records.step(Motion::By(0), visible),
    };
    window(model, wanted, None)
}

/// Whether the plan can be confirmed.
///
/// # Errors
///
/// It cannot.
pub fn can_confirm(model: &Model) -> Result<(), Reason> {
    has_plan(model)?;
    match &model.walk.plan {
        Some(_) if model.walk.stale => Err("choices were made since; r compares again".into()),
        Some(plan) if !plan.safe_to_restore => Err("a blocking finding stands under the table; it must be resolved first".into()),
        Some(plan) if plan.sums().create + plan.sums().update + plan.sums().delete == 0 => Err("nothing would change".into()),
        _ => Ok(()),
    }
}

/// Asks for the reason; what overwrites or deletes asks to type the application's name after it.
pub fn confirm(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = &model.walk.plan else { return Vec::new() };
    let title = if model.walk.undo.is_some() { format!("Take back the restore of {}", plan.app) } else { format!("Restore {}", plan.app) };
    model.walk.step = Step::Confirm;
    model.push(Prompt::new(title, "Why? The reason stands in the audit trail.", Message::Reason));
    Vec::new()
}

/// Executes the plan with this reason, after the last question.
pub fn execute(model: &mut Model, reason: String) -> Vec<Effect> {
    if let Some(question) = undo::last_question(&model.walk, reason) {
        model.push(Confirm::from(question));
    }
    Vec::new()
}

/// Has the plan executed and shows its progress.
pub fn run(model: &mut Model, action: Action) -> Vec<Effect> {
    let effects = act(model, action);
    if let Some(Effect::Act(number, _)) = effects.first() {
        model.walk.restoring = Some(*number);
        model.walk.step = Step::Progress;
        model.walk.progress = Progress::default();
        model.walk.result = None;
        model.screen = Screen::Restore;
    }
    effects
}
