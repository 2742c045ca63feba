//! `backstop config`: how and when an application is backed up.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::session::{Ended, Session};
use super::session::{pages, word};
use super::table::{Align, Table, facts};
use crate::catalog::{BackupType, Configuration, ConfigurationFilter, ConfigurationStats, NewConfiguration};
use crate::engine::configurations::as_new;
use crate::engine::presets::{Preset, preset, presets};
use crate::engine::selection::Selection;
use crate::error::Status;

use super::backup::{Narrowing, TYPES};
use super::output::Failure;
use super::units;

/// `backstop config …`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// List the configurations.
    List(List),
    /// Show one.
    Show(One),
    /// Make one.
    Create(Create),
    /// Change one.
    Edit(Edit),
    /// Let its schedule run again.
    Enable(One),
    /// Keep it and do not run it by schedule.
    Disable(One),
    /// Delete one; its backups stay.
    Delete(Delete),
    /// Show how the jobs of one, or of all, have fared.
    Stats(Stats),
    /// List configurations to begin with.
    Presets,
    /// Remove ad-hoc configurations older than 7 days that no job refers to.
    Cleanup(Cleanup),
}

/// `backstop config list`.
#[derive(Clone, Debug, Default, Args)]
pub struct List {
    /// Of this application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// One configuration.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// The configuration: a name, an id, or the beginning of an id.
    pub config: String,
    /// The application, where two have a configuration of that name.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// `backstop config create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Its name; what is missing is asked for on a terminal.
    pub name: Option<String>,
    /// Its name, as a flag.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name", id = "name_flag")]
    pub name_flag: Option<String>,
    /// The application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Begin with this preset; see: backstop config presets.
    #[arg(long, value_name = "PRESET")]
    pub preset: Option<String>,
    /// The fields.
    #[command(flatten)]
    pub fields: Fields,
    /// Make it disabled.
    #[arg(long)]
    pub disabled: bool,
}

impl Create {
    /// The name, however it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.name_flag.as_deref()).unwrap_or_default()
    }
}

