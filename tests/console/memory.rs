//! A backend that holds a few lists in memory, and a console on it that is driven by keys.

use std::ops::ControlFlow;
use std::sync::Mutex;

use backstop::console::effect::{Action, Answer, Backend, Effect, KnownApp, OpenPlan, Outcome, Preview, Problem, Progress, Query};
use backstop::console::keymap::Keymap;
use backstop::console::message::Message;
use backstop::console::model::browse::StoredRow;
use backstop::console::model::detail::{AppHealth, Detail, LogLine, ScopeModel, Summary};
use backstop::console::model::plan::{Finding, PlanField, PlanModel, PlanRow, PlanSummary, RestoreResult, RowField};
use backstop::console::model::records::{Activity, Alert, Backup, Configuration, Job, ListKind, Location, Policy, Record, Restore};
use backstop::console::model::{Model, Screen, Setup};
use backstop::console::terminal::caps::{Caps, Depth};
use backstop::console::terminal::input::{Input, Key};
use backstop::console::widgets::canvas::Canvas;
use backstop::console::{screens, update};
use backstop::engine::restore::plan::OnCollision;
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The moment at which every test happens.
pub fn now() -> Timestamp {
    "2026-11-21T20:41:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Option<Timestamp> {
    now().checked_sub(SignedDuration::from_mins(minutes)).ok()
}

/// Lists in memory; what was asked to be done is kept for the test to look at.
pub struct Memory {
    /// Whether anything is protected.
    pub initialised: bool,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many jobs came in after the first look, newest first.
    pub newer: usize,
    /// How many jobs run in this process.
    pub jobs_here: usize,
    /// Whether a preview was left behind.
    pub left: bool,
    /// Whether what is asked to be kept is refused.
    pub refuses: bool,
    /// The records of every model in every backup.
    pub stored: usize,
    /// The name of the application that most rows belong to.
    pub app: &'static str,
    /// How many records differ in the model that has conflicts; every seventh hundredth is one.
    pub differing: usize,
    /// How many models a backup holds, of two.
    pub models: usize,
    /// Whether a record takes the unique value of another one, until something is chosen for that.
    pub collides: bool,
    /// What was done.
    pub done: Mutex<Vec<Action>>,
}

impl Memory {
    /// A backend with something in every list.
    pub fn new() -> Self {
        Self {
            initialised: true,
            jobs: 3,
            newer: 0,
            jobs_here: 0,
            left: false,
            refuses: false,
            stored: 250,
            app: "school",
            differing: 21,
            models: 2,
            collides: false,
            done: Mutex::default(),
        }
    }

    fn records(&self, list: ListKind) -> Vec<Record> {
        match list {
            ListKind::Configurations => ["daily-full", "hourly"]
                .into_iter()
                .map(|name| {
                    Record::Configuration(Configuration {
                        id: format!("c-{name}"),
                        name: name.into(),
                        app: self.app.into(),
                        kind: "full".into(),
                        schedule: Some("0 2 * * *".into()),
                        retention_days: 30,
                        enabled: name == "daily-full",
                        last_status: Some("completed".into()),
                        last_run_at: ago(1000),
                        next_run_at: ago(-192),
                        ..Configuration::default()
                    })
                })
                .collect(),
            ListKind::Jobs => {
                let newer = (0..self.newer).map(|at| Record::Job(Box::new(Job { id: format!("n{at}"), ..job(0, self.app) })));
                newer.chain((0..self.jobs).map(|at| Record::Job(Box::new(job(at, self.app))))).collect()
            }
            ListKind::Backups => (0..4).map(|at| Record::Backup(Box::new(Backup { app: self.app.into(), ..backup(at) }))).collect(),
            ListKind::Alerts => alerts().into_iter().map(|alert| Record::Alert(Box::new(alert))).collect(),
            ListKind::Policies => vec![Record::Policy(Policy {
                id: "p1".into(),
                name: "old-logs".into(),
                app: "school".into(),
                model: "audit_log".into(),
                after_days: 365,
                due: Some(1200),
                archived: 88_031,
                enabled: true,
                last_run_at: ago(2000),
            })],
            ListKind::Locations => locations().into_iter().map(Record::Location).collect(),
            ListKind::Activity => vec![Record::Activity(Activity {
                id: "a1".into(),
                time: ago(12),
                operator: "admin".into(),
                action: "restore.run".into(),
                target: "school".into(),
                reason: "salaries were overwritten".into(),
                outcome: "completed".into(),
            })],
            ListKind::Restores => vec![restore("r-2", None), restore("r-1", Some("r-2"))],
        }
    }
}

