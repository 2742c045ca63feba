//! What is wrong with the address of a PostgreSQL database, before anything is connected.

use std::path::PathBuf;

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A password stands in it.
    #[error("an address that is kept must not hold a password")]
    Secret,
    /// It cannot be taken apart.
    #[error("{0}")]
    Malformed(&'static str),
    /// A setting that is not known.
    #[error("“{name}” is no setting that Backstop knows")]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// A setting with a value that it cannot have.
    #[error("{name} cannot be “{value}”: it is {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Unfit(&'static str),
    /// Nothing says who connects.
    #[error("it names no user, and the system has no name for this one")]
    NoUser,
    /// No file has that service.
    #[error("there is no service “{name}” in {}", files(.looked))]
    Service {
        /// The service.
        name: String,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// A service file, certificate or key that cannot be read or used.
    #[error("{}: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Fault {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Secret => {
                "Take it out, and write the line HOST:PORT:DATABASE:USER:PASSWORD into ~/.pgpass (chmod 600 ~/.pgpass), or set PGPASSWORD."
                    .into()
            }
            Self::Malformed(_) => {
                "Write postgresql://USER@HOST:PORT/DATABASE, or postgresql://USER@/DATABASE?host=/FOLDER/OF/SOCKET.".into()
            }
            Self::Unknown { name } => {
                let known = crate::error::closest(name, super::settings::names());
                known.map_or_else(|| "Take it out.".into(), |known| format!("Did you mean {known}?"))
            }
            Self::Value { .. } | Self::Unfit(_) => {
                "Change it in the address, in the service file or in the PG… variables, wherever it stands.".into()
            }
            Self::NoUser => "Write it before the host: postgresql://USER@HOST/DATABASE, or set PGUSER.".into(),
            Self::Service { .. } => "Add a section [NAME] to ~/.pg_service.conf, or name the file with PGSERVICEFILE.".into(),
            Self::File { .. } => "See that it exists, that this user may read it, and what stands in it.".into(),
        }
    }
}

fn files(looked: &[PathBuf]) -> String {
    match looked {
        [] => "any service file: none is there".into(),
        looked => looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "),
    }
}
