//! Files of a live application: compared with a backup, restored, and taken back, through the engine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "common/known.rs"]
mod known;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop::catalog::BackupType;
use backstop::clock::SystemClock;
use backstop::engine::apps::AppRequest;
use backstop::engine::backup::BackupRequest;
use backstop::engine::restore::plan::{Choice, EffectCounts, ModelPlan, PlanSummary, Scope};
use backstop::engine::restore::strategy::{Side, Strategy};
use backstop::engine::restoring::{PreviewRequest, RestoreResult};
use backstop::engine::vaults::VaultRequest;
use backstop::engine::{Engine, Home};
use backstop::error::Explain;
use known::{Known, secret};

struct Place {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Place {
    /// An app of one tree, in which every kind of difference can be made, backed up.
    fn protected() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(Home::at(folder.path().join("home")), Arc::new(SystemClock), Box::new(Known)).unwrap();
        let place = Self { folder, engine };
        let passphrase = secret();
        let locations = [place.path("vault").display().to_string()];
        place.engine.create_vault(&VaultRequest { name: "main", locations: &locations, passphrase: &passphrase, recovery: false }).unwrap();
        for name in ["same", "changed", "emptied", "mode", "deep/er/a", "deep/er/b", "gone"] {
            place.write(name, &name.repeat(5000));
        }
        fs::set_permissions(place.media("deep"), fs::Permissions::from_mode(0o700)).unwrap();
        let files = vec![place.path("media").display().to_string()];
        place.engine.add_app(&AppRequest { name: "app".into(), files, ..AppRequest::default() }).unwrap();
        place.engine.backup(&BackupRequest::new(None, BackupType::Full)).unwrap();
        place
    }

    fn spoil(&self) {
        self.write("changed", "something else");
        self.write("emptied", "");
        fs::set_permissions(self.media("mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_dir_all(self.media("deep")).unwrap();
        fs::remove_file(self.media("gone")).unwrap();
        self.write("extra/live", "live only");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn media(&self, name: &str) -> PathBuf {
        self.path("media").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.media(name).parent().unwrap()).unwrap();
        fs::write(self.media(name), text).unwrap();
    }

    /// Path, mode, time and content of every entry; folders without times.
    fn tree(&self) -> Vec<String> {
        let mut lines = Vec::new();
        walk(&self.path("media"), &mut lines);
        lines
    }

    fn preview(&self, request: &PreviewRequest) -> PlanSummary {
        self.engine.preview(request, &mut |_| true).unwrap()
    }

    fn run(&self, plan: &PlanSummary) -> RestoreResult {
        self.engine.restore(&plan.plan, None, &mut |_| true).unwrap()
    }
}

fn walk(folder: &Path, lines: &mut Vec<String>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            lines.push(format!("{} {:o}", path.display(), found.mode()));
            walk(&path, lines);
        } else {
            let content = blake3::hash(&fs::read(&path).unwrap());
            lines.push(format!("{} {:o} {}.{} {content}", path.display(), found.mode(), found.mtime(), found.mtime_nsec()));
        }
    }
}

fn request(strategy: Strategy) -> PreviewRequest {
    PreviewRequest::new(None, strategy)
}

fn globs(globs: &[&str]) -> PreviewRequest {
    let scope = Scope { files: globs.iter().map(ToString::to_string).collect(), ..Scope::default() };
    PreviewRequest { scope, ..request(Strategy::Replace) }
}

fn effect(model: &ModelPlan) -> EffectCounts {
    EffectCounts { create: model.create, update: model.update, skip: model.skip, delete: model.delete }
}

#[test]
fn a_tree_is_compared_restored_exactly_and_taken_back() {
    let place = Place::protected();
    let good = place.tree();
    place.spoil();
    let spoiled = place.tree();
    let plan = place.preview(&PreviewRequest { exact: true, ..request(Strategy::Replace) });
    assert!(plan.safe_to_restore, "{:?}", plan.findings);
    assert_eq!(place.tree(), spoiled, "a preview touches nothing");
    let media = &plan.models[0];
    assert_eq!((media.module.as_str(), media.model.as_str(), plan.models.len()), ("files", "media", 1));
    // The root, nine entries in all; deep, deep/er, two files in it and one more are new.
    assert_eq!((media.total, media.new, media.identical, media.conflicts, media.live_only), (10, 5, 2, 3, 2));
    assert_eq!(effect(media), EffectCounts { create: 5, update: 3, skip: 2, delete: 2 });
    let conflicts = |name: &str| media.fields.iter().find(|field| field.field == name).map(|field| (field.conflicts, field.fill));
    assert_eq!((conflicts("content"), conflicts("mode")), (Some((2, 1)), Some((1, 0))));
    assert!(conflicts("folder_mtime_s").is_none() && conflicts("link").is_none());
    let rows = place.engine.plan_rows(&plan.plan, "media", 0, 100).unwrap();
    assert_eq!((rows.len(), &rows[0]["key"]["path"], &rows[0]["state"]), (10, &"changed".into(), &"conflict".into()));

    let done = place.run(&plan);
    assert_eq!((done.records_created, done.records_updated, done.records_deleted), (5, 3, 2));
    assert_eq!(done.warnings, [""; 0]);
    assert_eq!(place.tree(), good);
    place.engine.undo(&done.restore, Vec::new(), None, &mut |_| true).unwrap();
    assert_eq!(place.tree(), spoiled);
}

