//! The screens: each draws one view of the model; none changes it.

pub mod activity;
pub mod alerts;
pub mod archive;
pub mod backups;
pub mod browse;
pub mod configurations;
pub mod differing;
pub mod jobs;
pub mod listing;
pub mod overview;
pub mod restore;
pub mod restores;
pub mod storage;
pub mod welcome;

use super::component::{Component, Outcome};
use super::model::records::{ListKind, Record};
use super::model::{Model, Screen};
use super::terminal::input::Input;
use super::theme::Role;
use super::widgets::canvas::Canvas;
use super::widgets::{footer, header, table::Cell, table::Column};

/// The rows above the body: header, tabs, rule.
pub const CHROME: u16 = 3;
/// The smallest terminal that is drawn on.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Draws everything: the frame, then the stack from its bottom.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    if width < SMALLEST.0 || height < SMALLEST.1 {
        let text = format!("backstop needs {}x{}; this is {width}x{height}", SMALLEST.0, SMALLEST.1);
        canvas.put(0, height / 2, &text, Role::Text);
        return;
    }
    header::draw(model, &mut canvas.part(0, 0, width, CHROME));
    footer::draw(model, &mut canvas.part(0, height - 1, width, 1));
    for component in &model.stack {
        component.view(model, &mut canvas.part(0, CHROME, width, height - CHROME - u16::from(!component.is_modal())));
    }
}

/// The screen at the bottom of the stack.
pub struct ScreenView;

impl Component for ScreenView {
    fn is_modal(&self) -> bool {
        false
    }

    fn input(&mut self, _: &Input, _: &Model) -> Outcome {
        Outcome::Ignored
    }

    fn view(&self, model: &Model, canvas: &mut Canvas<'_>) {
        match model.screen {
            Screen::Overview => overview::draw(model, canvas),
            Screen::Restore => restore::draw(model, canvas),
            Screen::Welcome => welcome::draw(model, canvas),
            screen => {
                if let Some(kind) = screen.list() {
                    listing::draw(model, kind, canvas);
                }
            }
        }
    }
}

/// The detail of the selected row, in place of the list.
pub struct DetailView;

impl Component for DetailView {
    fn is_modal(&self) -> bool {
        false
    }

    fn input(&mut self, _: &Input, _: &Model) -> Outcome {
        Outcome::Ignored
    }

    fn view(&self, model: &Model, canvas: &mut Canvas<'_>) {
        canvas.clear();
        if let Some(row) = model.row() {
            detail(model, row, canvas);
        }
    }
}

/// The inside of a backup, in place of the list.
pub struct BrowseView;

impl Component for BrowseView {
    fn is_modal(&self) -> bool {
        false
    }

    fn input(&mut self, _: &Input, _: &Model) -> Outcome {
        Outcome::Ignored
    }

    fn view(&self, model: &Model, canvas: &mut Canvas<'_>) {
        canvas.clear();
        browse::draw(model, canvas);
    }
}

/// The columns of a list.
#[must_use]
pub fn columns(kind: ListKind) -> &'static [Column] {
    match kind {
        ListKind::Configurations => configurations::COLUMNS,
        ListKind::Jobs => jobs::COLUMNS,
        ListKind::Backups => backups::COLUMNS,
        ListKind::Alerts => alerts::COLUMNS,
        ListKind::Policies => archive::COLUMNS,
        ListKind::Locations => storage::COLUMNS,
        ListKind::Activity => activity::COLUMNS,
        ListKind::Restores => restores::COLUMNS,
    }
}

/// The cells of a row.
#[must_use]
pub fn cells(model: &Model, record: &Record) -> Vec<Cell> {
    match record {
        Record::Configuration(it) => configurations::cells(model, it),
        Record::Job(it) => jobs::cells(model, it),
        Record::Backup(it) => backups::cells(model, it),
        Record::Alert(it) => alerts::cells(model, it),
        Record::Policy(it) => archive::cells(model, it),
        Record::Location(it) => storage::cells(model, it),
        Record::Activity(it) => activity::cells(model, it),
        Record::Restore(it) => restores::cells(model, it),
    }
}

/// Draws a row's detail.
pub fn detail(model: &Model, record: &Record, canvas: &mut Canvas<'_>) {
    let more = model.detail.as_ref().filter(|detail| detail.id == record.id());
    match record {
        Record::Configuration(it) => configurations::detail(model, it, more, canvas),
        Record::Job(it) => jobs::detail(model, it, more, canvas),
        Record::Backup(it) => backups::detail(model, it, more, canvas),
        Record::Alert(it) => alerts::detail(model, it, more, canvas),
        Record::Policy(it) => archive::detail(model, it, canvas),
        Record::Location(it) => storage::detail(model, it, canvas),
        Record::Activity(it) => activity::detail(model, it, canvas),
        Record::Restore(it) => restores::detail(model, it, more, canvas),
    }
}