/// `backstop config stats`.
#[derive(Clone, Debug, Args)]
pub struct Stats {
    /// The configuration; all of them unless one is named.
    pub config: Option<String>,
    /// The application.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// How a configuration has fared, with what it is.
#[derive(Serialize)]
struct Fared {
    id: String,
    name: String,
    app: String,
    #[serde(flatten)]
    stats: ConfigurationStats,
}

/// `backstop config edit`.
#[derive(Clone, Debug, Args)]
pub struct Edit {
    /// The configuration.
    #[command(flatten)]
    pub which: One,
    /// A new name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The fields; what is not given stays.
    #[command(flatten)]
    pub fields: Fields,
    /// Take the schedule away.
    #[arg(long, conflicts_with = "schedule")]
    pub no_schedule: bool,
    /// Back up everything again, whatever modules and models were named, and what is dispensable too.
    #[arg(long, conflicts_with_all = ["modules", "models", "exclude_modules", "exclude_models", "quick"])]
    pub everything: bool,
}

/// The fields that creating and editing share.
#[derive(Clone, Debug, Default, Args)]
pub struct Fields {
    /// What is backed up.
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub kind: Option<String>,
    /// When, as a cron expression of five fields, UTC: `0 2 * * *` is every day at two.
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Days that its backups are kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention_days: Option<u32>,
    /// What of it.
    #[command(flatten)]
    pub narrowing: Narrowing,
    /// Leave out what the application's settings name as dispensable, or no longer.
    #[arg(long, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", require_equals = true, value_parser = ["yes", "no"])]
    pub quick: Option<String>,
    /// One backup for each of these tenants in turn: ids, LEVEL=ID, or all; with --type tenant.
    #[arg(long, value_name = "all|ID,…", value_delimiter = ',')]
    pub tenants: Option<Vec<String>>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// `backstop config delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// The configuration.
    #[command(flatten)]
    pub which: One,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backstop config cleanup`.
#[derive(Clone, Debug, Args)]
pub struct Cleanup {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

impl Session<'_> {
    /// `backstop config …`.
    pub fn config(&mut self, command: Config) -> Ended {
        let named = |session: &Self, one: &One| session.engine.configuration(&one.config, one.app.as_deref());
        let shown = match command {
            Config::List(list) => return self.config_list(&list),
            Config::Stats(stats) => return self.config_stats(&stats),
            Config::Presets => return self.config_presets(),
            Config::Show(one) => named(self, &one)?,
            Config::Create(create) => self.config_create(create)?,
            Config::Edit(edit) => {
                let old = named(self, &edit.which)?;
                let mut new = as_new(&old);
                new.name = edit.name.unwrap_or(new.name);
                if edit.no_schedule {
                    new.schedule = None;
                }
                if edit.everything {
                    Selection { tenants: new.tenants.clone(), ..Selection::default() }.put(&mut new);
                }
                fill(&mut new, edit.fields)?;
                self.engine.edit_configuration(&old.id, new)?
            }
            Config::Enable(one) => self.engine.enable_configuration(&named(self, &one)?, true)?,
            Config::Disable(one) => self.engine.enable_configuration(&named(self, &one)?, false)?,
            Config::Delete(delete) => {
                let configuration = named(self, &delete.which)?;
                self.confirm(&format!("Delete {}? Its backups stay.", configuration.name), delete.yes)?;
                self.engine.delete_configuration(&configuration)?;
                configuration
            }
            Config::Cleanup(cleanup) => {
                self.confirm("Remove ad-hoc configurations that no job refers to?", cleanup.yes)?;
                let gone = self.engine.clean_up_configurations()?;
                self.output.result(&gone, |gone| vec![format!("{} removed", gone.len())])?;
                return Ok(Status::Done);
            }
        };
        self.config_show(&shown)
    }

    fn config_create(&mut self, mut create: Create) -> Result<Configuration, Failure> {
        let app = self.engine.app(create.app.as_deref())?;
        if create.name().is_empty() {
            let known = presets()?.iter().map(|preset| preset.name.clone()).collect::<Vec<_>>().join(", ");
            let missing = || {
                Failure::new(Status::Usage, "a configuration needs a name").hint("backstop config create NAME --type TYPE --schedule CRON")
            };
            create.name = Some(self.ask(&format!("Name of the configuration for {}:", app.name))?.ok_or_else(missing)?);
            if create.preset.is_none() {
                create.preset = self.ask(&format!("Begin with a preset ({known}; empty: none):"))?;
            }
            if create.preset.is_none() {
                create.fields.kind = create.fields.kind.or(self.ask(&format!("Type ({}; empty: full):", TYPES.join(", ")))?);
                create.fields.schedule = create.fields.schedule.or(self.ask("Schedule, five cron fields in UTC (empty: none):")?);
            }
        }
        let mut new = NewConfiguration::new(create.name(), app.id, BackupType::Full);
        new.enabled = !create.disabled;
        if let Some(name) = &create.preset {
            preset(name)?.fields.fill(&mut new);
        }
        fill(&mut new, create.fields)?;
        Ok(self.engine.create_configuration(new)?)
    }

    fn config_stats(&mut self, given: &Stats) -> Ended {
        let which = match &given.config {
            Some(config) => vec![self.engine.configuration(config, given.app.as_deref())?],
            None => self.configurations(given.app.as_deref())?,
        };
        let fared = |one: Configuration| -> Result<Fared, Failure> {
            let stats = self.engine.catalog().configuration_stats(&one.id)?;
            Ok(Fared { id: one.id, name: one.name, app: one.app, stats })
        };
        let fared = which.into_iter().map(fared).collect::<Result<Vec<_>, _>>()?;
        self.output.list(&fared, "there are no configurations", |fared| {
            let mut table = Table::new(&[
                ("name", Align::Left),
                ("app", Align::Left),
                ("jobs", Align::Right),
                ("completed", Align::Right),
                ("partial", Align::Right),
                ("failed", Align::Right),
                ("takes", Align::Right),
                ("last completed", Align::Left),
            ]);
            for Fared { name, app, stats, .. } in fared {
                let takes = stats.mean_seconds.map(units::duration).unwrap_or_default();
                let last = stats.last_completed_at.map(|time| time.to_string()).unwrap_or_default();
                let counts = [stats.jobs, stats.completed, stats.partial, stats.failed].map(units::count);
                table.row([name.clone(), app.clone()].into_iter().chain(counts).chain([takes, last]));
            }
            table
        })?;
        Ok(Status::Done)
    }

    fn config_presets(&mut self) -> Ended {
        self.output.list(&presets()?, "there are no presets", |presets| {
            let mut table = Table::new(&[
                ("name", Align::Left),
                ("type", Align::Left),
                ("schedule", Align::Left),
                ("kept", Align::Right),
                ("description", Align::Left),
            ]);
            for Preset { name, fields } in presets {
                let kept = units::counted(u64::from(fields.retention_days), "day");
                table.row([name.as_str(), fields.kind.as_str(), &fields.schedule, &kept, &fields.description]);
            }
            table
        })?;
        Ok(Status::Done)
    }

    fn configurations(&self, app: Option<&str>) -> Result<Vec<Configuration>, Failure> {
        let app_id = app.map(|app| self.engine.app(Some(app))).transpose()?.map(|app| app.id);
        let filter = ConfigurationFilter { app_id, ..ConfigurationFilter::default() };
        Ok(pages(None, |after, limit| self.engine.catalog().configurations_page(&filter, after, limit))?)
    }

    fn config_list(&mut self, list: &List) -> Ended {
        let found = self.configurations(list.app.as_deref())?;
        self.output.list(&found, "there are no configurations", |found| {
            let mut table = Table::new(&[
                ("name", Align::Left),
                ("app", Align::Left),
                ("type", Align::Left),
                ("schedule", Align::Left),
                ("enabled", Align::Left),
            ]);
            for one in found {
                let enabled = if one.enabled { "yes" } else { "no" };
                table.row([&one.name, &one.app, one.kind.as_str(), one.schedule.as_deref().unwrap_or_default(), enabled]);
            }
            table
        })?;
        Ok(Status::Done)
    }

    fn config_show(&mut self, one: &Configuration) -> Ended {
        let (next, last) = (one.next_run_at.map(|time| time.to_string()).unwrap_or_default(), self.when(one.last_run_at));
        self.output.result(one, |one| {
            let enabled = if one.enabled { "yes" } else { "no" };
            facts(&[
                ("id", one.id.clone()),
                ("name", one.name.clone()),
                ("app", one.app.clone()),
                ("type", one.kind.to_string()),
                ("schedule", one.schedule.clone().unwrap_or_default()),
                ("enabled", enabled.into()),
                ("tenants", if one.tenants.is_empty() { String::new() } else { format!("{}, one backup each", one.tenants.join(", ")) }),
                ("modules", one.modules.join(", ")),
                ("models", one.models.join(", ")),
                ("without", [one.exclude_modules.join(", "), one.exclude_models.join(", ")].join("  ").trim().to_owned()),
                ("quick", if one.quick { "yes: without what is dispensable" } else { "" }.into()),
                ("next run", next),
                ("last run", last),
            ])
        })?;
        Ok(Status::Done)
    }
}

fn fill(new: &mut NewConfiguration, fields: Fields) -> Result<(), Failure> {
    new.kind = word(fields.kind.as_deref())?.unwrap_or(new.kind);
    new.schedule = fields.schedule.or(new.schedule.take());
    new.retention_days = fields.retention_days.or(new.retention_days);
    new.description = fields.description.or(new.description.take());
    let mut selection = Selection::of_new(new);
    fields.narrowing.fill(&mut selection);
    selection.quick = fields.quick.map_or(selection.quick, |word| word == "yes");
    selection.tenants = fields.tenants.unwrap_or(selection.tenants);
    selection.put(new);
    Ok(())
}
