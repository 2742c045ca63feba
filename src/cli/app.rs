//! `backstop app`: what is protected.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

/// `backstop app …`.
#[derive(Debug, Subcommand)]
pub enum App {
    /// Protect an application: its database, its files, or both.
    Add(Add),
    /// List the applications.
    List,
    /// Show one.
    Show(Named),
    /// Forget one; its backups stay in the vault.
    Remove(Remove),
    /// List its models as they are now.
    Models(Named),
}

/// `backstop app add`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["database", "files", "config_paths"]).required(true).multiple(true))]
pub struct Add {
    /// Its name.
    pub name: String,
    /// Its database: sqlite:PATH.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// A folder of its files, with a label where the folder's name will not do; may be repeated.
    #[arg(long, value_name = "[LABEL=]DIR")]
    pub files: Vec<LabelledFolder>,
    /// Leave out what this glob matches, relative to the folder; may be repeated.
    #[arg(long, value_name = "GLOB", requires = "files")]
    pub exclude: Vec<String>,
    /// Do not cross into other file systems.
    #[arg(long, requires = "files")]
    pub one_file_system: bool,
    /// A configuration file or folder; may be repeated.
    #[arg(long = "config", value_name = "PATH")]
    pub config_paths: Vec<PathBuf>,
    /// The vault its backups go to.
    #[arg(long, value_name = "VAULT")]
    pub vault: Option<String>,
}

/// One application.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The application.
    pub app: String,
}

/// `backstop app remove`.
#[derive(Clone, Debug, Args)]
pub struct Remove {
    /// The application.
    pub app: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// A folder and the label its entries are kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFolder {
    /// The label: the folder's own name unless given.
    pub label: String,
    /// The folder.
    pub path: PathBuf,
}

impl FromStr for LabelledFolder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path that holds `=` is written with a `/` before it: `./a=b`.
        let (label, path) = match text.split_once('=').filter(|(label, _)| !label.contains('/')) {
            Some((label, path)) => (Some(label), PathBuf::from(path)),
            None => (None, PathBuf::from(text)),
        };
        if path.as_os_str().is_empty() {
            return Err("the folder is missing".to_owned());
        }
        let own_name = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        match label.map(str::to_owned).or_else(own_name).filter(|label| !label.is_empty()) {
            Some(label) => Ok(Self { label, path }),
            None => Err(format!("{text} has no name of its own; give it a label: LABEL={text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_labelled_by_its_own_name_unless_given() {
        let read = |text: &str| text.parse::<LabelledFolder>().map(|folder| (folder.label, folder.path.display().to_string()));
        assert_eq!(read("/srv/media"), Ok(("media".into(), "/srv/media".into())));
        assert_eq!(read("photos=/srv/media/"), Ok(("photos".into(), "/srv/media/".into())));
        assert_eq!(read("./a=b"), Ok(("a=b".into(), "./a=b".into())));
        assert!(read("/").is_err() && read("x=").is_err() && read("").is_err());
        assert_eq!(read("root=/"), Ok(("root".into(), "/".into())));
    }
}
