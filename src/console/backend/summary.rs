//! The overview's figures: how every app fares, and the verdict in a sentence.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{pages, records};
use crate::catalog::{self, ConfigurationFilter, Job, NOTICE, Reader, Result, Severity, Status, Time};
use crate::console::model::detail::{AppHealth, Summary};
use crate::console::model::plan::PlanSummary;
use crate::engine::schedule::Schedule;

/// How many days the calendar shows.
const DAYS: i64 = 30;
/// A run that is later than this is overdue: a queue or a restart explains less.
const OVERDUE: SignedDuration = SignedDuration::from_hours(1);
/// A run that is later than this puts data at risk.
const LOST: SignedDuration = SignedDuration::from_hours(24);
/// How many of the newest alerts and running jobs are shown.
const NEWEST: usize = 8;

/// Who asks, from where.
pub struct Asking<'a> {
    pub reader: &'a Reader,
    pub now: Timestamp,
    pub role: String,
}

/// An app's judgement, with what is taken off the score for it.
struct Judged {
    health: AppHealth,
    reasons: Vec<(u32, String)>,
}

impl Asking<'_> {
    /// The summary.
    pub fn summary(&self) -> Result<Summary> {
        let reader = self.reader;
        let counts = reader.alert_counts()?;
        let open = reader.open_alerts(1000)?;
        let running = reader.active_jobs(None, NEWEST)?.items;
        let judged: Vec<Judged> = reader.app_health()?.into_iter().map(|app| self.judge(app, &open)).collect::<Result<_>>()?;
        let mut reasons: Vec<(u32, String)> = judged.iter().flat_map(|app| app.reasons.iter().cloned()).collect();
        let apps: Vec<AppHealth> = judged.into_iter().map(|app| app.health).collect();
        let locations = pages::locations(reader)?;
        for location in &locations {
            if location.unreachable.is_some() {
                reasons.push((10, format!("{} cannot be reached", location.name)));
            } else if location.backlog_objects > 0 {
                reasons.push((5, format!("{} is behind", location.name)));
            }
        }
        let now = Time::from(self.now);
        let next = reader.configurations_upcoming(now, 1)?.pop();
        let lost: u32 = reasons.iter().map(|(points, _)| points).sum();
        Ok(Summary {
            initialised: !apps.is_empty(),
            engine: engine(&running),
            role: self.role.clone(),
            critical: counts.critical,
            warnings: counts.error + counts.warning,
            next: next.and_then(|it| Some((it.name, it.next_run_at?.timestamp()))),
            verdict: verdict(&apps, self.now),
            state: worst(&apps).to_owned(),
            score: (!apps.is_empty()).then(|| 100_u32.saturating_sub(lost)),
            reasons: reasons.into_iter().map(|(points, why)| format!("-{points} {why}")).collect(),
            apps,
            running: running.into_iter().map(|job| records::job(job, self.now)).collect(),
            alerts: open.into_iter().take(NEWEST).map(records::alert).collect(),
            locations,
            open_plan: self.open_plan()?,
            notice: reader.setting(NOTICE)?,
            has_vault: !reader.vaults()?.is_empty(),
        })
    }

    fn days_ago(&self, days: i64) -> Timestamp {
        self.now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
    }

    fn judge(&self, app: catalog::AppHealth, open: &[catalog::Alert]) -> Result<Judged> {
        let mut reasons = Vec::new();
        let late = app.next_run_at.map(|due| self.now.duration_since(due.timestamp()));
        let mut state = "good";
        if app.last_good_at.is_none() {
            state = "critical";
            reasons.push((25, format!("{} has no good backup", app.app)));
        } else if late.is_some_and(|late| late > LOST) {
            state = "critical";
            reasons.push((20, format!("{} is overdue", app.app)));
        } else if late.is_some_and(|late| late > OVERDUE) {
            state = "warning";
            reasons.push((10, format!("{} is overdue", app.app)));
        }
        let gravest = open.iter().filter(|alert| alert.app_id.as_deref() == Some(&app.app_id)).map(|alert| alert.severity).max();
        if let Some(severity) = gravest.filter(|severity| *severity >= Severity::Warning) {
            let critical = severity == Severity::Critical;
            state = if critical || state == "critical" { "critical" } else { "warning" };
            reasons.push((if critical { 15 } else { 5 }, format!("{} has open alerts", app.app)));
        } else if app.failed > 0 {
            // Somebody closed the alert, and the backup is as missing as before.
            reasons.push((15, format!("{} was not backed up since: its last backup failed", app.app)));
        }
        if app.failed > 0 {
            state = "critical";
        }
        if app.last_good_at.is_some() && app.proven_at.is_none() {
            reasons.push((5, format!("no backup of {} was ever verified", app.app)));
        }
        let health = AppHealth {
            calendar: self.calendar(&app.app_id)?,
            app: app.app,
            state: state.to_owned(),
            last_good: app.last_good_at.map(Time::timestamp),
            proven_at: app.proven_at.map(Time::timestamp),
            proven_seconds: None,
            next_run: app.next_run_at.map(Time::timestamp),
        };
        Ok(Judged { health, reasons })
    }

    /// A word a day: the worst that a backup came to, or that a promised one did not happen.
    fn calendar(&self, app: &str) -> Result<Vec<String>> {
        let from = self.days_ago(DAYS - 1).to_zoned(TimeZone::UTC).date();
        let begin = from.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |zoned| zoned.timestamp());
        let seen = self.reader.calendar(app, begin.into())?;
        let filter = ConfigurationFilter { app_id: Some(app.to_owned()), enabled: Some(true), ..ConfigurationFilter::default() };
        let promises: Vec<(Schedule, Timestamp)> = self
            .reader
            .configurations_page(&filter, None, 100)?
            .items
            .into_iter()
            .filter_map(|it| Some((Schedule::parse(it.schedule.as_deref()?).ok()?, it.created_at.timestamp())))
            .collect();
        let mut days = Vec::new();
        let mut day = from;
        for _ in 0..DAYS {
            let word = match seen.iter().find(|known| known.day == day.to_string()).map(|known| known.worst) {
                Some(Status::Completed) => "done",
                Some(Status::Failed) => "failed",
                Some(Status::Partial | Status::Cancelled) => "warned",
                None if self.was_promised(day, &promises) => "missed",
                Some(Status::Queued | Status::Running) | None => "",
            };
            days.push(word.to_owned());
            day = day.tomorrow().unwrap_or(day);
        }
        Ok(days)
    }

    /// Whether a schedule that stood already named a moment of this day that is long over.
    fn was_promised(&self, day: Date, promises: &[(Schedule, Timestamp)]) -> bool {
        let bounds = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        let (Some(begin), Some(end)) = (bounds(day), day.tomorrow().ok().and_then(bounds)) else { return false };
        promises
            .iter()
            .any(|(schedule, made)| schedule.after(begin.max(*made)).is_some_and(|due| due < end && self.now.duration_since(due) > OVERDUE))
    }

    /// The newest preview that was left behind; one whose summary another version wrote is not offered.
    fn open_plan(&self) -> Result<Option<Box<PlanSummary>>> {
        let Some(plan) = self.reader.open_plans(None, 1)?.items.pop() else { return Ok(None) };
        let summary: Option<PlanSummary> = serde_json::from_value(plan.summary.0.clone()).ok();
        Ok(summary.map(|summary| Box::new(PlanSummary { plan: plan.id, app: plan.app, backup: plan.backup, ..summary })))
    }
}