fn restore(id: &str, undone_by: Option<&str>) -> Record {
    Record::Restore(Box::new(Restore {
        id: id.into(),
        app: "school".into(),
        backup: "b0".into(),
        mode: "merge".into(),
        status: "completed".into(),
        operator: "admin".into(),
        reason: "salaries were overwritten".into(),
        created: 3,
        updated: 9,
        safety_backup: Some("s-1".into()),
        undone_by: undone_by.map(str::to_owned),
        undo_until: ago(-40_000),
        started_at: ago(30),
        duration_seconds: Some(0.8),
        job: Some("j0000002".into()),
        ..Restore::default()
    }))
}

fn job(at: usize, app: &str) -> Job {
    let status = ["running", "failed", "completed"][at % 3];
    let minutes = at as i64 * 60;
    Job {
        id: format!("j{at:07}"),
        app: [app, "payroll", "shop"][at % 3].into(),
        configuration: Some("daily-full".into()),
        kind: "backup".into(),
        status: status.into(),
        origin: "scheduled".into(),
        phase: "reading".into(),
        done_records: 62_000,
        total_records: Some(100_000),
        done_bytes: 12_000_000,
        records_per_second: (status == "running").then_some(3_100.0),
        seconds_left: (status == "running").then_some(12.0),
        error: (status == "failed").then(|| "the server at db02:5432 refused the connection".into()),
        hint: (status == "failed").then(|| "is it running? systemctl status postgresql".into()),
        created_at: ago(minutes),
        started_at: ago(minutes),
        finished_at: (status != "running").then(|| ago(minutes - 1)).flatten(),
        backup: (status == "completed").then(|| "b0".into()),
        operator: "scheduler".into(),
        ..Job::default()
    }
}

fn backup(at: usize) -> Backup {
    Backup {
        id: format!("b{at}"),
        app: "school".into(),
        configuration: Some("daily-full".into()),
        kind: if at == 3 { "full" } else { "incremental" }.into(),
        status: if at == 2 { "failed" } else { "completed" }.into(),
        origin: "scheduled".into(),
        taken_at: ago(130 + at as i64 * 1440),
        records: 100_439,
        files: 12,
        bytes_read: 48_000_000,
        bytes_new: 1_200_000,
        bytes_stored: 410_000,
        duration_seconds: 42.0,
        protected: at == 3,
        locations: vec![("local".into(), true), ("b2".into(), at > 0)],
        ..Backup::default()
    }
}

fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            id: "a-1".into(),
            kind: "backup_failure".into(),
            severity: "critical".into(),
            status: "active".into(),
            app: Some("payroll".into()),
            configuration: Some("daily-full".into()),
            message: "connection refused \u{1b}[2J\u{202e}".into(),
            count: 3,
            first_at: ago(360),
            last_at: ago(5),
            job: Some("j0000001".into()),
            ..Alert::default()
        },
        Alert {
            id: "a-2".into(),
            kind: "location_behind".into(),
            severity: "warning".into(),
            status: "acknowledged".into(),
            message: "b2 lacks 14 packs (212 MB) 中文".into(),
            count: 1,
            first_at: ago(120),
            last_at: ago(120),
            ..Alert::default()
        },
    ]
}

