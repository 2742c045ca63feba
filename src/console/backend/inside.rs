//! What is inside backups: their records, and what is known of every application without opening it.

use crate::catalog::{BackupFilter, Reader, Result, Status};
use crate::console::effect::{Answer, KnownApp};
use crate::console::model::browse::StoredRow;
use crate::engine::{self, Engine};

use super::details;

/// How many of the newest backups are asked for one that tells the models.
const NEWEST: usize = 20;

/// A window of a model's records.
pub fn stored(engine: &Engine, backup: &str, model: &str, after: Option<&str>, limit: usize) -> engine::Result<Answer> {
    let page = engine.stored_page(&engine.catalog().backup(backup)?, model, after, limit)?;
    let rows = page.records.into_iter().map(|it| StoredRow { place: it.place, key: it.key, fields: it.fields });
    Ok(Answer::Stored { rows: rows.collect(), end: page.end })
}

/// Every application with the models of its newest backup that was not narrowed.
pub fn known(reader: &Reader) -> Result<Vec<KnownApp>> {
    let of = |id: &str| {
        let filter = BackupFilter { app_id: Some(id.to_owned()), ..BackupFilter::default() };
        let newest = reader.backups_page(&filter, None, NEWEST)?.items;
        let whole = newest.iter().find(|it| !it.narrowed && matches!(it.status, Status::Completed | Status::Partial));
        whole.map_or_else(|| Ok(Vec::new()), |it| details::models(reader, &it.id))
    };
    reader.apps()?.into_iter().map(|app| Ok(KnownApp { models: of(&app.id)?, name: app.name })).collect()
}
