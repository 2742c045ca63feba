//! The one model: what the console knows and shows. Only `update` changes it; views read it.

pub mod browse;
pub mod detail;
pub mod differing;
pub mod filter;
pub mod list;
pub mod plan;
pub mod records;
pub mod walk;

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::browse::Browse;
use self::detail::{Detail, Summary};
use self::list::{Cursor, List};
use self::plan::PlanSummary;
use self::records::{ListKind, Record};
use self::walk::{Step, Walk};
use super::commands::Scope;
use super::component::Component;
use super::effect::{Action, Effect, KnownApp, LEVELS, Progress, Query, Slot};
use super::keymap::Keymap;
use super::terminal::caps::Caps;
use super::terminal::input::Key;
use super::theme::Theme;

/// The screens, in the order of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Screen {
    Overview,
    Configurations,
    Jobs,
    Backups,
    Restore,
    Alerts,
    Archive,
    Storage,
    Activity,
    Restores,
    Welcome,
}

impl Screen {
    /// Those with a tab.
    pub const TABS: [(Self, &'static str); 9] = [
        (Self::Overview, "Overview"),
        (Self::Configurations, "Configs"),
        (Self::Jobs, "Jobs"),
        (Self::Backups, "Backups"),
        (Self::Restore, "Restore"),
        (Self::Alerts, "Alerts"),
        (Self::Archive, "Archive"),
        (Self::Storage, "Storage"),
        (Self::Activity, "Activity"),
    ];

    /// The list that it shows.
    #[must_use]
    pub fn list(self) -> Option<ListKind> {
        Some(match self {
            Self::Configurations => ListKind::Configurations,
            Self::Jobs => ListKind::Jobs,
            Self::Backups => ListKind::Backups,
            Self::Alerts => ListKind::Alerts,
            Self::Archive => ListKind::Policies,
            Self::Storage => ListKind::Locations,
            Self::Activity => ListKind::Activity,
            Self::Restores => ListKind::Restores,
            Self::Overview | Self::Restore | Self::Welcome => return None,
        })
    }
}

/// The last message at the foot of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub text: String,
    /// Whether it is bad news.
    pub bad: bool,
}

/// An action under way.
#[derive(Clone, Debug)]
pub struct Acting {
    /// Which.
    pub action: Action,
    /// How far it is.
    pub progress: Progress,
}

/// How the console was started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This machine's name.
    pub host: String,
    /// What the terminal can do.
    pub caps: Caps,
    /// The theme, when one was asked for.
    pub theme: Option<String>,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// The screen to begin with.
    pub screen: Screen,
    /// The keys, with the operator's own.
    pub keymap: Keymap,
}

/// What the console knows and shows.
pub struct Model {
    /// The moment that everything relative is relative to.
    pub now: Timestamp,
    /// Whether times are shown in UTC.
    pub utc: bool,
    /// The terminal's columns and rows.
    pub size: (u16, u16),
    /// How the console was started.
    pub setup: Setup,
    /// The theme.
    pub theme: Theme,
    /// The screen.
    pub screen: Screen,
    /// The stack: the screen, then details and dialogs.
    pub stack: Vec<Box<dyn Component>>,
    /// Every list's state.
    pub lists: Vec<List>,
    /// The header's and the overview's figures.
    pub summary: Summary,
    /// Whether the figures have been read once.
    pub known: bool,
    /// The application that is selected on the overview.
    pub at_app: Cursor,
    /// The detail of the selected row.
    pub detail: Option<Detail>,
    /// The least grave lines of logs that are shown: an index of [`LEVELS`].
    pub level: usize,
    /// The backup that is looked into.
    pub browse: Option<Browse>,
    /// Every application with its models, as last heard.
    pub known_apps: Vec<KnownApp>,
    /// The row that is looked for and was not in the window yet.
    pub sought: Option<String>,
    /// The restore walkthrough.
    pub walk: Walk,
    /// Keys of a chord that is not complete.
    pub pending: Vec<Key>,
    /// The last message.
    pub toast: Option<Toast>,
    /// Actions under way.
    pub acting: BTreeMap<u64, Acting>,
    /// Jobs that run in this process.
    pub jobs_here: usize,
    /// Whether the mouse is used.
    pub mouse: bool,
    asked: BTreeMap<Slot, u64>,
    number: u64,
}

