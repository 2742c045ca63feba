//! Undo: the same machinery, with a safety record as its backup. Exactly the records a restore touched, and of those only
//! the ones that nobody edited since, unless they were chosen.

use std::collections::BTreeMap;
use std::io::Write;

use super::draft::Draft;
use super::findings::{Finding, Level};
use super::plan::{Plan, Request};
use super::record::{Record, key_json, key_of_choice};
use super::safety::{Image, Safety, same_in};
use super::spool::Cipher;
use super::strategy::{Effect, Side, State};
use super::{Error, Progress, Result, Step};
use crate::numbers::counted;
use crate::rows::difference::{FieldChange, FieldKind};
use crate::rows::{Key, Relation, Row};
use crate::sources::{Origin, Snapshot};

/// Plans the way back from a restore. In `request.choices`, `backup` takes a record back although it was edited since, `live` leaves it.
///
/// # Errors
/// What reading either side met, and cancelling. Records edited since are a blocking finding of the plan.
pub fn preview(
    request: Request,
    safety: Safety<'_>,
    lives: &[&dyn Snapshot],
    to: &mut dyn Write,
    seal: &Cipher<'_>,
    progress: &mut Progress<'_>,
) -> Result<Plan> {
    let mut draft = Draft::new(request, lives)?;
    let relations = safety.relations();
    for relation in &relations {
        let Some(model) = draft.place(relation) else {
            let remedy = "Make the table again, or the folder, then undo.";
            draft.findings.push(Finding::new(Level::Blocking, &relation.name, "does not exist any more".into(), remedy));
            continue;
        };
        let live_relation = draft.relations[model].clone();
        let projection = crate::rows::difference::Projection::new(relation, &live_relation);
        if projection.key_changed() || !projection.backup_only().is_empty() {
            let message = "its columns or its key changed since the restore".to_owned();
            draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, "Restore from a backup instead."));
            continue;
        }
        if !projection.live_only().is_empty() {
            let newer = projection.live_only().join(", ");
            let message = format!("columns newer than the restore keep their values, and are NULL in records put back: {newer}");
            draft.findings.push(Finding::new(Level::Warning, &relation.name, message, "Fill them in afterwards."));
        }
        let compared: Vec<usize> = projection.compared().collect();
        take_back(&mut draft, safety, (model, &live_relation), &compared, progress)?;
    }
    // The safety record has rows, and not what the database was made of.
    let came_from = |model: &str| {
        let relation = relations.iter().find(|relation| relation.name == model)?;
        Some(Origin { relation, definition: None })
    };
    draft.finish(true, &mut |_, _| Ok(Vec::new()), &came_from, to, seal, progress)
}

/// Takes the records of a model back in the columns that the restore knew; others are not its business.
fn take_back(
    draft: &mut Draft<'_>,
    safety: Safety<'_>,
    (model, relation): (usize, &Relation),
    compared: &[usize],
    progress: &mut Progress<'_>,
) -> Result<()> {
    let same = |one: Option<&Row>, other: Option<&Row>| same_in(compared.iter().copied(), one, other);
    let chosen = choices(&draft.request, relation)?;
    let (mut seen, mut edited, mut keys, mut pulled) = (0, 0, Vec::new(), 0);
    let live = draft.live(model);
    safety.meet(live, relation, &mut |image, now| {
        seen += 1;
        if seen % 1024 == 0 && !progress(Step { phase: "compare", model: &relation.name, records: seen, compared: None }) {
            return Err(Error::Cancelled);
        }
        pulled += u64::from(image.before.is_some());
        if same(now.as_ref(), image.before.as_ref()) {
            draft.models[model].identical += u64::from(image.before.is_some());
            return Ok(());
        }
        let as_left = same(now.as_ref(), image.after.as_ref());
        let choice = chosen.get(&image.key).copied();
        if !as_left && choice.is_none() {
            edited += 1;
            if keys.len() < 5 {
                keys.push(key_json(relation, now.as_ref().or(image.before.as_ref()).or(image.after.as_ref()), &image.key));
            }
        }
        let back = if as_left { choice != Some(Side::Live) } else { choice == Some(Side::Backup) };
        match way_back(compared, image, now, back) {
            Some(record) => draft.add(model, &record),
            None => Ok(()),
        }
    })?;
    draft.pulled[model] = pulled;
    if edited > 0 {
        let message = format!("{} changed since the restore", counted(edited, "record"));
        let remedy = "Choose for each: --row MODEL:KEY=backup takes it back all the same, =live leaves it.";
        draft.findings.push(Finding::new(Level::Blocking, &relation.name, message, remedy).about(edited, keys).decided("row"));
    }
    Ok(())
}

fn choices(request: &Request, relation: &Relation) -> Result<BTreeMap<Key, Side>> {
    let mine = request.choices.iter().filter(|choice| choice.model == relation.name);
    mine.map(|choice| {
        let unknown = || Error::Unknown { model: relation.name.clone(), what: format!("key like {}", choice.key) };
        Ok((key_of_choice(relation, &choice.key).ok_or_else(unknown)?, choice.side))
    })
    .collect()
}

/// The record that takes an image back where it is taken back; none where the record is gone on both sides.
fn way_back(compared: &[usize], image: Image, now: Option<Row>, back: bool) -> Option<Record> {
    let (state, effect, fields) = match (&image.before, &now) {
        (None, None) => return None,
        (Some(_), None) => (State::New, Effect::Create, Vec::new()),
        (None, Some(_)) => (State::LiveOnly, Effect::Delete, Vec::new()),
        (Some(before), Some(now)) => {
            let fields: Vec<FieldChange> = compared
                .iter()
                .copied()
                .filter(|&column| !before.values[column].same(&now.values[column]))
                .map(|column| FieldChange { column, kind: FieldKind::of(&before.values[column], &now.values[column]) })
                .collect();
            (State::Conflict, Effect::Update(fields.iter().map(|change| change.column).collect()), fields)
        }
    };
    let effect = if back { effect } else { Effect::Skip };
    Some(Record {
        key: image.key,
        state,
        effect,
        collision: false,
        holder: None,
        blocked: false,
        moved: false,
        refused: None,
        exchange: false,
        fields,
        backup: image.before,
        live: now,
    })
}
