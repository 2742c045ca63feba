//! Vaults: opened on a new machine, their keys, the words of the recovery key.

use std::os::unix::fs::PermissionsExt;

use crate::common::program::Place;
use crate::common::terminal::Terminal;
use crate::{back_up, school, sql, text, told};

#[test]
fn on_a_new_machine_the_vault_alone_brings_everything_back() {
    let place = Place::new();
    place.protect("school", &school(&place));
    let full = back_up(&place, "full");
    sql(&place, "DELETE FROM hr_pupil WHERE id = 1");
    let second = back_up(&place, "incremental");
    place.expect(0, &["backups", "protect", &full]);
    let before = place.json(&["backups"]);

    // The old home and the database are gone with the machine.
    std::fs::rename(place.home(), place.path("lost")).unwrap();
    std::fs::remove_file(place.path("school.db")).unwrap();
    let vault = place.path("vault");
    let init = ["vault", "init", "--existing", "--location", vault.to_str().unwrap()];
    let found = place.json(&init);
    assert_eq!((&found["apps"], &found["backups"]), (&serde_json::json!(["school"]), &2.into()));
    assert_eq!(place.json(&init)["backups"], 2, "it can be done again");

    let after = place.json(&["backups"]);
    for key in ["id", "type", "status", "origin", "taken_at", "records", "bytes_stored", "parent", "protected", "narrowed"] {
        assert_eq!((&after[0][key], &after[1][key]), (&before[0][key], &before[1][key]), "{key}");
    }
    assert_eq!(place.json(&["backups", "models", &second]).as_array().unwrap().len(), 3);
    let copy = format!("sqlite:{}", place.path("new.db").display());
    place.expect(0, &["restore", "to", "latest", "--app", "school", "--target", &copy]);
    let adopted = place.json(&["app", "adopt", "school", "--database", &copy]);
    assert_eq!(text(&adopted["database"]), copy);
    let made = place.json(&["backup", "--app", "school", "--type", "incremental"]);
    assert_eq!((&made["records"], place.json(&["restore", "preview", &full])["summary"]["new_records"].as_u64()), (&42.into(), Some(1)));
}

#[test]
fn an_app_that_was_forgotten_is_adopted_from_the_vault() {
    let place = Place::new();
    let database = school(&place);
    place.protect("school", &database);
    let backup = back_up(&place, "full");
    place.expect(0, &["app", "remove", "school", "--yes"]);
    told(&place, 1, &["app", "adopt", "warehouse"]);
    place.expect(0, &["app", "adopt", "school"]);
    assert_eq!(place.json(&["restore", "preview", &backup, "--app", "school"])["summary"]["conflicts"], 0);
    assert_eq!(text(&place.json(&["app", "show", "school"])["database"]), format!("sqlite:{}", database.display()));
}

