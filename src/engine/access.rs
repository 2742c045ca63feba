//! Who is at the keyboard, and what they may do.

use std::fs;

/// What an action takes. The engine asks before it acts; screens only show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Sees states and figures.
    Viewer,
    /// Backs up, verifies, acknowledges, protects; reads and exports records.
    Operator,
    /// Restores, deletes, archives and edits.
    Admin,
}

impl Need {
    /// The role's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|need| need.name() == name)
    }
}

/// The login name: of the login session where there is one, so that sudo does not hide who it is, else of the real user.
#[must_use]
pub fn login_name() -> String {
    let uid = login_uid().unwrap_or_else(|| rustix::process::getuid().as_raw());
    name_of(uid).unwrap_or_else(|| format!("uid-{uid}"))
}

/// The uid of the login session; 4294967295 means that there is none.
fn login_uid() -> Option<u32> {
    fs::read_to_string("/proc/self/loginuid").ok()?.trim().parse().ok().filter(|&uid| uid != u32::MAX)
}

fn name_of(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The name of this host.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_each_other_upwards() {
        assert!(Need::Admin > Need::Operator && Need::Operator > Need::Viewer);
        assert_eq!(Need::named("operator"), Some(Need::Operator));
        assert_eq!(Need::named("root"), None);
    }

    #[test]
    fn whoever_runs_this_has_a_name() {
        assert!(!login_name().is_empty() && !host().is_empty());
    }
}