fn locations() -> Vec<Location> {
    vec![
        Location {
            id: "local".into(),
            name: "local".into(),
            place: "/srv/backup".into(),
            total: Some(100),
            free: Some(39),
            bytes: 61_000_000_000,
            objects: 812,
            ..Location::default()
        },
        Location {
            id: "b2".into(),
            name: "b2".into(),
            place: "/mnt/b2".into(),
            bytes: 60_000_000_000,
            backlog_objects: 14,
            backlog_bytes: 212_000_000,
            ..Location::default()
        },
    ]
}

fn plan() -> PlanSummary {
    let employee = PlanModel {
        module: "hr".into(),
        model: "hr_employee".into(),
        strategy: "merge".into(),
        total: 1204,
        new: 3,
        existing: 1201,
        identical: 1184,
        conflicts: 17,
        live_only: 1,
        create: 3,
        update: 9,
        skip: 1192,
        fields: vec![PlanField { field: "email".into(), conflicts: 9, fill: 5, change: 4, blank: 0 }],
        ..PlanModel::default()
    };
    let department = PlanModel {
        module: "hr".into(),
        model: "hr_department".into(),
        strategy: "merge".into(),
        total: 24,
        existing: 24,
        identical: 24,
        skip: 24,
        ..PlanModel::default()
    };
    PlanSummary {
        plan: "plan-1".into(),
        backup: "b0".into(),
        app: "school".into(),
        taken_at: ago(130),
        strategy: "merge".into(),
        safe_to_restore: true,
        findings: vec![Finding {
            level: "warning".into(),
            model: Some("hr_employee".into()),
            message: "9 records were changed after this backup".into(),
            ..Finding::default()
        }],
        models: vec![department, employee],
    }
}

/// A plan in which a live record holds what one of the backup takes, and what was chosen for that.
fn collided(plan: &mut PlanSummary, preview: &Preview) {
    let blocks = preview.collisions == OnCollision::Block;
    plan.models[1].collisions = u64::from(preview.collisions != OnCollision::Holder);
    plan.models[1].delete = u64::from(preview.collisions == OnCollision::Holder);
    plan.safe_to_restore = !blocks;
    let collision = Finding {
        level: if blocks { "blocking" } else { "warning" }.into(),
        model: Some("hr_employee".into()),
        message: "1 record would take a unique value that another live record holds".into(),
        count: 1,
        keys: vec![serde_json::json!({"id": 3})],
        holders: vec![serde_json::json!({"id": 12})],
        option: "collisions".into(),
        remedy: "--collisions skip leaves out what collides, holder deletes the record that holds the value.".into(),
    };
    plan.findings.extend((plan.models[1].collisions > 0).then_some(collision));
}

fn rows() -> Vec<PlanRow> {
    let field = |field: &str, backup: &str, live: &str, result: &str| RowField {
        field: field.into(),
        backup: backup.into(),
        live: live.into(),
        result: result.into(),
    };
    vec![
        PlanRow { key: serde_json::json!({"id": 3}), state: "new".into(), ..PlanRow::default() },
        PlanRow {
            key: serde_json::json!({"id": 7}),
            state: "conflict".into(),
            fields: vec![
                field("email", "ana@school.example", "ana@gmail.example", "ana@gmail.example"),
                RowField { field: "salary".into(), backup: 4200.into(), live: serde_json::Value::Null, result: 4200.into() },
            ],
            ..PlanRow::default()
        },
        PlanRow {
            key: serde_json::json!({"id": 9}),
            state: "conflict".into(),
            fields: vec![field("note", "on leave", "back", "back")],
            ..PlanRow::default()
        },
    ]
}

fn scope() -> Vec<ScopeModel> {
    ["hr_department", "hr_employee"].map(|model| ScopeModel { module: "hr".into(), model: model.into(), records: 1204 }).to_vec()
}

fn stored(at: usize) -> StoredRow {
    StoredRow {
        place: at.to_string(),
        key: serde_json::json!({"id": at}),
        fields: vec![("id".into(), at.into()), ("name".into(), format!("Person {at}").into()), ("note".into(), serde_json::Value::Null)],
    }
}

