//! What is inside backups: their records, and what is known of every application without opening it.

use crate::catalog::{App, Reader, Result};
use crate::console::effect::{Answer, KnownApp};
use crate::console::model::browse::StoredRow;
use crate::engine::backup::TYPES;
use crate::engine::{self, Engine};

use super::details;

/// A window of a model's records.
pub fn stored(engine: &Engine, backup: &str, model: &str, after: Option<&str>, limit: usize) -> engine::Result<Answer> {
    let page = engine.stored_page(&engine.catalog().backup(backup)?, model, after, limit)?;
    let rows = page.records.into_iter().map(|it| StoredRow { place: it.place, key: it.key, fields: it.fields });
    Ok(Answer::Stored { rows: rows.collect(), end: page.end })
}

/// Every application with the models of its newest backup that was not narrowed.
pub fn known(reader: &Reader) -> Result<Vec<KnownApp>> {
    let of = |id: &str| {
        let whole = reader.latest_backup(Some(id), &TYPES, false)?;
        whole.map_or_else(|| Ok(Vec::new()), |it| details::models(reader, &it.id))
    };
    let known = |app: App| Ok(KnownApp { models: of(&app.id)?, dispensable: app.dispensable.0, name: app.name });
    reader.apps()?.into_iter().map(known).collect()
}
