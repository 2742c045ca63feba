//! The registry itself: one line of thought a command.

use super::Command;
use super::Danger::{self, Confirm, Typed};
use super::Scope::{
    self, Alerts, Backups, Browse, Configurations, Jobs, Models, Overview, Preview, Records, Restore, Restores, Storage, Welcome,
};

use crate::console::effect::Effect;
use crate::console::model::Screen;
use crate::console::update::{browse, choices, configurations, jobs, lists, restore, shell, undo};

/// Every command; those of the screens first, most used first: the footer keeps this order.
pub static REGISTRY: &[Command] = &[
    // What each screen offers, most used first: the footer keeps this order.
    Command::new(
        "overview-back-up",
        "Back up now",
        "Backs up everything of the selected application that changed since its last backup.",
        Overview,
        &["b"],
        jobs::back_up_app,
    )
    .mutates(Confirm)
    .when(shell::has_app)
    .hint("back up"),
    Command::new(
        "overview-restore",
        "Restore",
        "Begins a restore: shows the backups of the selected application to choose from.",
        Overview,
        &["R"],
        restore::of_app,
    )
    .mutates(Danger::None)
    .when(shell::has_app)
    .hint("restore"),
    Command::new("overview-alerts", "Alerts", "Goes to the alerts.", Overview, &["a"], |model| shell::go(model, Screen::Alerts))
        .hint("alerts"),
    Command::new(
        "overview-reopen",
        "Open the preview left behind",
        "Opens the preview of a restore that was left behind, with its choices.",
        Overview,
        &["P"],
        undo::reopen,
    )
    .mutates(Danger::None)
    .when(undo::has_left)
    .hint("open the preview"),
    Command::new(
        "overview-drop",
        "Drop the preview left behind",
        "Forgets the preview of a restore that was left behind.",
        Overview,
        &["X"],
        undo::drop_left,
    )
    .mutates(Confirm)
    .when(undo::has_left),
    Command::new("backup-now", "Back up now", "Runs the selected configuration now.", Configurations, &["b"], jobs::back_up)
        .mutates(Confirm)
        .when(lists::has_row)
        .hint("back up now"),
    Command::new("config-new", "New configuration", "Opens the form of a new configuration.", Configurations, &["c"], configurations::new)
        .mutates(Danger::None)
        .when(shell::has_app)
        .hint("new"),
    Command::new(
        "config-edit",
        "Edit configuration",
        "Opens the selected configuration in a form.",
        Configurations,
        &["e"],
        configurations::edit,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("edit"),
    Command::new(
        "config-clone",
        "Clone configuration",
        "Opens the form of a new configuration filled like the selected one.",
        Configurations,
        &["C"],
        configurations::clone,
    )
    .mutates(Danger::None)
    .when(lists::has_row),
    Command::new(
        "config-enable",
        "Enable or disable",
        "Switches the chosen configurations on, or off when the first of them is on.",
        Configurations,
        &["x"],
        configurations::toggle,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("on/off"),
    Command::new(
        "config-delete",
        "Delete configuration",
        "Deletes the selected configuration; its backups stay.",
        Configurations,
        &["X"],
        configurations::delete,
    )
    .mutates(Typed)
    .when(lists::has_row),
    Command::new(
        "config-cleanup",
        "Clean up ad-hoc ones",
        "Removes ad-hoc configurations older than seven days that no job refers to.",
        Configurations,
        &["U"],
        configurations::clean_up,
    )
    .mutates(Confirm),
    Command::new("job-retry", "Retry job", "Runs the selected job again.", Jobs, &["r"], jobs::retry)
        .mutates(Confirm)
        .when(jobs::can_retry)
        .hint("retry"),
    Command::new("job-cancel", "Cancel job", "Stops the selected job at its next safe point.", Jobs, &["X"], jobs::cancel)
        .mutates(Confirm)
        .when(jobs::can_cancel)
        .hint("cancel"),
    Command::new("job-backup", "Go to its backup", "Goes to the backup that the selected job made.", Jobs, &["b"], jobs::to_backup)
        .when(jobs::has_backup)
        .hint("its backup"),
    Command::new(
        "job-log",
        "Level of the log",
        "Shows the log from the next level on: debug, info, warning, error.",
        Jobs,
        &["L"],
        jobs::log_level,
    )
    .hint("log level"),
    Command::new("backup-restore", "Restore from it", "Begins a restore from the selected backup.", Backups, &["R"], restore::begin)
        .mutates(Danger::None)
        .when(restore::can_begin)
        .hint("restore"),
    Command::new("backup-browse", "Look into it", "Shows the backup's models and their records.", Backups, &["m"], browse::begin)
        .when(browse::can_begin)
        .hint("look into"),
    Command::new(
        "backup-verify",
        "Verify backup",
        "Reads the selected backup back and compares its checksums.",
        Backups,
        &["V"],
        lists::verify,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("verify"),
    Command::new(
        "backup-protect",
        "Protect or release",
        "Keeps the chosen backups from retention, or releases them when the first of them is protected.",
        Backups,
        &["p"],
        lists::protect,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("protect"),
    Command::new(
        "backup-delete",
        "Delete backup",
        "Deletes the chosen backups, after their application's name is typed.",
        Backups,
        &["X"],
        lists::delete_backups,
    )
    .mutates(Typed)
    .when(lists::can_delete),
    Command::new(
        "alert-acknowledge",
        "Acknowledge",
        "Says that somebody is at it; the chosen alerts stay active.",
        Alerts,
        &["a"],
        lists::acknowledge,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("acknowledge"),
    Command::new(
        "alert-resolve",
        "Resolve with notes",
        "Closes the chosen alerts with a note of what was done.",
        Alerts,
        &["x"],
        lists::resolve,
    )
    .mutates(Danger::None)
    .when(lists::has_row)
    .hint("resolve"),
    Command::new("alert-snooze", "Snooze", "Silences the chosen alerts for some hours.", Alerts, &["z"], lists::snooze)
        .mutates(Danger::None)
        .when(lists::has_row)
        .hint("snooze"),
    Command::new("alert-retry", "Retry its job", "Runs the job behind the selected alert again.", Alerts, &["r"], jobs::retry_of_alert)
        .mutates(Confirm)
        .when(jobs::alert_has_job)
        .hint("retry job"),
    Command::new("alert-job", "Go to its job", "Goes to the job behind the selected alert.", Alerts, &["J"], jobs::to_job)
        .when(jobs::alert_has_job)
        .hint("its job"),
    Command::new(
        "alert-backup",
        "Go to its backup",
        "Goes to the backup behind the selected alert.",
        Alerts,
        &["b"],
        jobs::alert_to_backup,
    )
    .when(jobs::alert_has_backup),
    Command::new(
        "alert-app",
        "Go to its application",
        "Goes to the backups of the application that the selected alert is about.",
        Alerts,
        &["A"],
        jobs::alert_to_app,
    )
    .when(jobs::alert_has_app),
    Command::new("location-catch-up", "Catch up", "Copies to the selected location what it lacks.", Storage, &["r"], lists::catch_up)
        .mutates(Confirm)
        .when(lists::has_row)
        .hint("catch up"),
    Command::new(
        "scope-mark",
        "Take or leave a model",
        "Narrows the restore to the models that are marked; none marked means all.",
        Models,
        &["Space"],
        restore::toggle_model,
    )
    .hint("select"),
    Command::new(
        "scope-module",
        "Take or leave a module",
        "Takes all models of the selected one's module, or leaves them out again.",
        Models,
        &["m"],
        restore::toggle_module,
    )
    .hint("module"),
    Command::new(
        "scope-tenants",
        "Choose tenants",
        "Narrows the restore to the records of some tenants, and what they refer to where it is missing.",
        Models,
        &["T"],
        restore::ask_tenants,
    )
    .hint("tenants"),
    Command::new("scope-all", "Take all models", "Takes all models again.", Models, &["*"], restore::all_models).hint("all"),
    Command::new(
        "preview-confirm",
        "Go on to confirm",
        "Goes on from the preview to the confirmation.",
        Preview,
        &["Right", "c"],
        restore::confirm,
    )
    .mutates(Typed)
    .when(restore::can_confirm)
    .hint("confirm"),
    Command::new(
        "preview-strategy",
        "Strategy of this model",
        "Gives the selected model the next strategy and compares again.",
        Preview,
        &["s"],
        restore::next_strategy,
    )
    .mutates(Danger::None)
    .when(restore::has_strategies)
    .hint("strategy here"),
    Command::new(
        "preview-strategy-all",
        "Strategy of all models",
        "Gives every model the next strategy and compares again.",
        Preview,
        &["S"],
        restore::next_strategy_of_all,
    )
    .when(restore::has_plan)
    .hint("strategy for all"),
    Command::new(
        "preview-collisions",
        "Records in the way",
        "Where another record holds a unique value: the restore is blocked, leaves the record out, or deletes the holder. Compares again.",
        Preview,
        &["u"],
        choices::next_collisions,
    )
    .mutates(Danger::None)
    .when(choices::has_collisions)
    .hint("collisions"),
    Command::new(
        "preview-parents",
        "Missing parents",
        "Where what a record refers to is missing: the restore is blocked, leaves the record out, or takes the parent too. Compares again.",
        Preview,
        &["p"],
        choices::next_blocked,
    )
    .mutates(Danger::None)
    .when(choices::has_blocked)
    .hint("parents"),
    Command::new("preview-again", "Compare again", "Compares again, with the choices made so far.", Preview, &["r"], restore::compare)
        .mutates(Danger::None)
        .hint("compare again"),
    Command::new("preview-stop", "Stop comparing", "Stops the comparison under way.", Preview, &["X"], restore::stop)
        .when(restore::is_comparing),
    Command::new(
        "preview-copy",
        "Copy command",
        "Copies the command line that would compare the same.",
        Preview,
        &["y"],
        restore::copy_command,
    )
    .hint("copy command"),
    Command::new(
        "record-turn",
        "Turn this one",
        "Takes the backup's side, or keeps the live one: of the record, or of the field.",
        Records,
        &["Space"],
        choices::turn,
    )
    .when(choices::has_record)
    .hint("turn"),
    Command::new("record-backup", "Take the backup's", "Takes the whole record from the backup.", Records, &["b"], choices::take_backup)
        .when(choices::has_record)
        .hint("backup's"),
    Command::new("record-live", "Keep the live one", "Keeps the whole record as it is now.", Records, &["L"], choices::keep_live)
        .when(choices::has_record)
        .hint("live"),
    Command::new("record-next", "Next conflict", "Goes to the next record in conflict.", Records, &["c"], choices::next_conflict)
        .hint("next conflict"),
    Command::new("record-following", "Next record", "Goes to the next record that differs.", Records, &["n"], choices::next_record)
        .hint("next"),
    Command::new("record-before", "Previous record", "Goes to the record before.", Records, &["N", "p"], choices::previous_record)
        .hint("previous"),
    Command::new(
        "restore-undo",
        "Undo the restore",
        "Shows what taking the restore back would change; nothing is touched before it is confirmed.",
        Scope::Result,
        &["u"],
        undo::undo,
    )
    .mutates(Typed)
    .when(undo::can_undo)
    .hint("undo"),
    Command::new("restore-again", "Begin anew", "Begins another restore.", Restore, &["N"], restore::anew).when(restore::is_idle),
    Command::new(
        "restore-reopen",
        "Open the preview left behind",
        "Opens the preview of a restore that was left behind, with its choices.",
        Restore,
        &["P"],
        undo::reopen,
    )
    .mutates(Danger::None)
    .when(undo::has_left)
    .hint("open the preview"),
    Command::new("restore-log", "Restore log", "Goes to the log of restores, where each can be taken back.", Restore, &["H"], |model| {
        shell::go(model, Screen::Restores)
    })
    .hint("log"),
    Command::new(
        "restores-undo",
        "Take it back",
        "Shows what taking back the selected restore would change; nothing is touched before it is confirmed.",
        Restores,
        &["u"],
        undo::undo_selected,
    )
    .mutates(Typed)
    .when(undo::can_undo_selected)
    .hint("undo"),
    Command::new("restores-job", "Go to its job", "Goes to the job of the selected restore.", Restores, &["J"], undo::to_job)
        .when(undo::has_job)
        .hint("its job"),
    Command::new("browse-next", "Next record", "Goes to the next record.", Browse, &["n"], browse::next)
        .when(browse::has_record)
        .hint("next"),
    Command::new("browse-previous", "Previous record", "Goes to the previous record.", Browse, &["p"], browse::previous)
        .when(browse::has_record)
        .hint("previous"),
    Command::new("browse-copy", "Copy the record", "Copies the selected record as JSON.", Browse, &["y"], browse::copy)
        .when(browse::has_record)
        .hint("copy"),
    Command::new("browse-command", "Copy command", "Copies the command line that shows the same.", Browse, &["Y"], browse::copy_command),
    Command::new(
        "welcome-demo",
        "Try the demonstration",
        "Ends this console, builds the demonstration in a folder of its own, and opens the console on it.",
        Welcome,
        &["d"],
        |_| vec![Effect::Demo],
    )
    .mutates(Danger::None)
    .hint("demonstration"),
    Command::new(
        "welcome-copy",
        "Copy the commands",
        "Copies the commands that protect a database of yours.",
        Welcome,
        &["y"],
        shell::copy_first_steps,
    )
    .hint("copy the commands"),
];