/// A record beyond the first few: new, but for a conflict in every seven hundred.
fn further(at: usize) -> PlanRow {
    let state = if at % 700 == 699 { "conflict" } else { "new" };
    PlanRow { key: serde_json::json!({ "id": at }), state: state.into(), ..PlanRow::default() }
}

impl Backend for Memory {
    fn query(&self, query: &Query) -> Result<Answer, Problem> {
        Ok(match query {
            Query::Summary if !self.initialised => Answer::Summary(Box::default()),
            Query::Summary => Answer::Summary(Box::new(Summary {
                initialised: true,
                engine: "engine here".into(),
                role: "admin".into(),
                critical: 1,
                warnings: 1,
                next: Some(("daily-full".into(), ago(-192).unwrap())),
                verdict: "One application is at risk: payroll has no good backup since yesterday 14:02.".into(),
                state: "critical".into(),
                score: Some(71),
                reasons: vec!["-20 payroll overdue".into(), "-5 b2 behind".into()],
                apps: vec![
                    AppHealth {
                        app: "payroll".into(),
                        state: "critical".into(),
                        last_good: ago(1800),
                        proven_at: ago(17_280),
                        proven_seconds: Some(250.0),
                        next_run: ago(240),
                        calendar: vec!["done".into(); 29],
                    },
                    AppHealth {
                        app: self.app.into(),
                        state: "good".into(),
                        last_good: ago(130),
                        proven_at: ago(4320),
                        proven_seconds: Some(38.0),
                        next_run: ago(-192),
                        calendar: vec!["done".into(); 30],
                    },
                ],
                running: vec![job(0, self.app)],
                alerts: alerts(),
                locations: locations(),
                open_plan: self.left.then(|| Box::new(plan())),
                notice: Some("Demonstration: times before today are simulated.".into()),
                has_vault: true,
            })),
            Query::Page { list, filter, after, limit, .. } => {
                let all = self.records(*list);
                let from = after.as_ref().map_or(0, |after| all.iter().position(|row| row.id() == after.id()).map_or(0, |at| at + 1));
                let mut left = all.into_iter().skip(from).filter(|row| filter.matches(row, now()));
                let rows: Vec<Record> = left.by_ref().take(*limit).collect();
                Answer::Page { rows, end: left.next().is_none() }
            }
            Query::Detail { id, .. } => Answer::Detail(Detail {
                id: id.clone(),
                log: vec![LogLine { time: ago(30), level: "info".into(), text: "began".into() }],
                steps: vec!["Is the server up?".into()],
                ..Detail::default()
            }),
            Query::Models { .. } => Answer::Models(scope().into_iter().take(self.models).collect()),
            Query::Rows { from, conflict, limit, .. } => {
                let row = |at: usize| rows().get(at).cloned().unwrap_or_else(|| further(at));
                let found = conflict.and_then(|place| (place..self.differing).find(|at| row(*at).state == "conflict"));
                let from = found.map_or(*from, |found| found.saturating_sub(limit / 2));
                let end = self.differing.min(from + limit);
                Answer::Rows { from, found, end: end == self.differing, rows: (from..end).map(row).collect() }
            }
            Query::Stored { after, limit, .. } => {
                let from = after.as_ref().map_or(0, |place| place.parse::<usize>().unwrap() + 1);
                let to = self.stored.min(from + limit);
                Answer::Stored { rows: (from..to).map(stored).collect(), end: to == self.stored }
            }
            Query::Plan { .. } => Answer::Plan(Box::new(OpenPlan {
                summary: plan(),
                backup: Some(backup(0)),
                preview: Preview { backup: "b0".into(), app: "school".into(), strategy: "replace".into(), ..Preview::default() },
                ..OpenPlan::default()
            })),
            Query::Known => Answer::Known(vec![KnownApp { name: "school".into(), models: scope(), ..KnownApp::default() }]),
        })
    }

