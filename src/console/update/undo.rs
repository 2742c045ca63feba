//! What the commands on previews that were left behind and on the restore log do.

use super::super::commands::Reason;
use super::super::effect::{Action, Effect, OpenPlan, Query};
use super::super::message::{Message, Question};
use super::super::model::records::{Record, Restore};
use super::super::model::walk::Walk;
use super::super::model::{Model, Screen};
use super::super::widgets::confirm::Confirm;
use super::{restore, update};
use crate::numbers::{count, counted};

/// Whether a preview was left behind that can be opened again.
///
/// # Errors
///
/// None was, or another one is open.
pub fn has_left(model: &Model) -> Result<(), Reason> {
    restore::is_idle(model)?;
    if model.left_behind().is_some() { Ok(()) } else { Err("no preview was left behind".into()) }
}

/// Asks for the preview that was left behind.
pub fn reopen(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.summary.open_plan.as_ref().map(|plan| plan.plan.clone()) else { return Vec::new() };
    model.say("opening the preview");
    vec![model.ask(Query::Plan { plan })]
}

/// Opens it as it was left.
pub fn reopened(model: &mut Model, left: OpenPlan) -> Vec<Effect> {
    if restore::is_idle(model).is_err() {
        return Vec::new();
    }
    let effects: Vec<Effect> = model.walk.comparing.map(Effect::Stop).into_iter().collect();
    model.walk = Walk::reopened(left);
    model.screen = Screen::Restore;
    model.stack.truncate(1);
    model.browse = None;
    model.say("as it was left; what is live was compared then, and is checked again before anything is written");
    effects
}

/// Asks, then drops the preview that was left behind.
pub fn drop_left(model: &mut Model) -> Vec<Effect> {
    let Some(left) = &model.summary.open_plan else { return Vec::new() };
    let lines = vec![format!("The preview of {} and the choices made in it are gone then; nothing else is touched.", left.app)];
    let then = Message::Act(Box::new(Action::DropPlan { plan: left.plan.clone() }));
    model.push(Confirm::new("Drop the preview that was left behind?", lines, "drop it", then));
    Vec::new()
}

/// Whether the restore just done can be taken back.
///
/// # Errors
///
/// It cannot.
pub fn can_undo(model: &Model) -> Result<(), Reason> {
    match &model.walk.result {
        Some(Ok(result)) if result.safety_backup.is_some() => Ok(()),
        Some(Ok(_)) => Err("it changed nothing".into()),
        _ => Err("nothing was restored".into()),
    }
}

/// Shows what taking back the restore just done would change.
pub fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(Ok(result)) = &model.walk.result else { return Vec::new() };
    let (id, app) = (result.restore.clone(), model.walk.app().unwrap_or_default());
    begin(model, id, app)
}

fn selected(model: &Model) -> Option<&Restore> {
    match model.row() {
        Some(Record::Restore(it)) => Some(it),
        _ => None,
    }
}

/// Whether the selected restore can be taken back.
///
/// # Errors
///
/// It cannot.
pub fn can_undo_selected(model: &Model) -> Result<(), Reason> {
    restore::is_idle(model)?;
    let it = selected(model).ok_or("no restore is selected")?;
    match (&it.undone_by, &it.safety_backup, it.undo_until) {
        (Some(by), ..) => Err(format!("it was taken back by {by}")),
        (None, None, _) => Err("it changed nothing that is recorded".into()),
        (None, Some(_), Some(until)) if until < model.now => Err("its safety record is not kept any more".into()),
        _ => Ok(()),
    }
}

/// Shows what taking back the selected restore would change.
pub fn undo_selected(model: &mut Model) -> Vec<Effect> {
    let Some((id, app)) = selected(model).map(|it| (it.id.clone(), it.app.clone())) else { return Vec::new() };
    begin(model, id, app)
}

/// An undo goes the way of every restore: it is compared, shown, confirmed, and can be taken back itself.
fn begin(model: &mut Model, restore: String, app: String) -> Vec<Effect> {
    let mut effects: Vec<Effect> = model.walk.comparing.map(Effect::Stop).into_iter().collect();
    model.walk = Walk::undoing(restore, app);
    model.screen = Screen::Restore;
    model.stack.truncate(1);
    effects.extend(restore::compare(model));
    effects
}

/// Whether a job stands behind the selected restore.
///
/// # Errors
///
/// None does.
pub fn has_job(model: &Model) -> Result<(), Reason> {
    selected(model).and_then(|it| it.job.as_ref()).map(|_| ()).ok_or_else(|| "no job stands behind it".into())
}

/// Goes to the job of the selected restore.
pub fn to_job(model: &mut Model) -> Vec<Effect> {
    let Some(id) = selected(model).and_then(|it| it.job.clone()) else { return Vec::new() };
    update(model, Message::Find(Screen::Jobs, id))
}

/// The last question before a plan is executed.
#[must_use]
pub fn last_question(walk: &Walk, reason: String) -> Option<Question> {
    let plan = walk.plan.as_ref()?;
    let (sums, app) = (plan.sums(), plan.app.clone());
    let overwrites = sums.update + sums.delete > 0;
    let said = super::lists::quoted(&reason);
    let confirm = if overwrites { format!(" --confirm {app}") } else { String::new() };
    let (title, command) = match &walk.undo {
        Some((restore, _)) => (format!("Take back the restore of {app} now?"), format!("backstop restore undo {restore} --reason {said}")),
        None => (format!("Restore {app} now?"), format!("backstop restore run --plan {} --reason {said}{confirm}", plan.plan)),
    };
    Some(Question {
        title,
        lines: vec![
            format!("Creates {}, updates {}, deletes {} of {app}.", count(sums.create), count(sums.update), counted(sums.delete, "record")),
            "A safety backup is taken first; this can be undone from it.".into(),
            command,
        ],
        verb: if walk.undo.is_some() { "take it back" } else { "restore" }.into(),
        typed: overwrites.then(|| app.clone()),
        then: Message::Act(Box::new(Action::Restore { plan: plan.plan.clone(), app, reason })),
    })
}
