//! Verification: listed (0), reachable from every manifest (1), bytes hash (2), every chunk decoded and every model merged (3).
//!
//! What is wrong at one location heals from another on the way; what cannot heal is told in models, records and files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use super::Vault;
use super::error::{Error, Result};
use super::index::Known;
use super::manifest::{Manifest, RelationRecord};
use super::names::{BackupId, BackupName};
use super::pack::{self, ChunkKind};
use super::replicate::limit_of;
use crate::numbers::counted;
use crate::rows::row::RelationDigest;
use crate::rows::{Digest, merge};

const FOLDERS: [&str; 8] = ["keys", "packs", "meta", "index", "holds", "deleted", "releases", "backups"];

/// A step of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyEvent {
    /// The object or model just looked at.
    pub object: String,
    /// Objects looked at so far.
    pub objects: u64,
    /// Bytes looked at so far.
    pub bytes: u64,
}

/// Something that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The location; empty where it concerns all.
    pub location: String,
    /// The object, or the backup and the model.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it is right again.
    pub healed: bool,
    /// What is lost by it: models, records and files.
    pub lost: Vec<String>,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Objects looked at.
    pub objects: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// True where it was stopped before its end.
    pub stopped: bool,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// True where all was right, or is again.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.stopped && self.findings.iter().all(|finding| finding.healed)
    }
}

struct Check<'v, 'e> {
    vault: &'v Vault,
    report: VerifyReport,
    each: &'e mut dyn FnMut(VerifyEvent) -> ControlFlow<()>,
    /// Chunks that no location has.
    lost: HashSet<Digest>,
}

/// An answer to go on or to stop, or what made it impossible.
type Step = Result<ControlFlow<()>>;

impl Vault {
    /// Verifies the whole vault, or what one backup refers to, at `level` 0 to 3; each level does what is below it too.
    ///
    /// # Errors
    /// No location can be read, or there is no such backup.
    pub fn verify(
        &self,
        level: u8,
        backup: Option<&BackupId>,
        each: &mut dyn FnMut(VerifyEvent) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        self.sites.look();
        let mut check = Check { vault: self, report: VerifyReport::default(), each, lost: HashSet::new() };
        check.unreachable();
        self.refresh()?;
        let backups = match backup {
            Some(id) => {
                vec![self.all_backups()?.into_iter().find(|name| name.id == *id).ok_or_else(|| Error::NoBackup { id: id.to_string() })?]
            }
            None => self.all_backups()?,
        };
        check.report.stopped = check.run(level, &backups, backup.is_some())?.is_break();
        check.say_what_is_lost(&backups);
        Ok(check.report)
    }
}