#[test]
fn merge_fills_what_is_missing_or_empty_and_skip_only_what_is_missing() {
    for (strategy, effects, emptied) in [
        (Strategy::Merge, EffectCounts { create: 5, update: 1, skip: 4, delete: 0 }, 35_000),
        (Strategy::Skip, EffectCounts { create: 5, update: 0, skip: 5, delete: 0 }, 0),
    ] {
        let place = Place::protected();
        place.spoil();
        let plan = place.preview(&request(strategy));
        assert_eq!(effect(&plan.models[0]), effects);
        place.run(&plan);
        assert_eq!(fs::read_to_string(place.media("changed")).unwrap(), "something else");
        assert_eq!(fs::metadata(place.media("emptied")).unwrap().len(), emptied);
        assert!(place.media("deep/er/b").exists() && place.media("extra/live").exists());
    }
}

#[test]
fn globs_take_their_files_with_the_folders_these_need_and_nothing_else() {
    let place = Place::protected();
    place.spoil();
    let plan = place.preview(&globs(&["deep/er/a"]));
    assert_eq!(effect(&plan.models[0]), EffectCounts { create: 3, update: 0, skip: 0, delete: 0 }, "{:?}", plan.findings);
    place.run(&plan);
    assert!(place.media("deep/er/a").exists() && !place.media("deep/er/b").exists() && !place.media("gone").exists());
    assert_eq!(fs::metadata(place.media("deep")).unwrap().permissions().mode() & 0o7777, 0o700, "a folder comes back with its own mode");
    let error = place.engine.preview(&globs(&["deep/**", "*.jpeg"]), &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("*.jpeg") && error.hint().is_some(), "{error}");
}

#[test]
fn an_entry_that_changed_after_the_preview_stops_the_restore() {
    let place = Place::protected();
    place.spoil();
    let plan = place.preview(&request(Strategy::Replace));
    place.write("gone", "somebody made it again");
    let before = place.tree();
    let error = place.engine.restore(&plan.plan, None, &mut |_| true).unwrap_err();
    assert!(error.to_string().contains(r#"media {"path":"gone"}"#), "{error}");
    assert_eq!(place.tree(), before);
}

#[test]
fn undo_leaves_an_entry_that_was_edited_since_unless_it_is_chosen() {
    let place = Place::protected();
    place.spoil();
    let done = place.run(&place.preview(&request(Strategy::Replace)));
    place.write("changed", "edited since");
    assert!(place.engine.undo(&done.restore, Vec::new(), None, &mut |_| true).is_err());
    assert!(place.media("gone").exists());
    let choice = Choice { model: "media".into(), key: "changed".into(), field: None, side: Side::Live };
    place.engine.undo(&done.restore, vec![choice], None, &mut |_| true).unwrap();
    assert_eq!(fs::read_to_string(place.media("changed")).unwrap(), "edited since");
    assert!(!place.media("gone").exists());
}

#[test]
fn a_name_that_is_no_text_is_shown_and_chosen_by_its_bytes() {
    let place = Place::protected();
    fs::write(place.path("media").join(OsStr::from_bytes(b"not-utf8-\xff")), "n").unwrap();
    let exact = || PreviewRequest { exact: true, ..request(Strategy::Replace) };
    let plan = place.preview(&exact());
    let key = place.engine.plan_rows(&plan.plan, "media", 0, 10).unwrap()[0]["key"].clone();
    assert!(key["path"]["base64"].is_string(), "{key}");
    assert_eq!(plan.effect.delete, 1);
    let choices = vec![Choice { model: "media".into(), key, field: None, side: Side::Live }];
    assert_eq!(place.preview(&PreviewRequest { choices, ..exact() }).effect.delete, 0);
}

#[test]
fn a_folder_that_vanished_blocks_its_files_and_is_filled_once_it_is_there() {
    let place = Place::protected();
    fs::remove_dir_all(place.path("media")).unwrap();
    let plan = place.preview(&request(Strategy::Merge));
    assert!(!plan.safe_to_restore && plan.findings[0].message.contains("does not exist"), "{:?}", plan.findings);
    assert!(place.engine.restore(&plan.plan, None, &mut |_| true).is_err() && !place.path("media").exists());
    fs::create_dir(place.path("media")).unwrap();
    let plan = place.preview(&request(Strategy::Merge));
    assert_eq!((plan.effect.create, plan.safe_to_restore), (9, true));
    place.run(&plan);
    assert_eq!(place.tree().len(), 9);
}

#[test]
fn what_would_lie_in_a_file_is_blocked_until_the_file_gives_way() {
    let place = Place::protected();
    let good = place.tree();
    fs::remove_dir_all(place.media("deep")).unwrap();
    place.write("deep", "now a file");
    let merged = place.preview(&request(Strategy::Merge));
    assert_eq!((merged.models[0].blocked, merged.safe_to_restore), (3, false), "{:?}", merged.findings);
    let replaced = place.preview(&request(Strategy::Replace));
    assert!(replaced.safe_to_restore, "{:?}", replaced.findings);
    place.run(&replaced);
    assert_eq!(place.tree(), good);
}

#[test]
fn a_file_takes_no_folders_place_as_long_as_something_stays_in_it() {
    let place = Place::protected();
    fs::remove_file(place.media("gone")).unwrap();
    place.write("gone/inside", "live only");
    let kept = place.preview(&request(Strategy::Replace));
    assert_eq!((kept.models[0].blocked, kept.safe_to_restore), (1, false), "{:?}", kept.findings);
    let exact = place.preview(&PreviewRequest { exact: true, ..request(Strategy::Replace) });
    assert!(exact.safe_to_restore, "{:?}", exact.findings);
    place.run(&exact);
    assert!(place.media("gone").is_file());
}
