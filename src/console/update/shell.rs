//! What the commands everywhere do: moving, screens, going back, the dialogs.

use super::super::commands::Reason;
use super::super::effect::{Action, Effect};
use super::super::message::Message;
use super::super::model::list::Motion;
use super::super::model::records::ListKind;
use super::super::model::{Model, Screen};
use super::super::screens::DetailView;
use super::super::terminal::caps::Depth;
use super::super::theme::{self, Theme};
use super::super::widgets::confirm::Confirm;
use super::super::widgets::palette::{Chooser, Item};
use super::super::widgets::{help, palette, prompt::FilterLine};
use super::{browse, detail, jobs, refresh, restore};
use crate::numbers::counted;

/// Goes to a screen.
pub fn go(model: &mut Model, screen: Screen) -> Vec<Effect> {
    model.screen = screen;
    model.stack.truncate(1);
    model.detail = None;
    model.browse = None;
    model.sought = None;
    refresh(model)
}

/// Goes to a row of a screen's list, however far from the window it is.
pub fn find(model: &mut Model, screen: Screen, id: &str) -> Vec<Effect> {
    let effects = go(model, screen);
    if let Some(kind) = model.current() {
        model.list_mut(kind).select(id);
        model.sought = Some(id.to_owned());
    }
    effects
}

/// When the row that is looked for is not in the window, the list is narrowed to it; Esc brings the others back.
pub fn seek(model: &mut Model, kind: ListKind) -> Option<Vec<Effect>> {
    let sought = model.sought.take().filter(|_| model.current() == Some(kind))?;
    let list = model.list_mut(kind);
    let only = format!("id:{sought}");
    if list.rows.iter().any(|row| row.id() == sought) {
        list.select(&sought);
        return None;
    }
    if list.filter == only {
        model.refuse(format!("{sought} is not here any more"));
        return None;
    }
    model.sought = Some(sought.clone());
    let effects = filtered(model, only);
    model.list_mut(kind).select(&sought);
    Some(effects)
}

fn turn_screen(model: &mut Model, by: isize) -> Vec<Effect> {
    let count = Screen::TABS.len() as isize;
    let at = Screen::TABS.iter().position(|(screen, _)| *screen == model.screen).unwrap_or(0) as isize;
    let next = (at + by).rem_euclid(count) as usize;
    go(model, Screen::TABS[next].0)
}

/// Goes to the next screen.
pub fn next_screen(model: &mut Model) -> Vec<Effect> {
    turn_screen(model, 1)
}

/// Goes to the previous screen.
pub fn previous_screen(model: &mut Model) -> Vec<Effect> {
    turn_screen(model, -1)
}

