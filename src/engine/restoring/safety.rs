//! The safety record in the vault: a backup of its own, its first source the touched records before, its second after.

use std::sync::Arc;

use crate::catalog::{App, BackupModel, BackupType, NewBackup, Origin, Status};
use crate::clock::rfc3339;
use crate::engine::access::host;
use crate::engine::apps::Parts;
use crate::engine::restore::safety::{Image, Images};
use crate::engine::stored::StoredBackup;
use crate::engine::{Engine, Error, Result};
use crate::rows::run::{RunKind, RunWriter};
use crate::rows::{Change, Relation, RelationDigest, RelationKind, Row};
use crate::vault::{BackupId, ChunkKind, Manifest, Outcome, RelationRecord, Scope, SourceRecord, Totals, Vault, Writer};

use super::side::StoredSide;

/// How many days a safety record is kept by default, and so how long a restore can be taken back.
pub const KEPT_DAYS: i64 = 30;

/// One row set of the safety record on its way into the vault.
struct Keeping<'a> {
    run: RunWriter<'a, Writer<'a>>,
    relation: &'a Relation,
    digest: RelationDigest,
}

impl<'a> Keeping<'a> {
    fn new(writer: &'a Writer<'a>, relation: &'a Relation, boundary: &[u8; 32]) -> Self {
        Self { run: RunWriter::measuring(writer, relation, RunKind::Base, boundary), relation, digest: RelationDigest::default() }
    }

    fn push(&mut self, row: Option<Row>) -> Result<()> {
        let Some(row) = row else { return Ok(()) };
        self.digest.push(row.digest());
        Ok(self.run.push(&Change::Upsert(row))?)
    }

    fn finish(self) -> Result<RelationRecord> {
        let (rows, digest) = self.digest.finish();
        Ok(RelationRecord { relation: self.relation.clone(), runs: vec![self.run.finish()?], rows, digest, whole: true })
    }
}

/// Commits the images; once this returns they last, and the restore may begin. Gives the safety backup's id.
pub fn commit(engine: &Engine, app: &App, restore: &str, vault: &Vault, writer: &Writer<'_>, images: &Images<'_, '_>) -> Result<String> {
    let boundary = vault.boundary_key();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for relation in images.models() {
        let mut sides = (Keeping::new(writer, relation, &boundary), Keeping::new(writer, relation, &boundary));
        let mut failed = None;
        let shown = images.each(&relation.name, &mut |Image { before, after, .. }| {
            let kept = sides.0.push(before).and_then(|()| sides.1.push(after));
            kept.map_err(|error| {
                let why = crate::engine::restore::Error::Safety(error.to_string());
                failed = Some(error);
                why
            })
        });
        match failed {
            Some(error) => return Err(error),
            None => shown?,
        }
        before.push(sides.0.finish()?);
        after.push(sides.1.finish()?);
    }
    let definition = writer.put(ChunkKind::Schema, b"{}")?.id;
    let source = |side: &str, relations| SourceRecord { identity: serde_json::json!({ "safety": side }), definition, relations };
    let mut manifest = manifest(engine, app, restore, vec![source("before", before), source("after", after)]);
    let committed = writer.commit(&mut manifest)?;
    remember(engine, app, &manifest, &committed.checksum.to_string())?;
    Ok(manifest.id.0)
}

fn manifest(engine: &Engine, app: &App, restore: &str, sources: Vec<SourceRecord>) -> Manifest {
    let now = rfc3339(engine.clock().now());
    let rows = |kind| sources.iter().flat_map(|source| &source.relations).filter(move |record| record.relation.kind == kind);
    let sum = |kind| rows(kind).map(|record| record.rows).sum();
    let figures = Totals { records: sum(RelationKind::Table), files: sum(RelationKind::Files), ..Totals::default() };
    Manifest {
        id: BackupId(engine.catalog().new_id()),
        app: app.name.clone(),
        configuration: String::new(),
        kind: BackupType::Safety.to_string(),
        parent: None,
        origin: Origin::Safety.to_string(),
        started: now.clone(),
        finished: now.clone(),
        taken_at: now,
        host: host(),
        tool: env!("CARGO_PKG_VERSION").into(),
        reason: Some(format!("before the restore {restore}")),
        consistency: serde_json::Value::Null,
        closeness: None,
        sources,
        outcome: Outcome::Completed,
        errors: Vec::new(),
        scope: Scope { narrowed: true, ..Scope::default() },
        safety: Some(restore.to_owned()),
        figures,
        features: Vec::new(),
        previous: None,
        audit_head: engine.catalog().audit_head().ok().flatten().map(|(_, hash)| hash),
        home: None,
        other: std::collections::BTreeMap::new(),
    }
}

fn remember(engine: &Engine, app: &App, manifest: &Manifest, checksum: &str) -> Result<()> {
    let models = manifest.sources[0].relations.iter().map(|record| BackupModel {
        module: record.relation.module.clone(),
        model: record.relation.name.clone(),
        rows: record.rows,
    });
    engine.catalog().record_backup(&NewBackup {
        vault_id: Some(app.vault_id.clone()),
        origin: Origin::Safety,
        records: manifest.figures.records,
        files: manifest.figures.files,
        narrowed: true,
        checksum: Some(checksum.to_owned()),
        reason: manifest.reason.clone(),
        operator: Some(engine.operator().to_owned()),
        models: models.collect(),
        ..NewBackup::new(&manifest.id.0, &app.id, BackupType::Safety, Status::Completed, engine.catalog().now())
    })?;
    Ok(())
}

/// The two sides of a safety record: before and after, of the relations of these kinds.
pub fn read(vault: &Arc<Vault>, safety: &str, kinds: &[RelationKind]) -> Result<(StoredSide, StoredSide)> {
    let manifest = vault.manifest(&BackupId(safety.to_owned()))?;
    let stored = StoredBackup::new(vault.clone(), manifest);
    let [before, after] = stored.manifest.sources.as_slice() else {
        let hint = "Check the vault: backstop vault verify --level 3".to_owned();
        return Err(Error::Refused { why: format!("{safety} is no safety record"), hint });
    };
    let of = |source: &SourceRecord| source.relations.iter().filter(|record| kinds.contains(&record.relation.kind)).cloned().collect();
    Ok((StoredSide::new(vault.clone(), of(before)), StoredSide::new(vault.clone(), of(after))))
}

/// The parts of the app that a safety record speaks of.
pub fn parts(vault: &Vault, safety: &str) -> Result<Parts> {
    let manifest = vault.manifest(&BackupId(safety.to_owned()))?;
    let holds = |kind| manifest.relations().any(|record| record.relation.kind == kind);
    Ok(Parts { database: holds(RelationKind::Table), files: holds(RelationKind::Files) })
}