impl Model {
    /// The model a console begins with.
    #[must_use]
    pub fn new(setup: Setup, now: Timestamp, size: (u16, u16)) -> Self {
        let fitting = Theme::fitting(setup.caps.depth);
        let theme = setup.theme.as_ref().and_then(|name| Theme::built_in(name, setup.caps.depth).ok()).unwrap_or(fitting);
        Self {
            now,
            utc: true,
            size,
            theme,
            screen: setup.screen,
            stack: vec![Box::new(super::screens::ScreenView)],
            lists: ListKind::ALL.into_iter().map(List::new).collect(),
            summary: Summary::default(),
            known: false,
            at_app: Cursor::default(),
            detail: None,
            level: 1,
            browse: None,
            known_apps: Vec::new(),
            sought: None,
            walk: Walk::default(),
            pending: Vec::new(),
            toast: None,
            acting: BTreeMap::new(),
            jobs_here: 0,
            mouse: setup.mouse,
            asked: BTreeMap::new(),
            number: 0,
            setup,
        }
    }

    /// A list's state.
    #[must_use]
    pub fn list(&self, kind: ListKind) -> &List {
        &self.lists[kind as usize]
    }

    /// A list's state, to change it.
    pub fn list_mut(&mut self, kind: ListKind) -> &mut List {
        &mut self.lists[kind as usize]
    }

    /// The list that the keys move in, where it is one.
    #[must_use]
    pub fn current(&self) -> Option<ListKind> {
        if self.browse.is_some() {
            return None;
        }
        match self.screen {
            Screen::Restore if self.walk.step == Step::What => Some(ListKind::Backups),
            screen => screen.list(),
        }
    }

    /// The selected row of the list on the screen.
    #[must_use]
    pub fn row(&self) -> Option<&Record> {
        self.current().and_then(|kind| self.list(kind).selected())
    }

    /// A preview that was left behind, other than the one that is open here.
    #[must_use]
    pub fn left_behind(&self) -> Option<&PlanSummary> {
        let open = self.walk.plan.as_ref().map(|plan| plan.plan.as_str());
        self.summary.open_plan.as_deref().filter(|left| open != Some(&left.plan) && self.walk.restoring.is_none())
    }

    /// The least grave lines of logs that are shown.
    #[must_use]
    pub fn log_level(&self) -> &'static str {
        LEVELS.get(self.level).copied().unwrap_or("info")
    }

    /// The ids an action applies to.
    #[must_use]
    pub fn chosen(&self) -> Vec<String> {
        self.current().map(|kind| self.list(kind).chosen()).unwrap_or_default()
    }

    /// The rows that a list has on the screen: the body without its head.
    #[must_use]
    pub fn visible(&self) -> usize {
        let above = match (self.screen, self.walk.step) {
            (Screen::Restore, Step::What) => 2,
            (Screen::Restore, _) => 4,
            _ => 0,
        };
        usize::from(self.size.1.saturating_sub(super::screens::CHROME + 2 + above)).max(1)
    }

    /// Whether details stand beside the lists.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.size.0 >= 110
    }

    /// Whose keys apply, the nearest first.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        if self.browse.is_some() {
            return vec![Scope::Browse, Scope::Everywhere];
        }
        let mut scopes = match self.screen {
            Screen::Overview => vec![Scope::Overview],
            Screen::Configurations => vec![Scope::Configurations],
            Screen::Jobs => vec![Scope::Jobs],
            Screen::Backups => vec![Scope::Backups],
            Screen::Alerts => vec![Scope::Alerts],
            Screen::Archive => vec![Scope::Archive],
            Screen::Storage => vec![Scope::Storage],
            Screen::Activity => vec![Scope::Activity],
            Screen::Restores => vec![Scope::Restores],
            Screen::Welcome => vec![Scope::Welcome],
            Screen::Restore => vec![self.walk.step.scope(), Scope::Restore],
        };
        if self.current().is_some() {
            scopes.push(Scope::List);
        }
        scopes.push(Scope::Everywhere);
        scopes
    }

    /// The effect that asks; an older question of the same slot is forgotten.
    pub fn ask(&mut self, query: Query) -> Effect {
        self.number += 1;
        self.asked.insert(query.slot(), self.number);
        Effect::Query(self.number, query)
    }

    /// Whether this is the answer that is awaited.
    #[must_use]
    pub fn awaits(&self, slot: Slot, number: u64) -> bool {
        self.asked.get(&slot) == Some(&number)
    }

    /// The effect that has something done.
    pub fn act(&mut self, action: Action) -> Effect {
        self.number += 1;
        self.acting.insert(self.number, Acting { action: action.clone(), progress: Progress::default() });
        Effect::Act(self.number, action)
    }

    /// Says something at the foot of the screen.
    pub fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), bad: false });
    }

    /// Says at the foot of the screen that something cannot be done.
    pub fn refuse(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), bad: true });
    }

    /// Puts a component on top of the stack.
    pub fn push(&mut self, component: impl Component + 'static) {
        self.stack.push(Box::new(component));
    }
}