/// Moves in whatever the screen shows.
pub fn step(model: &mut Model, motion: Motion) -> Vec<Effect> {
    let visible = model.visible();
    if model.browse.is_some() {
        return browse::step(model, motion);
    }
    if let Some(kind) = model.current() {
        let before = model.list(kind).cursor().at;
        let list = model.list_mut(kind);
        let mut effects: Vec<Effect> = list.step(motion, visible).map(|query| model.ask(query)).into_iter().collect();
        if model.list(kind).cursor().at != before {
            effects.extend(detail(model));
        }
        return effects;
    }
    match model.screen {
        Screen::Restore => restore::step(model, motion),
        Screen::Overview => {
            let length = model.summary.apps.len();
            model.at_app.step(motion, length, visible);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

macro_rules! motions {
    ($($(#[$doc:meta])* $name:ident = $motion:ident),+ $(,)?) => {
        $($(#[$doc])* pub fn $name(model: &mut Model) -> Vec<Effect> { step(model, Motion::$motion) })+
    };
}

motions! {
    /// Moves down.
    down = Down,
    /// Moves up.
    up = Up,
    /// Moves half a page down.
    half_down = HalfDown,
    /// Moves half a page up.
    half_up = HalfUp,
    /// Moves a page down.
    page_down = PageDown,
    /// Moves a page up.
    page_up = PageUp,
    /// Moves to the first row.
    first = First,
    /// Moves to the last row.
    last = Last,
}

/// Opens what is selected.
pub fn open(model: &mut Model) -> Vec<Effect> {
    if model.browse.is_some() {
        return browse::open(model);
    }
    match model.screen {
        Screen::Restore => restore::open(model),
        Screen::Overview => {
            let Some(app) = selected_app(model) else { return Vec::new() };
            let effects = go(model, Screen::Backups);
            drop(effects);
            filtered(model, format!("app:{app}"))
        }
        _ if model.row().is_some() && model.stack.len() == 1 => {
            model.push(DetailView);
            detail(model)
        }
        // In the detail Enter goes on into what the row is about.
        Screen::Backups if browse::can_begin(model).is_ok() => browse::begin(model),
        Screen::Alerts if jobs::alert_has_job(model).is_ok() => jobs::to_job(model),
        Screen::Jobs if jobs::has_backup(model).is_ok() => jobs::to_backup(model),
        _ => Vec::new(),
    }
}

/// Goes back by one: never out of the console.
pub fn back(model: &mut Model) -> Vec<Effect> {
    if !model.pending.is_empty() {
        model.pending.clear();
        return Vec::new();
    }
    if model.browse.is_some() {
        return browse::back(model);
    }
    if model.stack.len() > 1 {
        model.stack.pop();
        return Vec::new();
    }
    if model.screen == Screen::Restores
        && model.list(ListKind::Restores).marks.is_empty()
        && model.list(ListKind::Restores).filter.is_empty()
    {
        return go(model, Screen::Restore);
    }
    if let Some(kind) = model.current() {
        let list = model.list_mut(kind);
        if list.unmark() {
            return Vec::new();
        }
        if !list.filter.is_empty() {
            return filtered(model, String::new());
        }
    }
    if model.screen == Screen::Restore { restore::back(model) } else { Vec::new() }
}

/// Opens the line to filter by.
pub fn filter(model: &mut Model) -> Vec<Effect> {
    if let Some(kind) = model.current() {
        let line = FilterLine::new(&model.list(kind).filter);
        model.push(line);
    }
    Vec::new()
}

/// Filters the list on the screen.
pub fn filtered(model: &mut Model, text: String) -> Vec<Effect> {
    let Some(kind) = model.current() else { return Vec::new() };
    let list = model.list_mut(kind);
    list.filter = text;
    let query = list.restart();
    vec![model.ask(query)]
}

/// Opens the help of this screen.
pub fn help(model: &mut Model) -> Vec<Effect> {
    let dialog = help::open(model);
    model.push(dialog);
    Vec::new()
}

/// Opens the palette.
pub fn palette(model: &mut Model) -> Vec<Effect> {
    let dialog = palette::open(model);
    model.push(dialog);
    Vec::new()
}

/// Changes to the next theme.
pub fn theme(model: &mut Model) -> Vec<Effect> {
    let names = theme::names();
    let at = names.iter().position(|name| *name == model.theme.name()).unwrap_or(0);
    // Without colours every theme but this one would hide its states.
    let name = if model.setup.caps.depth == Depth::Mono { "mono" } else { names[(at + 1) % names.len()] };
    if let Ok(next) = Theme::built_in(name, model.setup.caps.depth) {
        model.theme = next;
        model.say(format!("theme: {name}"));
    }
    vec![Effect::Redraw]
}

/// Shows times in UTC or in local time.
pub fn utc(model: &mut Model) -> Vec<Effect> {
    model.utc = !model.utc;
    model.say(if model.utc { "times in UTC" } else { "times in local time" });
    Vec::new()
}

/// Uses the mouse, or leaves it alone.
pub fn mouse(model: &mut Model) -> Vec<Effect> {
    model.mouse = !model.mouse;
    model.say(if model.mouse { "the mouse is on" } else { "the mouse is off" });
    vec![Effect::Mouse(model.mouse)]
}

/// Selects the row or the tab that was clicked.
pub fn click(model: &mut Model, column: u16, row: u16) -> Vec<Effect> {
    if row == 1 {
        return super::super::widgets::header::tab_at(model.size.0, model.screen, column)
            .map(|screen| go(model, screen))
            .unwrap_or_default();
    }
    let head = super::super::screens::CHROME;
    let Some(kind) = model.current() else { return Vec::new() };
    let cursor = model.list(kind).cursor();
    if row < head {
        return Vec::new();
    }
    let at = cursor.top + usize::from(row - head);
    let by = at as isize - cursor.at as isize;
    if by == 0 { open(model) } else { step(model, Motion::By(i16::try_from(by).unwrap_or(0))) }
}

/// Suspends; with jobs running here it asks first, because they would stand still and hold their locks.
pub fn suspend(model: &mut Model) -> Vec<Effect> {
    let waiting = under_way(model);
    if waiting == 0 {
        return vec![Effect::Suspend];
    }
    let dialog = Confirm::new(
        "Suspend with jobs running here?",
        vec![format!("{} of this process would stand still, and a restore would go on holding its locks.", counted(waiting as u64, "job"))],
        "suspend",
        Message::Suspend,
    );
    model.push(dialog);
    Vec::new()
}

/// What runs in this process and must not stand still or be lost: an action may have begun whose job is not counted yet.
fn under_way(model: &Model) -> usize {
    let acting = model.acting.values().filter(|acting| !matches!(acting.action, Action::Preview(_))).count();
    model.jobs_here.max(acting)
}

/// Quits; with jobs running here it asks first. They run in this process, so they cannot be left behind.
pub fn quit(model: &mut Model) -> Vec<Effect> {
    // A comparison that is not finished leaves nothing behind.
    let comparing = model.acting.iter().filter(|(_, acting)| matches!(acting.action, Action::Preview(_)));
    let mut leaving: Vec<Effect> = comparing.map(|(number, _)| Effect::Stop(*number)).collect();
    let waiting = under_way(model);
    if waiting == 0 {
        leaving.push(Effect::Quit);
        return leaving;
    }
    let item = |label: &str, doc: &str, then: Message| Item {
        label: label.to_owned(),
        key: String::new(),
        doc: doc.to_owned(),
        enabled: true,
        then,
    };
    let (many, end) = if waiting == 1 { ("the job", "its end") } else { ("the jobs", "their end") };
    let items = vec![
        item("wait, then quit", &format!("{many} to {end}, then the shell"), Message::Quit),
        item("cancel, then quit", &format!("{many} to the next safe point"), Message::QuitCancelling),
    ];
    let nothing_runs = |model: &Model| under_way(model) == 0;
    model.push(Chooser::new("Quit with jobs running here? Esc stays", items).until(nothing_runs, Message::Quit));
    Vec::new()
}

/// Copies the commands that protect a database.
pub fn copy_first_steps(model: &mut Model) -> Vec<Effect> {
    let text = super::super::screens::welcome::commands(model).join("\n");
    super::copied(model, text)
}

/// The application selected on the overview, else the selected row's.
#[must_use]
pub fn selected_app(model: &Model) -> Option<String> {
    if let Some(app) = model.row().and_then(|row| row.app()) {
        return Some(app.to_owned());
    }
    model.summary.apps.get(model.at_app.at).or_else(|| model.summary.apps.first()).map(|health| health.app.clone())
}

/// Whether there is an application.
///
/// # Errors
///
/// There is none.
pub fn has_app(model: &Model) -> Result<(), Reason> {
    if selected_app(model).is_some() { Ok(()) } else { Err("there is no application yet; `backstop app add` adds one".into()) }
}
