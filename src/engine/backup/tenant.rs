//! A backup of tenants: their records, and what those refer to. Nothing of the others gets into the vault.

use std::collections::BTreeSet;
use std::io::{Seek, Write};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::engine::error::{Error, Result};
use crate::engine::restore;
use crate::engine::tenants::side::Live;
use crate::engine::tenants::{Closure, Levels, NO_COLUMN, Tenant, no_columns};
use crate::rows::{Class, Digest, Large, Relation, RelationKind, Row, Value};
use crate::sources::{self, Content, Definition, Identity, Reference, SchemaObject, Sequences, Snapshot, Unique, Unread};
use crate::vault::LeftOut;

/// Values of this size wait in memory for their row; larger ones in a file without a name.
const IN_MEMORY: usize = 1 << 20;

/// A database of which only the chosen tenants' records, and what they refer to, are seen.
pub struct OfTenants<'s> {
    snapshot: &'s dyn Snapshot,
    closure: Closure,
    relations: Vec<Relation>,
    left_out: Vec<LeftOut>,
}

impl<'s> OfTenants<'s> {
    /// Finds the records of `tenants`, as they are written, by the `columns` of the app's settings; `taken` says which models the
    /// backup is about.
    ///
    /// # Errors
    /// No column is named, a tenant has no record, and what reading met.
    pub fn new(
        snapshot: &'s dyn Snapshot,
        app: &str,
        (columns, tenants): (&[String], &[String]),
        taken: &dyn Fn(&Relation) -> bool,
        going: &mut dyn FnMut(&str, u64) -> bool,
    ) -> Result<Self> {
        let levels = Levels::read(columns)?;
        if levels.is_empty() {
            return Err(no_columns(app));
        }
        let chosen: BTreeSet<Tenant> = tenants.iter().map(|text| levels.tenant(text)).collect();
        let closure = Closure::of(&Live::new(&[snapshot]), (levels, chosen), snapshot.references(), going)?;
        if let Some(stranger) = closure.strangers().first() {
            let hint = format!("List them: backstop app tenants {app}");
            return Err(Error::Usage { why: format!("no record of {app} belongs to a tenant “{stranger}”"), hint });
        }
        let (all, mut relations, mut left_out) = (snapshot.relations(), Vec::new(), Vec::new());
        let untold = closure.tenancy().untold(all);
        for (model, relation) in all.iter().enumerate() {
            let mut leave = |why: String| left_out.push(LeftOut { model: relation.name.clone(), why });
            // A restore asks the backup whose its records are: what tells that must be in it.
            let through = closure.tenancy().through(model).into_iter().filter(|&own| taken(relation) && !taken(&all[own]));
            let lacking: Vec<&str> = through.map(|own| all[own].name.as_str()).collect();
            if !closure.tenancy().has_column(model) && closure.picked(model)? == 0 {
                let why = untold.iter().find(|(_, models)| models.contains(&model));
                leave(why.map_or(NO_COLUMN, |(why, _)| why).to_owned());
            } else if lacking.is_empty() {
                relations.push(relation.clone());
            } else {
                leave(format!("the backup is not about {}, which says whose its records are", lacking.join(" and ")));
            }
        }
        Ok(Self { snapshot, closure, relations, left_out })
    }

    /// The models that are left out, since nothing tells whose their records are.
    pub fn without(&self) -> &[LeftOut] {
        &self.left_out
    }
}

impl Snapshot for OfTenants<'_> {
    fn identity(&self) -> Identity {
        self.snapshot.identity()
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn definition(&self) -> sources::Result<Definition> {
        self.snapshot.definition()
    }

    fn sequences(&self) -> sources::Result<Sequences> {
        self.snapshot.sequences()
    }

    fn triggers(&self) -> sources::Result<Vec<SchemaObject>> {
        self.snapshot.triggers()
    }

    fn references(&self) -> &[Reference] {
        self.snapshot.references()
    }

    fn uniques(&self) -> &[Unique] {
        self.snapshot.uniques()
    }

    fn consistency(&self) -> serde_json::Value {
        self.snapshot.consistency()
    }

    fn size(&self, relation: &Relation) -> u64 {
        self.snapshot.size(relation)
    }

    fn scan(
        &self,
        relation: &Relation,
        content: &dyn Content,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> sources::Result<Vec<Unread>> {
        let same = |other: &Relation| other.name == relation.name && other.kind == RelationKind::Table;
        let Some(model) = self.snapshot.relations().iter().position(same) else {
            return Err(sources::Error::Unfit { model: relation.name.clone(), why: "the database has no such table".into() });
        };
        let (deferred, mut failure) = (Deferred::new(content), None);
        let unread = self.snapshot.scan(relation, &deferred, &mut |row| match self.take(&deferred, model, row) {
            Ok(Some(row)) => each(row),
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failure.map_or(Ok(unread), Err)
    }
}

impl OfTenants<'_> {
    /// The row with its large values kept, where it is meant.
    fn take(&self, deferred: &Deferred<'_>, model: usize, mut row: Row) -> sources::Result<Option<Row>> {
        let failed = |error: restore::Error| sources::Error::Database { what: "the scratch space".into(), why: error.to_string() };
        let taken = self.closure.takes(model, &row).map_err(failed)?;
        for value in &mut row.values {
            let Value::Large(large) = value else { continue };
            let kept = deferred.settle(large, taken).map_err(|source| sources::Error::Io { what: self.identity().place, source })?;
            if let Some(kept) = kept {
                *value = Value::Large(kept);
            }
        }
        Ok(taken.then_some(row))
    }
}

/// Holds large values back until it is known whether their row is meant.
struct Deferred<'c> {
    content: &'c dyn Content,
    waiting: Mutex<Vec<(Digest, tempfile::SpooledTempFile)>>,
}

impl<'c> Deferred<'c> {
    fn new(content: &'c dyn Content) -> Self {
        Self { content, waiting: Mutex::default() }
    }

    /// Keeps a value that waits, or lets it go.
    fn settle(&self, large: &Large, keep: bool) -> std::io::Result<Option<Large>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = waiting.iter().position(|(content, _)| *content == large.content) else { return Ok(None) };
        let (_, mut value) = waiting.swap_remove(place);
        drop(waiting);
        if !keep {
            return Ok(None);
        }
        value.rewind()?;
        self.content.keep(large.class, &mut value).map(Some)
    }
}

impl Content for Deferred<'_> {
    fn keep(&self, class: Class, value: &mut dyn std::io::Read) -> std::io::Result<Large> {
        let (mut held, mut hasher, mut length) = (tempfile::spooled_tempfile(IN_MEMORY), blake3::Hasher::new(), 0);
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = value.read(&mut piece)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
            held.write_all(&piece[..read])?;
            length += read as u64;
        }
        let content = Digest(*hasher.finalize().as_bytes());
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((content, held));
        Ok(Large { class, length, content, chunks: Vec::new() })
    }
}
