//! What of a schema could not be made although everything else could: named, grouped by the reason.

use crate::sources::SchemaObject;

use super::session::Objection;

/// So many names are told of each reason.
const TOLD: usize = 5;

/// What was missed, by reason, in the order in which it was met.
#[derive(Debug, Default)]
pub struct Missed {
    reasons: Vec<Reason>,
}

#[derive(Debug)]
struct Reason {
    why: String,
    names: Vec<String>,
    more: usize,
}

impl Missed {
    /// Something that concerns the whole.
    pub fn say(&mut self, what: String) {
        self.reasons.push(Reason { why: what, names: Vec::new(), more: 0 });
    }

    /// Something that was not made.
    pub fn add(&mut self, name: String, why: &str) {
        let known = self.reasons.iter().position(|reason| reason.why == why && !reason.names.is_empty());
        match known.map(|place| &mut self.reasons[place]) {
            Some(reason) if reason.names.contains(&name) => {}
            Some(reason) if reason.names.len() < TOLD => reason.names.push(name),
            Some(reason) => reason.more += 1,
            None => self.reasons.push(Reason { why: why.to_owned(), names: vec![name], more: 0 }),
        }
    }

    /// A sentence for each reason.
    #[must_use]
    pub fn told(self) -> Vec<String> {
        let sentence = |reason: Reason| match (reason.names.is_empty(), reason.more) {
            (true, _) => reason.why,
            (false, 0) => format!("{}: {}", reason.names.join(", "), reason.why),
            (false, more) => format!("{} and {more} more: {}", reason.names.join(", "), reason.why),
        };
        self.reasons.into_iter().map(sentence).collect()
    }
}

/// Whether a statement may fail and the rest goes on: it gives something to a role that is not there or wants more
/// rights than ours, or it demands of the rows what they do not keep.
pub fn is_missable(object: &SchemaObject) -> bool {
    gives_rights(&object.kind) || demands(&object.kind)
}

/// Whether what the server said is such a reason, or follows from what was `missed` already.
pub fn is_missed(object: &SchemaObject, objection: &Objection, missed: &Missed) -> bool {
    let Some(code) = objection.code.as_ref().map(tokio_postgres::error::SqlState::code) else { return false };
    // undefined_object, insufficient_privilege, invalid_grant_operation, invalid_parameter_value
    let of_rights = matches!(code, "42704" | "42501" | "0LP01" | "22023");
    // undefined_object, undefined_table, invalid_foreign_key: a key that is missing cannot be referred to
    let follows = matches!(code, "42704" | "42P01" | "42830") && !missed.reasons.is_empty();
    // What an index computes of the rows may need names that are not found here, or fail: syntax and access, data, what the function raises
    let computes = object.kind == "index" && ["42", "22", "P0", "38", "39"].iter().any(|class| code.starts_with(class));
    (of_rights && gives_rights(&object.kind)) || ((code.starts_with("23") || follows) && demands(&object.kind)) || computes
}

fn gives_rights(kind: &str) -> bool {
    const KINDS: [&str; 13] = [
        "acl",
        "comment",
        "default acl",
        "event trigger",
        "owner",
        "policy",
        "publication",
        "publication table",
        "publication tables in schema",
        "security label",
        "setting",
        "subscription",
        "user mapping",
    ];
    KINDS.contains(&kind)
}

/// Constraints that rows may break: the application let them in with its triggers off, or an index was damaged.
fn demands(kind: &str) -> bool {
    matches!(kind, "check constraint" | "constraint" | "fk constraint" | "index" | "index attach")
}

#[cfg(test)]
mod tests {
    use tokio_postgres::error::SqlState;

    use super::*;

    #[test]
    fn what_has_one_reason_is_told_in_one_sentence() {
        let mut missed = Missed::default();
        missed.say("sorted otherwise".into());
        for number in 1..=7 {
            missed.add(format!("owner of t{number}"), "role \"x\" does not exist");
        }
        missed.add("owner of t1".into(), "role \"x\" does not exist");
        missed.add("comment".into(), "must be owner");
        let names = "owner of t1, owner of t2, owner of t3, owner of t4, owner of t5 and 2 more";
        assert_eq!(
            missed.told(),
            ["sorted otherwise".to_owned(), format!("{names}: role \"x\" does not exist"), "comment: must be owner".into()]
        );
    }

    #[test]
    fn only_rights_and_broken_demands_are_missed() {
        let missed = Missed::default();
        let object = |kind: &str| SchemaObject { kind: kind.into(), name: String::new(), table: String::new(), sql: String::new() };
        let says = |code: SqlState| Objection { code: Some(code), words: String::new() };
        let is_missed = |object: &SchemaObject, objection: &Objection| is_missed(object, objection, &missed);
        assert!(is_missed(&object("owner"), &says(SqlState::UNDEFINED_OBJECT)));
        assert!(is_missed(&object("acl"), &says(SqlState::INSUFFICIENT_PRIVILEGE)));
        assert!(is_missed(&object("fk constraint"), &says(SqlState::FOREIGN_KEY_VIOLATION)));
        assert!(!is_missed(&object("table"), &says(SqlState::INSUFFICIENT_PRIVILEGE)));
        assert!(!is_missed(&object("fk constraint"), &says(SqlState::UNDEFINED_TABLE)));
        assert!(is_missed(&object("index"), &says(SqlState::UNDEFINED_FUNCTION)));
        assert!(
            !is_missed(&object("index"), &says(SqlState::DISK_FULL)) && !is_missed(&object("table"), &says(SqlState::UNDEFINED_FUNCTION))
        );
        assert!(!is_missed(&object("owner"), &says(SqlState::FOREIGN_KEY_VIOLATION)));
        assert!(!is_missed(&object("owner"), &Objection { code: None, words: String::new() }));
        let dangling = (object("fk constraint"), says(SqlState::INVALID_FOREIGN_KEY));
        assert!(!is_missed(&dangling.0, &dangling.1));
        let mut keyless = Missed::default();
        keyless.add("constraint t_pkey".into(), "could not create unique index");
        assert!(super::is_missed(&dangling.0, &dangling.1, &keyless));
    }
}