impl Check<'_, '_> {
    fn run(&mut self, level: u8, backups: &[BackupName], narrowed: bool) -> Step {
        let wanted = if narrowed { Some(self.objects_of(backups, level >= 2)?) } else { None };
        if self.objects(level, wanted.as_ref())?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if level == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        for name in backups {
            if self.backup(name, level)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn step(&mut self, object: &str, bytes: u64) -> ControlFlow<()> {
        self.report.objects += 1;
        self.report.bytes += bytes;
        (self.each)(VerifyEvent { object: object.into(), objects: self.report.objects, bytes: self.report.bytes })
    }

    fn find(&mut self, location: &str, object: &str, problem: impl Into<String>, healed: bool) {
        let (location, object) = (location.to_owned(), object.to_owned());
        self.report.findings.push(Finding { location, object, problem: problem.into(), healed, lost: Vec::new() });
    }

    fn unreachable(&mut self) {
        for (location, why) in self.vault.sites.reasons() {
            self.find(&location, "", why, false);
        }
    }

    /// The objects that some backups need.
    fn objects_of(&self, backups: &[BackupName], deep: bool) -> Result<BTreeSet<String>> {
        let mut wanted: BTreeSet<_> = backups.iter().map(BackupName::object).collect();
        for name in backups {
            // A manifest that cannot be read is found when its object is looked at.
            let Ok(manifest) = self.vault.manifest_named(name) else { continue };
            for (kind, chunk) in self.vault.reached(&manifest, deep).chunks {
                wanted.extend(self.vault.places(kind, &chunk).first().map(|(pack, _)| pack.object()));
            }
        }
        Ok(wanted)
    }

    /// Every object at every location: there, of the right size, and from level 2 on with the right bytes. Manifests come last.
    fn objects(&mut self, level: u8, wanted: Option<&BTreeSet<String>>) -> Step {
        for folder in FOLDERS {
            let mut listed = self.vault.sites.list_all(folder)?;
            for pack in self.vault.index().packs().iter().filter(|pack| pack.kind.folder() == folder) {
                listed.entry(pack.object()).or_default();
            }
            if folder == "index" {
                for name in self.vault.index().fragments() {
                    listed.entry(name.clone()).or_default();
                }
            }
            listed.retain(|name, _| wanted.is_none_or(|wanted| wanted.contains(name)));
            let waits = if folder == "backups" { self.vault.behind(&self.vault.sites.presence()?)? } else { Default::default() };
            for (name, places) in listed {
                let places: BTreeMap<usize, u64> = places.into_iter().collect();
                self.object(&name, &places, level, &|site| waits.contains_key(&site));
                if self.step(&name, places.values().sum()).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn object(&mut self, name: &str, places: &BTreeMap<usize, u64>, level: u8, waits: &dyn Fn(usize) -> bool) {
        let vault = self.vault;
        let known = pack::parse_object(name).and_then(|(_, id)| vault.index().pack(&id));
        let size = known.map(|pack| pack.size).or_else(|| places.values().copied().max());
        let mut wrong = Vec::new();
        let mut undecodable = false;
        for (site, location) in vault.sites.usable() {
            let problem = match places.get(&site) {
                None => Some("it is missing".to_owned()),
                Some(there) if Some(*there) != size => Some(format!("it has {there} bytes instead of {}", size.unwrap_or(0))),
                Some(_) if known.is_some_and(|pack| vault.sites.is_bad(site, &pack.id)) => Some("it is damaged".to_owned()),
                Some(_) if level >= 2 => match location.get(name, limit_of(name)) {
                    Ok(bytes) if vault.is_right(name, &bytes) => {
                        let problem = self.decode(known, &bytes, level);
                        undecodable |= problem.is_some();
                        problem
                    }
                    Ok(_) => Some("its bytes are damaged".to_owned()),
                    Err(error) => Some(error.to_string()),
                },
                Some(_) => None,
            };
            wrong.extend(problem.map(|problem| (site, location, problem)));
        }
        if wrong.is_empty() {
            return;
        }
        // Bytes that are as they were written and still hold nothing are right nowhere: there is nothing to heal from.
        let good =
            if undecodable { None } else { vault.sites.get_whole(name, limit_of(name), false, &|bytes| vault.is_right(name, bytes)).ok() };
        for (site, location, problem) in wrong {
            // A manifest waits where something that it refers to is missing.
            let healed = !waits(site) && good.as_ref().is_some_and(|good| vault.sites.replace(site, location, name, good).is_ok());
            if let (false, Some(pack)) = (healed, known) {
                vault.sites.mark_bad(site, &pack.id);
            }
            self.find(location.name(), name, problem, healed);
        }
        if let (None, Some(pack)) = (good, known) {
            self.lose(&pack);
        }
    }

    /// From level 3 on, every chunk of a pack is opened, unpacked and hashed.
    fn decode(&self, known: Option<Known>, bytes: &[u8], level: u8) -> Option<String> {
        let pack = known.filter(|_| level >= 3)?;
        let entries = match pack::read_entries(&self.vault.keys, self.vault.id, pack.size, bytes) {
            Ok(entries) => entries,
            Err(error) => return Some(error.to_string()),
        };
        let opens = |entry: &pack::Entry| pack::open_chunk(&self.vault.keys, self.vault.id, entry, pack::slice(bytes, entry)).is_some();
        let broken = entries.iter().filter(|entry| !opens(entry)).count();
        (broken > 0).then(|| format!("{broken} of its {} chunks cannot be decoded", entries.len()))
    }

    /// A pack that is whole nowhere: some of its chunks may still be read, from it or from another.
    fn lose(&mut self, pack: &Known) {
        let entries = self.vault.index().chunks_in(&pack.id);
        self.lost.extend(entries.iter().filter(|entry| self.vault.read(entry.kind, &entry.chunk).is_err()).map(|entry| entry.chunk));
    }

    fn backup(&mut self, name: &BackupName, level: u8) -> Step {
        let manifest = match self.vault.manifest_named(name) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.find("", &name.object(), error.to_string(), false);
                return Ok(self.step(&name.object(), 0));
            }
        };
        let presence = self.vault.sites.presence()?;
        let missing = |(kind, chunk): &&(ChunkKind, Digest)| {
            let places = self.vault.places(*kind, chunk);
            !places.iter().any(|(pack, _)| self.vault.sites.copies(&presence, pack) > 0)
        };
        let reached = self.vault.reached(&manifest, level >= 2);
        let gone: Vec<_> = reached.chunks.iter().filter(missing).copied().collect();
        let gone: Vec<_> =
            gone.into_iter().filter(|(kind, chunk)| self.vault.read(*kind, chunk).is_err()).map(|(_, chunk)| chunk).collect();
        if !gone.is_empty() {
            self.find("", &name.object(), format!("{} of the chunks that it refers to are at no location", gone.len()), false);
            self.lost.extend(gone);
        }
        if level >= 3 {
            return Ok(self.models(&manifest));
        }
        Ok(self.step(&name.object(), 0))
    }

    /// Merges the runs of every model: count and digest must be what the manifest says.
    fn models(&mut self, manifest: &Manifest) -> ControlFlow<()> {
        for record in manifest.relations() {
            if let Some(problem) = self.model(record) {
                let object = format!("backup {}: {}", manifest.id, record.relation.name);
                self.find("", &object, problem, false);
            }
            self.step(&record.relation.name, record.runs.iter().map(|run| run.bytes).sum())?;
        }
        ControlFlow::Continue(())
    }

    fn model(&self, record: &RelationRecord) -> Option<String> {
        let mut stored = merge::Rows::new(self.vault, &record.relation, &record.runs);
        let mut digest = RelationDigest::default();
        loop {
            match stored.advance() {
                Ok(()) => digest.push(match stored.row() {
                    Some(row) => row.digest,
                    None => break,
                }),
                Err(error) => return Some(error.to_string()),
            }
        }
        let (rows, found) = digest.finish();
        if rows != record.rows {
            return Some(format!("{} instead of {}", counted(rows, "record"), record.rows));
        }
        (found != record.digest).then(|| format!("its {rows} records are not those that were backed up"))
    }

    /// Puts into people's words what the findings that did not heal cost.
    fn say_what_is_lost(&mut self, backups: &[BackupName]) {
        let no_manifest = |finding: &&mut Finding| !finding.healed && finding.object.starts_with("backups/");
        let vault = self.vault;
        for finding in self.report.findings.iter_mut().filter(no_manifest) {
            if let Some(name) = BackupName::parse(&finding.object).filter(|name| vault.manifest_named(name).is_err()) {
                finding.lost.push(format!("backup {}", name.id));
            }
        }
        if self.lost.is_empty() {
            return;
        }
        let words = vault.lost_in_words(&self.lost, backups);
        let costs =
            |finding: &&mut Finding| !finding.healed && (finding.location.is_empty() || pack::parse_object(&finding.object).is_some());
        for finding in self.report.findings.iter_mut().filter(costs) {
            finding.lost.extend(words.iter().cloned());
        }
    }
}
