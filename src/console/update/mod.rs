//! The only place that changes the model: no input or output, no clock; what is to be done elsewhere is given back as effects.

pub mod browse;
pub mod choices;
pub mod configurations;
pub mod jobs;
pub mod lists;
pub mod restore;
pub mod shell;
pub mod undo;

use super::commands::{self, Command};
use super::component;
use super::effect::{Action, Answer, Effect, Outcome, Problem, Query, Slot};
use super::keymap::Found;
use super::message::Message;
use super::model::list::Motion;
use super::model::{Model, Screen};
use super::terminal::input::{Input, Key};
use super::widgets::confirm::Confirm;

/// What a console asks for when it starts.
pub fn start(model: &mut Model) -> Vec<Effect> {
    refresh(model)
}

/// Takes what happened.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Input(input) => on_input(model, &input),
        Message::Now(now) => {
            model.now = now;
            Vec::new()
        }
        Message::Resized(width, height) => {
            model.size = (width, height);
            shell::step(model, Motion::By(0))
        }
        Message::Changed => refresh(model),
        Message::JobsHere(jobs) => {
            model.jobs_here = jobs;
            settle(model)
        }
        Message::Answered(slot, number, answer) => answered(model, slot, number, answer),
        Message::Progressed(number, progress) => {
            restore::progressed(model, number, &progress);
            if let Some(acting) = model.acting.get_mut(&number) {
                acting.progress = progress;
            }
            Vec::new()
        }
        Message::Finished(number, result) => {
            let mut effects = finished(model, number, result);
            effects.extend(settle(model));
            effects
        }
        Message::Run(id) => commands::named(id).map(|command| run(model, command)).unwrap_or_default(),
        Message::Act(action) if matches!(*action, Action::Restore { .. }) => restore::run(model, *action),
        Message::Act(action) => act(model, *action),
        Message::Go(screen) => shell::go(model, screen),
        Message::Find(screen, id) => shell::find(model, screen, &id),
        Message::Filter(text) => shell::filtered(model, text),
        Message::Ask(question) => {
            model.push(Confirm::from(*question));
            Vec::new()
        }
        Message::Reason(reason) => restore::execute(model, reason),
        Message::Tenants(text) => restore::of_tenants(model, &text),
        Message::Copy(text) => copied(model, text),
        Message::Quit => vec![Effect::Quit],
        Message::QuitCancelling => vec![Effect::CancelAll, Effect::Quit],
        Message::Suspend => vec![Effect::Suspend],
    }
}

/// A question whose subject settled by itself is not asked any longer.
fn settle(model: &mut Model) -> Vec<Effect> {
    let Some(then) = model.stack.last().and_then(|top| top.settled(model)) else { return Vec::new() };
    model.stack.pop();
    update(model, then)
}

fn on_input(model: &mut Model, input: &Input) -> Vec<Effect> {
    let Some(mut top) = model.stack.pop() else { return vec![Effect::Quit] };
    let modal = top.is_modal();
    match top.input(input, model) {
        component::Outcome::Ignored => {
            model.stack.push(top);
            if modal { Vec::new() } else { unclaimed(model, input) }
        }
        component::Outcome::Consumed => {
            model.stack.push(top);
            Vec::new()
        }
        component::Outcome::Emit(message) => {
            model.stack.push(top);
            update(model, message)
        }
        component::Outcome::Close => Vec::new(),
        component::Outcome::Finish(message) => update(model, message),
    }
}

fn unclaimed(model: &mut Model, input: &Input) -> Vec<Effect> {
    match input {
        Input::Key(key) => on_key(model, *key),
        Input::Paste(_) => Vec::new(),
        Input::Scroll(rows) => shell::step(model, Motion::By(*rows)),
        Input::Click(column, row) => shell::click(model, *column, *row),
    }
}

fn on_key(model: &mut Model, key: Key) -> Vec<Effect> {
    let mut keys = std::mem::take(&mut model.pending);
    keys.push(key);
    match model.setup.keymap.find(&model.scopes(), &keys) {
        Found::Command(command) => run(model, command),
        Found::Prefix(_) => {
            model.pending = keys;
            Vec::new()
        }
        Found::Nothing => Vec::new(),
    }
}

/// Runs a command, or says why it cannot run.
pub fn run(model: &mut Model, command: &'static Command) -> Vec<Effect> {
    match command.available(model) {
        Ok(()) => {
            model.toast = None;
            (command.run)(model)
        }
        Err(reason) => {
            model.refuse(format!("{}: {reason}", command.title));
            Vec::new()
        }
    }
}

/// Has something done, unless the console is read-only: refused here too, whatever way it came.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if model.setup.read_only && !matches!(action, Action::Preview(_)) {
        model.refuse("this console is read-only");
        return Vec::new();
    }
    vec![model.act(action)]
}

