//! What is started from the console: jobs, backups, configurations, alerts, previews left behind, and leaving.

use backstop::console::effect::{Action, Effect};
use backstop::console::message::Message;
use backstop::console::model::browse::Depth;
use backstop::console::model::records::ListKind;
use backstop::console::model::walk::Step;
use backstop::console::model::{Screen, Setup};
use backstop::console::terminal::input::Input;
use backstop::console::update;

use crate::console;
use crate::memory::{Driven, Memory, setup};

fn on(backend: Memory) -> Driven {
    Driven::new(backend, setup(), 80, 24)
}

/// Whether the first action is the expected one, nothing else having been done.
fn only(console: &Driven, expected: &Action) {
    assert_eq!(console.done(), std::slice::from_ref(expected));
}

#[test]
fn a_backup_is_looked_into_down_to_the_fields_of_a_record_and_up_again() {
    let mut console = on(Memory { stored: 2000, ..Memory::new() });
    console.keys("4 Enter Enter");
    assert_eq!(console.model.browse.as_ref().unwrap().depth, Depth::Models, "from the detail Enter goes inside");
    console.keys("j Enter");
    for _ in 0..150 {
        console.keys("PgDn");
    }
    let browse = console.model.browse.as_ref().unwrap();
    assert!(browse.rows.len() <= 400, "the window is bounded");
    assert_eq!(browse.row().unwrap().place, "1999");
    console.keys("Enter");
    assert!(console.screen().contains("Person 1999"));
    console.keys("p");
    assert!(console.screen().contains("Person 1998"));
    console.keys("y Y");
    assert_eq!(console.left[0], Effect::Copy(r#"{"id":1998,"name":"Person 1998","note":null}"#.into()));
    assert_eq!(console.left[1], Effect::Copy("backstop backups rows b0 hr_employee".into()));
    console.keys("Esc Esc Esc");
    assert!(console.model.browse.is_none());
    assert_eq!((console.model.screen, console.model.row().unwrap().id()), (Screen::Backups, "b0"));
}

#[test]
fn a_backup_is_verified_as_deeply_as_was_chosen() {
    let mut console = console(80, 24);
    console.keys("4 V");
    assert!(console.done().is_empty());
    console.keys("Down Enter");
    only(&console, &Action::Verify { backup: "b0".into(), level: 2 });
}

#[test]
fn a_backup_is_deleted_with_a_reason_and_the_typed_name_alone() {
    let mut console = console(80, 24);
    console.keys("4 X Enter");
    assert!(console.screen().contains("a few words are needed"));
    console.keys("'old' Enter 'shop' Enter");
    assert!(console.done().is_empty());
    assert!(console.screen().contains("backstop backups delete b0 --reason old"));
    console.keys("Ctrl-u 'school' Enter");
    only(&console, &Action::DeleteBackups { ids: vec!["b0".into()], reason: "old".into() });
}

#[test]
fn a_protected_backup_says_that_it_must_be_released_before_it_is_deleted() {
    let mut console = console(80, 24);
    console.keys("4 G X");
    assert!(console.model.toast.as_ref().unwrap().text.contains("protected"));
    console.keys("p");
    only(&console, &Action::Unprotect { ids: vec!["b3".into()] });
}

#[test]
fn the_command_line_of_a_question_can_be_copied_and_does_not_confirm_it() {
    let mut console = console(80, 24);
    console.keys("2 b Ctrl-y");
    assert_eq!(console.left, [Effect::Copy("backstop backup --config daily-full".into())]);
    assert!(console.done().is_empty());
    console.keys("y");
    only(&console, &Action::BackUp { configuration: "c-daily-full".into() });
}

#[test]
fn the_form_explains_while_one_types_and_says_what_it_covers() {
    let mut console = console(120, 40);
    console.keys("2 e");
    let screen = console.screen();
    assert!(screen.contains("2 of 2 models, 2,408 records") && screen.contains("11-22 02:00"), "{screen}");
    console.keys("Down Down Down Backspace Backspace");
    assert!(console.screen().contains("minute hour day month weekday"));
    console.keys("Space '*' Down Down Down 'hr_employee' Down");
    let screen = console.screen();
    assert!(screen.contains("1 of 2 models, 1,204 records: hr_employee"), "{screen}");
    console.keys("Up 'x' Down");
    assert!(console.screen().contains("there is no “hr_employeex”"));
}

#[test]
fn a_configuration_that_cannot_be_kept_is_not_lost() {
    let mut console = on(Memory { refuses: true, ..Memory::new() });
    console.keys("2 C Down Down Space Up Up Up Enter");
    assert_eq!(console.done().len(), 1);
    let screen = console.screen();
    assert!(screen.contains("daily-full-copy") && screen.contains("there is one of that name"), "{screen}");
    let Action::CreateConfiguration(draft) = &console.done()[0] else { panic!() };
    assert_eq!(draft.kind, "differential", "Space chose the next type");
}

#[test]
fn ad_hoc_configurations_are_cleaned_up_when_confirmed() {
    let mut console = console(80, 24);
    console.keys("2 U Enter");
    assert!(console.done().is_empty());
    console.keys("U y");
    only(&console, &Action::CleanUpConfigurations);
}

#[test]
fn logs_are_shown_from_a_level_on() {
    let mut console = console(80, 24);
    console.keys("3 Enter L");
    assert_eq!(console.model.log_level(), "warning");
    assert!(console.screen().contains("LOG from warning on"));
}

#[test]
fn a_running_job_shows_its_pace_and_what_is_left() {
    let mut console = console(80, 24);
    let screen = console.keys("3 Enter").screen();
    assert!(screen.contains("3,100 records/s") && screen.contains("12s left"), "{screen}");
}

#[test]
fn from_an_alert_one_comes_to_its_job_however_old_and_to_its_application() {
    let mut console = on(Memory { jobs: 3000, ..Memory::new() });
    console.keys("6 A");
    assert_eq!((console.model.screen, console.model.list(ListKind::Backups).filter.as_str()), (Screen::Backups, "app:payroll"));
    let effects = update::update(&mut console.model, Message::Find(Screen::Jobs, "j0002500".into()));
    console.perform(effects);
    assert_eq!(console.model.row().unwrap().id(), "j0002500");
    console.keys("Esc");
    assert!(console.model.list(ListKind::Jobs).rows.len() > 1, "Esc brings the others back");
}

#[test]
fn a_row_that_is_gone_is_said_to_be_gone() {
    let mut console = console(80, 24);
    let effects = update::update(&mut console.model, Message::Find(Screen::Jobs, "nowhere".into()));
    console.perform(effects);
    assert!(console.model.toast.as_ref().unwrap().text.contains("nowhere is not here any more"));
}

#[test]
fn alerts_are_snoozed_for_as_long_as_was_typed() {
    let mut console = console(80, 24);
    console.keys("6 Space Space z '12' Enter");
    only(&console, &Action::Snooze { ids: vec!["a-1".into(), "a-2".into()], hours: 12 });
}

#[test]
fn a_preview_left_behind_is_offered_and_opened_as_it_was_left() {
    let mut console = on(Memory { left: true, ..Memory::new() });
    assert!(console.screen().contains("A preview was left behind: school"));
    console.keys("P");
    let walk = &console.model.walk;
    assert_eq!((console.model.screen, walk.step, walk.strategy_name()), (Screen::Restore, Step::Preview, "replace"));
    assert!(!console.keys("1").screen().contains("left behind"), "it is open");
    console.keys("5 r");
    let Some(Action::Preview(preview)) = console.done().last().cloned() else { panic!() };
    assert_eq!(preview.replaces.as_deref(), Some("plan-1"), "the new preview takes its place");
}

#[test]
fn a_preview_left_behind_is_dropped_when_confirmed() {
    let mut console = on(Memory { left: true, ..Memory::new() });
    console.keys("X y");
    only(&console, &Action::DropPlan { plan: "plan-1".into() });
}

#[test]
fn a_restore_of_the_log_is_taken_back_once_and_with_a_reason() {
    let mut console = console(80, 24);
    console.keys("5 H j u");
    assert!(console.model.toast.as_ref().unwrap().text.contains("taken back by r-2"));
    console.keys("k u");
    assert_eq!((console.model.screen, console.model.walk.step), (Screen::Restore, Step::Preview));
    console.keys("s");
    assert!(console.model.toast.as_ref().unwrap().text.contains("exactly what the restore changed"));
    console.keys("Right 'wrong' Space 'table' Enter");
    assert!(console.screen().contains("backstop restore undo r-2 --reason 'wrong table'"), "{}", console.screen());
    console.keys("'school' Enter");
    assert!(matches!(console.done().last(), Some(Action::Restore { reason, .. }) if reason == "wrong table"));
}

#[test]
fn leaving_with_jobs_running_waits_or_cancels_and_enter_on_nothing_stays() {
    let quit = |keys: &str| {
        let mut console = on(Memory { jobs_here: 1, ..Memory::new() });
        let effects = update::update(&mut console.model, Message::JobsHere(1));
        console.perform(effects);
        console.keys(keys).left.clone()
    };
    assert_eq!(quit("q"), []);
    assert_eq!(quit("q Esc"), []);
    assert_eq!(quit("q Enter"), [Effect::Quit]);
    assert_eq!(quit("q Down Enter"), [Effect::CancelAll, Effect::Quit]);
    assert_eq!(quit("Ctrl-z"), []);
    assert_eq!(quit("Ctrl-z y"), [Effect::Suspend]);
}

#[test]
fn the_welcome_offers_the_demonstration_and_the_commands() {
    let mut console = on(Memory { initialised: false, ..Memory::new() });
    console.keys("y");
    let Some(Effect::Copy(commands)) = console.left.first() else { panic!() };
    assert_eq!(commands.lines().count(), 3);
    console.keys("d");
    assert_eq!(console.left.last(), Some(&Effect::Demo));
}

#[test]
fn a_read_only_console_begins_nothing_that_changes_anything() {
    let read_only = || Setup { read_only: true, ..setup() };
    let mut console = Driven::new(Memory { left: true, ..Memory::new() }, read_only(), 80, 24);
    console.keys("b R P X 2 b c e C x X U 3 j r X 4 R V p X 5 Enter 5 H u 6 a x z r 8 r");
    assert!(console.done().is_empty());
    assert_eq!(console.model.stack.len(), 1, "no dialog stands open");
    let screen = console.keys("4 ?").screen();
    assert!(!screen.contains("Delete backup") && screen.contains("Look into it"), "{screen}");
    console.keys("Esc");
    let mut welcome = Driven::new(Memory { initialised: false, ..Memory::new() }, read_only(), 80, 24);
    welcome.keys("d");
    assert!(welcome.left.is_empty());
}

#[test]
fn that_times_are_simulated_is_said_on_the_overview_and_shortly_elsewhere() {
    let mut console = console(120, 40);
    assert!(console.screen().contains("Demonstration: times before today are simulated."));
    assert!(console.keys("4").screen().lines().next().unwrap().contains("demonstration"));
}

#[test]
fn pasting_into_a_typed_confirmation_deletes_nothing() {
    let mut console = console(80, 24);
    console.keys("4 X 'old' Enter");
    console.input(Input::Paste("school".into()));
    console.keys("Enter");
    assert!(console.done().is_empty());
}

#[test]
fn a_restore_is_narrowed_to_a_module_and_to_tenants() {
    let mut console = console(80, 24);
    console.keys("5 Enter m T '7,department_id=3' Enter");
    assert!(console.screen().contains("2 of 2 models") && console.screen().contains("Only the tenants 7, department_id=3."));
    console.keys("m Enter Enter");
    let done = console.done();
    let Some(Action::Preview(preview)) = done.first() else { panic!("{done:?}") };
    assert_eq!((preview.models.len(), preview.tenants.as_slice()), (0, ["7".to_owned(), "department_id=3".into()].as_slice()));
    assert!(console.model.walk.command_line().unwrap().contains(" --tenant '7' --tenant 'department_id=3'"));
}
