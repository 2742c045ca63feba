//! The words of the design, one enum each: the same text in the catalog, in JSON, on screens and in arguments.
//!
//! Used by every table of the catalog; the engine, the command line and the console speak in them too.

/// The text is none of the words that a kind of thing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no {what}: it is one of {known}")]
pub struct UnknownWord {
    /// What the text should have named.
    pub what: &'static str,
    /// The text.
    pub text: String,
    /// The words there are.
    pub known: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$word_doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word,)+
        }

        impl $name {
            /// Every word there is, in order.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| UnknownWord {
                    what: $what,
                    text: text.to_owned(),
                    known: [$($text),+].join(", "),
                })
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                value.as_str()?.parse().map_err(|unknown: UnknownWord| rusqlite::types::FromSqlError::Other(Box::new(unknown)))
            }
        }
    };
}

words! {
    /// How far something is, then its outcome; never collapsed into fewer words.
    Status, "status" {
        /// It waits for its turn.
        Queued = "queued",
        /// It runs.
        Running = "running",
        /// All of it was done.
        Completed = "completed",
        /// It was done but for what it names.
        Partial = "partial",
        /// It failed.
        Failed = "failed",
        /// An operator stopped it.
        Cancelled = "cancelled",
    }
}

impl Status {
    /// Whether this is an outcome: nothing follows it.
    #[must_use]
    pub const fn is_outcome(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

words! {
    /// Why a job ran.
    Origin, "origin" {
        /// A schedule.
        Scheduled = "scheduled",
        /// A person or a script.
        Manual = "manual",
        /// A real-time rule.
        Realtime = "realtime",
        /// Something destructive was about to happen.
        Safety = "safety",
        /// Another job, done over.
        Replay = "replay",
    }
}

words! {
    /// What a job does.
    JobKind, "kind of job" {
        /// Makes a backup.
        Backup = "backup",
        /// Executes a restore's plan.
        Restore = "restore",
        /// Takes a restore back.
        Undo = "undo",
        /// Reads backups back and compares.
        Verify = "verify",
        /// Copies what a location lacks.
        Replicate = "replicate",
        /// Removes what nothing refers to.
        Prune = "prune",
        /// Moves old records to the vault.
        Archive = "archive",
        /// Restores for a test.
        Drill = "drill",
    }
}

impl JobKind {
    /// Whether such a job may not run beside another such job of the same app.
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        matches!(self, Self::Backup | Self::Restore | Self::Undo | Self::Archive)
    }
}

words! {
    /// What a backup holds.
    BackupType, "type of backup" {
        /// Everything, read and compared whole.
        Full = "full",
        /// What changed since the last full.
        Differential = "differential",
        /// What changed since the last backup that can serve.
        Incremental = "incremental",
        /// The database alone.
        Database = "database",
        /// The files alone.
        Files = "files",
        /// The configuration files alone.
        Configuration = "configuration",
        /// One tenant's records and what they refer to.
        Tenant = "tenant",
        /// A portable package.
        Export = "export",
        /// Nothing: a backup read back.
        Verification = "verification",
        /// What a destructive operation touches, before and after.
        Safety = "safety",
    }
}

words! {
    /// How grave a line of a log is.
    Level, "level" {
        /// For those who look for a fault.
        Debug = "debug",
        /// What happened.
        Info = "info",
        /// Something is missing or late.
        Warning = "warning",
        /// Something failed.
        Error = "error",
    }
}

words! {
    /// What an alert is about.
    AlertType, "type of alert" {
        /// A backup failed.
        BackupFailure = "backup_failure",
        /// A backup that the schedule promised did not happen.
        MissedBackup = "missed_backup",
        /// A backup is much larger or smaller than those before.
        SizeDeviation = "size_deviation",
        /// A job takes longer than it may.
        DurationThreshold = "duration_threshold",
        /// A location fills up.
        StorageCapacity = "storage_capacity",
        /// Stored data is damaged.
        IntegrityFailure = "integrity_failure",
        /// A restore failed.
        RestoreFailure = "restore_failure",
        /// A location lacks what others hold.
        LocationBehind = "location_behind",
        /// No drill or verification has proven a backup for too long.
        ProofOverdue = "proof_overdue",
        /// A channel could not tell anyone.
        ChannelFailure = "channel_failure",
    }
}

words! {
    /// How grave an alert is, the least first.
    Severity, "severity" {
        /// Good to know.
        Info = "info",
        /// Soon a problem.
        Warning = "warning",
        /// A problem.
        Error = "error",
        /// Data is at risk.
        Critical = "critical",
    }
}

words! {
    /// What became of an alert.
    AlertStatus, "status of an alert" {
        /// Nobody has answered it.
        Active = "active",
        /// Someone has seen it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
        /// It is quiet for a while.
        Snoozed = "snoozed",
    }
}

words! {
    /// Something that happened to an alert.
    AlertEventKind, "event of an alert" {
        /// It was raised for the first time.
        Raised = "raised",
        /// The same was raised again and counted.
        Repeated = "repeated",
        /// It was resolved less than a day ago and came back.
        Reopened = "reopened",
        /// An operator acknowledged it.
        Acknowledged = "acknowledged",
        /// It was resolved.
        Resolved = "resolved",
        /// An operator silenced it for a while.
        Snoozed = "snoozed",
        /// Its silence ended.
        Woke = "woke",
        /// Someone was told through a channel.
        Sent = "sent",
    }
}

words! {
    /// What an operator may do.
    Role, "role" {
        /// Sees states and figures.
        Viewer = "viewer",
        /// Backs up, verifies, acknowledges, protects, reads records.
        Operator = "operator",
        /// Restores, deletes, prunes, archives and edits.
        Admin = "admin",
    }
}

words! {
    /// What becomes of a plan.
    PlanState, "state of a plan" {
        /// It can be executed.
        Open = "open",
        /// A restore executes it.
        Executing = "executing",
        /// It was executed.
        Executed = "executed",
        /// Nobody wants it any more.
        Discarded = "discarded",
        /// The live records have changed since.
        Stale = "stale",
    }
}

words! {
    /// How a restore treats records that differ.
    Strategy, "strategy" {
        /// The backup wins.
        Replace = "replace",
        /// The live values win where both have one.
        Merge = "merge",
        /// Only what is missing is added.
        Skip = "skip",
    }
}

words! {
    /// Whether a location holds a backup.
    CopyState, "state of a copy" {
        /// It holds all of it.
        Present = "present",
        /// It waits in the location's backlog.
        Missing = "missing",
        /// Some of it is damaged there.
        Damaged = "damaged",
    }
}

words! {
    /// How an audited action ended.
    AuditOutcome, "outcome of an action" {
        /// It was done.
        Done = "done",
        /// It was refused.
        Refused = "refused",
        /// It failed.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_the_same_in_text_and_in_json() {
        fn check<W: Copy + std::fmt::Display + serde::Serialize>(words: &[W]) {
            for word in words {
                assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
            }
        }
        check(Status::ALL);
        check(Origin::ALL);
        check(JobKind::ALL);
        check(BackupType::ALL);
        check(Level::ALL);
        check(AlertType::ALL);
        check(Severity::ALL);
        check(AlertStatus::ALL);
        check(AlertEventKind::ALL);
        check(Role::ALL);
        check(PlanState::ALL);
        check(Strategy::ALL);
        check(CopyState::ALL);
        check(AuditOutcome::ALL);
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        let error = "great".parse::<Severity>().unwrap_err();
        assert_eq!(error.to_string(), "'great' is no severity: it is one of info, warning, error, critical");
    }
}