/// Copies text, and says so.
pub fn copied(model: &mut Model, text: String) -> Vec<Effect> {
    model.say(format!("copied: {text}"));
    vec![Effect::Copy(text)]
}

/// Asks anew for everything that the screen shows.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    let mut effects = vec![model.ask(Query::Summary)];
    if let Some(kind) = model.current()
        && !model.list(kind).frozen
    {
        let query = model.list_mut(kind).refresh();
        effects.push(model.ask(query));
    }
    effects.extend(detail(model));
    effects
}

/// Asks for the detail of the selected row where it is on the screen.
pub fn detail(model: &mut Model) -> Vec<Effect> {
    if !model.is_wide() && model.stack.len() < 2 {
        return Vec::new();
    }
    let (Some(kind), Some(id)) = (model.current(), model.row().map(|row| row.id().to_owned())) else { return Vec::new() };
    let level = model.log_level();
    vec![model.ask(Query::Detail { list: kind, id, level })]
}

fn answered(model: &mut Model, slot: Slot, number: u64, answer: Result<Answer, Problem>) -> Vec<Effect> {
    if !model.awaits(slot, number) {
        return Vec::new();
    }
    match (slot, answer) {
        (Slot::List(kind), Ok(Answer::Page { rows, end })) => {
            let before = model.row().map(|row| row.id().to_owned());
            model.list_mut(kind).answered(rows, end);
            if let Some(effects) = shell::seek(model, kind) {
                return effects;
            }
            let visible = model.visible();
            // The window may end where the screen goes on: ask for what follows at once.
            let mut effects: Vec<Effect> =
                model.list_mut(kind).step(Motion::By(0), visible).map(|query| model.ask(query)).into_iter().collect();
            if model.row().map(|row| row.id().to_owned()) != before {
                effects.extend(detail(model));
            }
            return effects;
        }
        (Slot::List(kind), Err(problem)) => {
            let list = model.list_mut(kind);
            list.loading = false;
            list.end = true;
            list.problem = Some(problem.message);
        }
        (Slot::Summary, Ok(Answer::Summary(summary))) => {
            if !model.known && !summary.initialised && model.screen == Screen::Overview {
                model.screen = Screen::Welcome;
            } else if summary.initialised && model.screen == Screen::Welcome {
                model.screen = Screen::Overview;
            }
            model.known = true;
            model.summary = *summary;
        }
        (Slot::Detail, Ok(Answer::Detail(detail))) => model.detail = Some(detail),
        (Slot::Models, Ok(Answer::Models(models))) => match &mut model.browse {
            Some(browse) => browse.models = models,
            None => model.walk.models = models,
        },
        (Slot::Rows, Ok(Answer::Rows { from, found, rows, end })) => {
            if found.is_none() && model.walk.records.is_seeking() {
                model.say("no conflict follows");
            }
            return restore::rows(model, from, found, rows, end);
        }
        (Slot::Stored, Ok(Answer::Stored { rows, end })) => browse::answered(model, rows, end),
        (Slot::Stored, Err(problem)) => browse::failed(model, problem.message),
        (Slot::Plan, Ok(Answer::Plan(left))) => return undo::reopened(model, *left),
        (Slot::Known, Ok(Answer::Known(apps))) => model.known_apps = apps,
        (_, Err(problem)) => {
            let hint = problem.hint.map(|hint| format!("  {hint}")).unwrap_or_default();
            model.refuse(format!("{}{hint}", problem.message));
        }
        // An answer of another kind than the question: a fault of the backend that the operator should see.
        (slot, Ok(_)) => model.refuse(format!("the engine answered something else ({slot:?})")),
    }
    Vec::new()
}

fn finished(model: &mut Model, number: u64, result: Result<Outcome, Problem>) -> Vec<Effect> {
    let Some(acting) = model.acting.remove(&number) else { return Vec::new() };
    let walked = restore::finished(model, number, &result);
    if let Action::DropPlan { plan } = &acting.action
        && model.walk.plan.as_ref().is_some_and(|open| open.plan == *plan)
    {
        model.walk = super::model::walk::Walk::default();
    }
    match result {
        Ok(Outcome::Done(said)) => model.say(said),
        Err(problem) if configurations::again(model, &acting.action, &problem.message) => {}
        Err(problem) if !walked => {
            let hint = problem.hint.map(|hint| format!("  {hint}")).unwrap_or_default();
            model.refuse(format!("{}{hint}", problem.message));
        }
        _ => {}
    }
    if matches!(acting.action, Action::Preview(_)) {
        return Vec::new();
    }
    if let Some(kind) = model.current() {
        model.list_mut(kind).unmark();
    }
    refresh(model)
}