#[test]
fn a_key_file_opens_the_vault_without_a_passphrase_until_it_is_removed() {
    let place = Place::new();
    let vault = place.path("vault");
    place.expect(0, &["vault", "init", "--location", vault.to_str().unwrap(), "--key-file"]);
    let url = format!("sqlite:{}", school(&place).display());
    place.expect(0, &["app", "add", "school", "--database", &url]);
    let without = |arguments: &[&str]| place.command(arguments).env_remove("BACKSTOP_PASSPHRASE").output().unwrap();
    assert!(without(&["backup", "--app", "school", "--type", "full"]).status.success());
    let file = std::fs::read_dir(place.home().join("keys")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    told(&place, 4, &["vault", "keys", "add", "--key-file"]);

    // Who can read the file can open the vault: such a file is refused, not used.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(told(&place, 4, &["vault", "status"]).contains("chmod 600"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let keys = place.json(&["vault", "keys", "list"]);
    let of = |kind: &str| text(&keys.as_array().unwrap().iter().find(|key| key["kind"] == kind).unwrap()["id"]);
    told(&place, 4, &["vault", "keys", "remove", &of("passphrase"), "--yes"]);
    place.expect(0, &["vault", "keys", "remove", &of("key_file"), "--yes"]);
    assert!(!file.exists());
    assert_eq!(without(&["vault", "status"]).status.code(), Some(2));
    place.expect(0, &["vault", "status"]);
}

#[test]
fn a_changed_passphrase_opens_and_the_old_one_does_not() {
    let place = Place::new();
    place.protect("school", &school(&place));
    std::fs::write(place.path("new"), "another passphrase\n").unwrap();
    let changed = place.json(&["vault", "keys", "change", "--new-passphrase-file", "new"]);
    assert_eq!(changed.as_array().unwrap().len(), 1);
    assert!(told(&place, 1, &["vault", "status"]).contains("wrong passphrase"));
    place.expect(0, &["vault", "status", "--passphrase-file", "new"]);
}

#[test]
fn the_words_in_the_recovery_file_open_the_vault_when_the_passphrase_is_lost() {
    let place = Place::new();
    let vault = place.path("vault");
    let vault = vault.to_str().unwrap();
    place.expect(0, &["vault", "init", "--location", vault, "--recovery-file", "words"]);
    let words = std::fs::read_to_string(place.path("words")).unwrap();
    assert_eq!(words.split_whitespace().count(), 24);
    assert_eq!(std::fs::metadata(place.path("words")).unwrap().permissions().mode() & 0o777, 0o600);
    told(&place, 1, &["vault", "init", "second", "--location", "elsewhere", "--recovery-file", "words"]);
    assert_eq!(std::fs::read_to_string(place.path("words")).unwrap(), words, "a file that is there is not touched");
    assert!(!place.path("elsewhere").exists());

    std::fs::rename(place.home(), place.path("lost")).unwrap();
    let init = ["vault", "init", "--existing", "--location", vault, "--recovery-file", "words"];
    let output = place.command(&init).env("BACKSTOP_PASSPHRASE", "a new one").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(place.command(&["vault", "status"]).env("BACKSTOP_PASSPHRASE", "a new one").output().unwrap().status.success());
    let kinds = place.json(&["vault", "keys"].into_iter().chain(["list"]).collect::<Vec<_>>());
    assert_eq!(kinds.as_array().unwrap().len(), 3);
}

#[test]
fn on_a_terminal_the_words_are_shown_once_and_two_are_asked_back() {
    for right in [true, false] {
        let place = Place::new();
        let vault = place.path("vault");
        let mut terminal = Terminal::start(&place.command(&["vault", "init", "--location", vault.to_str().unwrap()]), 100, 30);
        terminal.wait_until("a question for a word", |screen| questions(screen) == 1);
        let first = answer(&terminal.screen());
        if !right {
            terminal.keys("backstop\r");
            assert_eq!(terminal.end(), 4);
            assert_eq!(place.json(&["vault", "keys", "list"]).as_array().unwrap().len(), 1, "no key that nobody has");
            continue;
        }
        terminal.keys(&format!("{first}\r"));
        terminal.wait_until("the second question", |screen| questions(screen) == 2);
        let second = answer(&terminal.screen());
        terminal.keys(&format!("{second}\r"));
        assert_eq!(terminal.end(), 0);
        let keys = place.json(&["vault", "keys", "list"]);
        assert!(keys.as_array().unwrap().iter().any(|key| key["kind"] == "recovery"), "{keys}");
    }
}

/// How many questions stand on the screen in full: one that is still being written may lack a digit of its number.
fn questions(screen: &str) -> usize {
    screen.lines().filter(|line| line.starts_with("Word ") && line.contains(':')).count()
}

/// The word that the last question on the screen asks for, from the numbered list above it.
fn answer(screen: &str) -> String {
    let question = screen.lines().rev().find_map(|line| line.strip_prefix("Word ")).unwrap();
    let number = question.split(':').next().unwrap();
    let mut tokens = screen.split_whitespace().skip_while(|token| *token != "1");
    while let Some(token) = tokens.next() {
        let word = tokens.next().unwrap();
        if token == number {
            return word.to_owned();
        }
    }
    panic!("no word {number} on\n{screen}");
}