    fn act(&self, action: &Action, report: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Outcome, Problem> {
        self.done.lock().unwrap().push(action.clone());
        let stopped = report(Progress { phase: "hr".into(), done: 1, total: Some(2), model: None }).is_break();
        Ok(match action {
            _ if stopped => return Err(Problem::new("stopped")),
            Action::CreateConfiguration(_) | Action::EditConfiguration { .. } if self.refuses => {
                return Err(Problem::new("there is one of that name"));
            }
            Action::Preview(preview) => {
                let mut plan = plan();
                if self.collides {
                    collided(&mut plan, preview);
                }
                plan.models[1].new = self.differing as u64 - 18;
                Outcome::Planned(Box::new(plan))
            }
            Action::Restore { .. } => Outcome::Restored(Box::new(RestoreResult {
                restore: "r-1".into(),
                status: "completed".into(),
                records_created: 3,
                records_updated: 9,
                records_skipped: 1216,
                records_deleted: 0,
                safety_backup: Some("s-1".into()),
                duration_seconds: 0.8,
            })),
            _ => Outcome::Done("done".into()),
        })
    }

    fn version(&self) -> u64 {
        1
    }

    fn jobs_here(&self) -> usize {
        self.jobs_here
    }

    fn cancel_all(&self) {}
}

/// How the tests' consoles are started.
pub fn setup() -> Setup {
    let caps = Caps { depth: Depth::True, unicode: true, remote: false, tmux: false, screen: false };
    Setup { host: "db01".into(), caps, theme: None, read_only: false, mouse: false, screen: Screen::Overview, keymap: Keymap::default() }
}

/// A console that answers itself at once.
pub struct Driven {
    /// Its model.
    pub model: Model,
    /// What answers.
    pub backend: Memory,
    /// Effects that leave the console: copies, the end.
    pub left: Vec<Effect>,
}

impl Driven {
    /// A console of this size on this backend.
    pub fn new(backend: Memory, setup: Setup, width: u16, height: u16) -> Self {
        let mut driven = Self { model: Model::new(setup, now(), (width, height)), backend, left: Vec::new() };
        let effects = update::start(&mut driven.model);
        driven.perform(effects);
        driven
    }

    /// Presses keys, separated by spaces; `'text'` types the text.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        for word in keys.split(' ').filter(|word| !word.is_empty()) {
            if let Some(text) = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                text.chars().for_each(|character| self.input(Input::Key(Key::char(character))));
            } else {
                self.input(Input::Key(Key::parse(word).unwrap()));
            }
        }
        self
    }

    /// Hands it an input.
    pub fn input(&mut self, input: Input) {
        let effects = update::update(&mut self.model, Message::Input(input));
        self.perform(effects);
    }

    /// Has effects answered.
    pub fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let messages = match effect {
                Effect::Query(number, query) => vec![Message::Answered(query.slot(), number, self.backend.query(&query))],
                Effect::Act(number, action) => {
                    let mut messages = Vec::new();
                    let result = self.backend.act(&action, &mut |progress| {
                        messages.push(Message::Progressed(number, progress));
                        ControlFlow::Continue(())
                    });
                    messages.push(Message::Finished(number, result));
                    messages
                }
                other => {
                    self.left.push(other);
                    continue;
                }
            };
            for message in messages {
                let effects = update::update(&mut self.model, message);
                self.perform(effects);
            }
        }
    }

    /// What was done.
    pub fn done(&self) -> Vec<Action> {
        self.backend.done.lock().unwrap().clone()
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let (width, height) = self.model.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let mut cursor = None;
        screens::draw(&self.model, &mut Canvas::new(&mut buffer, &self.model.theme, self.model.setup.caps.unicode, &mut cursor));
        let mut text = String::new();
        for y in 0..height {
            let mut line = String::new();
            let mut x = 0;
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(backstop::console::widgets::text::width(symbol)).unwrap().max(1);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