/// Where what runs runs.
fn engine(running: &[Job]) -> String {
    let own = std::process::id();
    match running.iter().filter_map(|job| job.pid).find(|pid| *pid != own) {
        Some(pid) => format!("engine pid {pid}"),
        None => "engine here".to_owned(),
    }
}

fn worst(apps: &[AppHealth]) -> &'static str {
    ["critical", "warning"].into_iter().find(|state| apps.iter().any(|app| app.state == *state)).unwrap_or("good")
}

fn verdict(apps: &[AppHealth], now: Timestamp) -> String {
    let at_risk: Vec<&str> = apps.iter().filter(|app| app.state == "critical").map(|app| app.app.as_str()).collect();
    let without: Vec<&str> = apps.iter().filter(|app| app.last_good.is_none()).map(|app| app.app.as_str()).collect();
    if !without.is_empty() {
        return format!("There is no good backup of {}.", without.join(", "));
    }
    if let [first, ..] = at_risk[..] {
        let count = match at_risk.len() {
            1 => "One application is at risk".to_owned(),
            some => format!("{some} of {} applications are at risk", apps.len()),
        };
        let last = apps.iter().find(|app| app.app == first).and_then(|app| app.last_good);
        let old = last.map(|time| format!(", its last good backup is {} old", age(now.duration_since(time)))).unwrap_or_default();
        return format!("{count}: {first}{old}.");
    }
    let oldest = apps.iter().filter_map(|app| Some((app.last_good?, &app.app))).min();
    match oldest {
        Some((time, app)) => {
            format!("Every application has a good backup. Oldest recovery point: {app}, {} ago.", age(now.duration_since(time)))
        }
        None => "Nothing is protected yet.".to_owned(),
    }
}

fn age(age: SignedDuration) -> String {
    let minutes = age.as_mins().max(0);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
