//! What happens to one record: the table of strategies, as a pure function.

use serde::{Deserialize, Serialize};

use crate::rows::difference::{FieldChange, FieldKind};

/// How conflicts are resolved where nothing narrower was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The backup's values win.
    Replace,
    /// The backup fills what is empty; live values stay.
    Merge,
    /// Existing records stay as they are.
    Skip,
}

/// Which of the two sides was chosen for a record or a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// As the backup has it.
    Backup,
    /// As it is now.
    Live,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the backup only.
    New,
    /// In both, and every compared field is equal.
    Identical,
    /// In both, and a field differs.
    Conflict,
    /// In the live data only.
    LiveOnly,
}

/// What a restore does to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is inserted.
    Create,
    /// These columns are written (indexes into the live relation's columns, ascending).
    Update(Vec<usize>),
    /// Nothing at all.
    Skip,
    /// It is deleted.
    Delete,
}

/// What was asked for, narrowing down to one record.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The model's strategy.
    pub strategy: Strategy,
    /// Whether live-only records go, where the strategy is to replace.
    pub exact: bool,
    /// The choice for this record.
    pub record: Option<Side>,
    /// The choices for its fields: column and side.
    pub fields: &'a [(usize, Side)],
}

/// Decides what happens to a record in `state` whose `fields` differ; the narrower choice wins.
///
/// A live-only record is deleted by an exact replace alone: choosing the backup's side for it deletes nothing.
#[must_use]
pub fn decide(state: State, fields: &[FieldChange], rule: &Rule<'_>) -> Effect {
    match state {
        State::New if rule.record == Some(Side::Live) => Effect::Skip,
        State::New => Effect::Create,
        State::LiveOnly if rule.exact && rule.strategy == Strategy::Replace && rule.record != Some(Side::Live) => Effect::Delete,
        State::Identical | State::LiveOnly => Effect::Skip,
        State::Conflict => {
            let columns: Vec<usize> = fields.iter().filter(|change| takes_backup(change, rule)).map(|change| change.column).collect();
            if columns.is_empty() { Effect::Skip } else { Effect::Update(columns) }
        }
    }
}

/// Decides about a file: owner, mode and times go with the side whose content wins; where the content is equal they are changes like any other.
#[must_use]
pub fn decide_file(state: State, fields: &[FieldChange], content: impl Fn(usize) -> bool, rule: &Rule<'_>) -> Effect {
    let Some(deciding) = fields.iter().find(|change| content(change.column)).filter(|_| state == State::Conflict) else {
        return decide(state, fields, rule);
    };
    if takes_backup(deciding, rule) { Effect::Update(fields.iter().map(|change| change.column).collect()) } else { Effect::Skip }
}

fn takes_backup(change: &FieldChange, rule: &Rule<'_>) -> bool {
    let chosen = rule.fields.iter().find(|(column, _)| *column == change.column).map(|(_, side)| *side).or(rule.record);
    match chosen {
        Some(side) => side == Side::Backup,
        None => match rule.strategy {
            Strategy::Replace => true,
            Strategy::Merge => change.kind == FieldKind::Fill,
            Strategy::Skip => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [FieldChange; 3] = [
        FieldChange { column: 1, kind: FieldKind::Fill },
        FieldChange { column: 2, kind: FieldKind::Change },
        FieldChange { column: 3, kind: FieldKind::Blank },
    ];

    fn rule(strategy: Strategy) -> Rule<'static> {
        Rule { strategy, exact: false, record: None, fields: &[] }
    }

    #[test]
    fn the_table_of_strategies_holds() {
        use Effect::{Create, Delete, Skip, Update};
        let table =
            [(Strategy::Replace, Update(vec![1, 2, 3]), Delete), (Strategy::Merge, Update(vec![1]), Skip), (Strategy::Skip, Skip, Skip)];
        for (strategy, conflict, live_only_exact) in table {
            let rule = rule(strategy);
            assert_eq!(decide(State::New, &[], &rule), Create);
            assert_eq!(decide(State::Identical, &[], &rule), Skip);
            assert_eq!(decide(State::Conflict, &FIELDS, &rule), conflict);
            assert_eq!(decide(State::LiveOnly, &[], &rule), Skip, "kept without exact");
            assert_eq!(decide(State::LiveOnly, &[], &Rule { exact: true, ..rule }), live_only_exact);
        }
    }

    #[test]
    fn each_kind_of_field_alone_follows_its_strategy() {
        for change in FIELDS {
            let written = |strategy| decide(State::Conflict, &[change], &rule(strategy)) == Effect::Update(vec![change.column]);
            assert!(written(Strategy::Replace));
            assert_eq!(written(Strategy::Merge), change.kind == FieldKind::Fill);
            assert!(!written(Strategy::Skip));
        }
    }

    #[test]
    fn the_narrower_choice_wins_for_every_strategy() {
        for strategy in [Strategy::Replace, Strategy::Merge, Strategy::Skip] {
            for exact in [false, true] {
                let live = Rule { strategy, exact, record: Some(Side::Live), fields: &[] };
                let backup = Rule { record: Some(Side::Backup), ..live };
                assert_eq!(decide(State::New, &[], &live), Effect::Skip);
                assert_eq!(decide(State::Conflict, &FIELDS, &live), Effect::Skip);
                assert_eq!(decide(State::LiveOnly, &[], &live), Effect::Skip);
                assert_eq!(decide(State::New, &[], &backup), Effect::Create);
                assert_eq!(decide(State::Conflict, &FIELDS, &backup), Effect::Update(vec![1, 2, 3]));
                let but_one = Rule { fields: &[(2, Side::Live)], ..backup };
                assert_eq!(decide(State::Conflict, &FIELDS, &but_one), Effect::Update(vec![1, 3]));
                let only_one = Rule { fields: &[(3, Side::Backup)], ..live };
                assert_eq!(decide(State::Conflict, &FIELDS, &only_one), Effect::Update(vec![3]));
            }
        }
    }

    #[test]
    fn a_file_goes_whole_with_the_side_whose_content_wins() {
        let content = |column| column == 2;
        assert_eq!(decide_file(State::Conflict, &FIELDS, content, &rule(Strategy::Merge)), Effect::Skip);
        assert_eq!(decide_file(State::Conflict, &FIELDS, content, &rule(Strategy::Replace)), Effect::Update(vec![1, 2, 3]));
        assert_eq!(decide_file(State::Conflict, &FIELDS[..1], content, &rule(Strategy::Merge)), Effect::Update(vec![1]));
    }
}
