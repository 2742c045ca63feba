//! The console, driven by keys on a backend in memory: golden screens, the journeys, and that nothing makes it panic.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod actions;
mod memory;

use backstop::console::effect::{Action, Effect, Progress, Side};
use backstop::console::message::Message;
use backstop::console::model::Screen;
use backstop::console::model::plan::PlanModel;
use backstop::console::model::records::ListKind;
use backstop::console::model::walk::Step;
use backstop::console::terminal::input::{Code, Input, Key};
use backstop::console::update;
use backstop::console::widgets::text;
use backstop::engine::restore::plan::OnCollision;
use memory::{Driven, Memory, setup};
use proptest::prelude::*;

fn console(width: u16, height: u16) -> Driven {
    Driven::new(Memory::new(), setup(), width, height)
}

#[test]
fn every_screen_looks_as_it_should() {
    for (width, height) in [(80, 24), (120, 40)] {
        for (name, keys) in [
            ("overview", ""),
            ("configurations", "2"),
            ("jobs", "3"),
            ("job", "3 j Enter"),
            ("backups", "4"),
            ("restore_what", "5"),
            ("restore_scope", "5 Enter"),
            ("restore_strategy", "5 Enter Enter"),
            ("restore_preview", "5 Enter Enter Enter"),
            ("restore_records", "5 Enter Enter Enter Enter"),
            ("restore_record", "5 Enter Enter Enter Enter c Enter"),
            ("restore_confirm", "5 Enter Enter Enter Right 'oops' Enter"),
            ("restore_result", "5 Enter Enter Enter Right 'oops' Enter 'school' Enter"),
            ("alerts", "6"),
            ("alert", "6 Enter"),
            ("archive", "7"),
            ("storage", "8"),
            ("activity", "9"),
            ("help", "6 ? 'ack'"),
            ("palette", ": 'over'"),
            ("form", "2 e"),
            ("backup_models", "4 m"),
            ("backup_records", "4 m Enter j"),
            ("backup_record", "4 m Enter j Enter"),
            ("restores", "5 H"),
            ("restores_detail", "5 H Enter"),
            ("verify", "4 V"),
            ("delete", "4 X 'old' Enter"),
        ] {
            let mut console = console(width, height);
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), console.keys(keys).screen());
        }
    }
}

#[test]
fn a_machine_without_a_catalog_is_welcomed() {
    let backend = Memory { initialised: false, ..Memory::new() };
    let console = Driven::new(backend, setup(), 80, 24);
    insta::assert_snapshot!("welcome_80x24", console.screen());
}

#[test]
fn a_terminal_too_small_is_told_so_and_still_quits() {
    let mut console = console(59, 16);
    assert!(console.screen().contains("needs 60x16"));
    assert_eq!(console.keys("q").left, [Effect::Quit]);
}

#[test]
fn on_call_an_alert_is_acknowledged_looked_into_and_resolved() {
    let mut console = console(80, 24);
    console.keys("6 a");
    assert_eq!(console.done(), [Action::Acknowledge { ids: vec!["a-1".into()], notes: String::new() }]);
    console.keys("J");
    assert_eq!(console.model.screen, Screen::Jobs);
    assert_eq!(console.model.row().unwrap().id(), "j0000001");
    console.keys("r y 6 x 'restarted' Enter");
    assert_eq!(console.done()[1], Action::RetryJob { job: "j0000001".into() });
    assert_eq!(console.done()[2], Action::Resolve { ids: vec!["a-1".into()], notes: "restarted".into() });
}

#[test]
fn alerts_are_acknowledged_in_bulk() {
    let mut console = console(80, 24);
    console.keys("6 * a");
    assert_eq!(console.done(), [Action::Acknowledge { ids: vec!["a-1".into(), "a-2".into()], notes: String::new() }]);
}

#[test]
fn a_restore_touches_nothing_before_the_name_is_typed() {
    let mut console = console(80, 24);
    console.keys("5 Enter Enter Enter");
    assert_eq!(console.model.walk.step, Step::Preview);
    console.keys("Right 'oops' Enter Enter 'scho' Enter");
    console.input(Input::Paste("ol".into()));
    console.keys("Enter");
    assert!(console.done().iter().all(|action| matches!(action, Action::Preview(_))));
    console.keys("'ol' Enter");
    assert!(matches!(console.done().last(), Some(Action::Restore { reason, .. }) if reason == "oops"));
    assert_eq!(console.model.walk.step, Step::Result);
    console.keys("u");
    assert!(matches!(console.done().last(), Some(Action::Preview(undo)) if undo.undo_of.as_deref() == Some("r-1")));
    console.keys("Right 'wrong' Enter Enter");
    assert!(matches!(console.done().last(), Some(Action::Preview(_))), "Enter alone confirms nothing");
    console.keys("'school' Enter");
    assert!(matches!(console.done().last(), Some(Action::Restore { reason, .. }) if reason == "wrong"));
}

#[test]
fn a_choice_between_the_sides_is_compared_again_before_it_can_be_confirmed() {
    let mut console = console(80, 24);
    console.keys("5 Enter Enter Enter Enter c Space");
    assert!(console.model.walk.stale);
    console.keys("Esc");
    let Some(Action::Preview(preview)) = console.done().last().cloned() else { panic!("no comparison") };
    assert_eq!(preview.rows, [("hr_employee".into(), serde_json::json!({"id": 7}), Side::Backup)]);
    console.keys("Enter c c Enter Space");
    assert_eq!(console.model.walk.step, Step::Record);
    assert_eq!(console.model.walk.field_choices.len(), 1);
}

#[test]
fn a_collision_is_shown_with_who_holds_the_value_and_is_decided_where_it_stands() {
    let collides = || Memory { collides: true, ..Memory::new() };
    for (width, height) in [(80, 24), (120, 40)] {
        let mut console = Driven::new(collides(), setup(), width, height);
        insta::assert_snapshot!(format!("restore_collision_{width}x{height}"), console.keys("5 Enter Enter Enter").screen());
    }
    let mut console = Driven::new(collides(), setup(), 120, 40);
    console.keys("5 Enter Enter Enter Right");
    assert_eq!(console.model.walk.step, Step::Preview, "it blocks");
    console.keys("u u");
    let chosen = |action: &Action| match action {
        Action::Preview(preview) => preview.collisions,
        other => panic!("{other:?}"),
    };
    assert_eq!(console.done().iter().map(chosen).collect::<Vec<_>>(), [OnCollision::Block, OnCollision::Skip, OnCollision::Holder]);
    let screen = console.screen();
    assert!(screen.contains("collisions: holder") && !screen.contains("holds it"), "{screen}");
    console.keys("y");
    assert!(matches!(console.left.last(), Some(Effect::Copy(line)) if line.ends_with(" --collisions holder")), "{:?}", console.left);
    console.keys("u");
    assert!(console.screen().contains("id 3 (id 12 holds it)"), "what was chosen is taken back");
    assert!(console.keys("p").screen().contains("no record lacks what it refers to"));
}

#[test]
fn one_is_told_from_several() {
    let mut console = Driven::new(Memory { models: 1, ..Memory::new() }, setup(), 80, 24);
    assert!(console.keys("5 Enter").screen().contains("The one model, 1,204 records."));
    assert!(console.keys("Space").screen().contains("1 of 1 model, 1,204 records."));
    assert!(console.keys("Enter").screen().contains("   1 model"));
}

#[test]
fn going_back_keeps_the_choices_and_never_quits() {
    let mut console = console(80, 24);
    console.keys("5 Enter Space Enter j Enter Esc Esc");
    assert_eq!(console.model.walk.step, Step::Scope);
    assert_eq!(console.model.walk.strategy_name(), "skip");
    assert_eq!(console.model.walk.included.len(), 1);
    console.keys("Esc Esc Esc Esc");
    assert!(console.left.is_empty());
}

#[test]
fn the_filter_follows_every_key_and_escape_brings_the_list_back() {
    let mut console = console(80, 24);
    console.keys("4 / 'type:full'");
    assert_eq!(console.model.list(ListKind::Backups).rows.len(), 1);
    console.keys("Esc");
    assert_eq!(console.model.list(ListKind::Backups).rows.len(), 4);
}

#[test]
fn thousands_of_jobs_are_walked_through_both_ways_in_a_bounded_window() {
    let backend = Memory { jobs: 3000, ..Memory::new() };
    let mut console = Driven::new(backend, setup(), 80, 24);
    console.keys("3");
    for _ in 0..200 {
        console.keys("PgDn");
    }
    assert!(console.model.list(ListKind::Jobs).rows.len() <= 1000);
    assert_eq!(console.model.row().unwrap().id(), "j0002999");
    for _ in 0..400 {
        console.keys("PgUp");
    }
    assert_eq!(console.model.row().unwrap().id(), "j0000000");
}

#[test]
fn a_refresh_moves_neither_the_selection_nor_the_marks_nor_the_screen_line() {
    let mut console = Driven::new(Memory { jobs: 500, ..Memory::new() }, setup(), 80, 24);
    console.keys("3 PgDn PgDn PgDn Space k");
    let list = console.model.list(ListKind::Jobs);
    let (selected, marks, cursor) = (list.selected().unwrap().id().to_owned(), list.marks.clone(), list.cursor());
    console.backend.newer = 5;
    let effects = backstop::console::update::update(&mut console.model, Message::Changed);
    console.perform(effects);
    let list = console.model.list(ListKind::Jobs);
    assert!(list.rows[0].id().starts_with('n'), "the new rows are there");
    assert_eq!((list.selected().unwrap().id(), &list.marks), (selected.as_str(), &marks));
    assert_eq!(list.cursor().at - list.cursor().top, cursor.at - cursor.top);
}

#[test]
fn a_read_only_console_refuses_every_change_and_says_so() {
    let mut console = Driven::new(Memory::new(), backstop::console::model::Setup { read_only: true, ..setup() }, 80, 24);
    console.keys("6 a x 2 x 4 p");
    assert!(console.done().is_empty());
    assert!(console.model.toast.as_ref().unwrap().text.contains("read-only"));
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut console = console(80, 24);
    console.keys("3 r");
    assert!(console.model.toast.as_ref().unwrap().text.contains("this job is running"));
}

#[test]
fn data_cannot_reach_the_terminal_as_control() {
    let mut console = console(120, 40);
    let screen = console.keys("6").screen();
    assert!(screen.contains("␛[2J‹202E›"));
    assert!(!screen.chars().any(|character| character == '\u{1b}' || character == '\u{202e}'));
}

fn any_input() -> impl Strategy<Value = Input> {
    let code = prop_oneof![
        8 => prop::char::range(' ', '~').prop_map(Code::Char),
        6 => prop::sample::select(vec![Code::Enter, Code::Esc, Code::Down, Code::Up, Code::Tab, Code::PageDown, Code::End, Code::Backspace, Code::Right]),
        1 => any::<char>().prop_filter("a key", |character| !character.is_control()).prop_map(Code::Char),
    ];
    prop_oneof![
        20 => (code, prop::bool::weighted(0.1)).prop_map(|(code, ctrl)| Input::Key(Key { code, ctrl, alt: false })),
        1 => ".{0,20}".prop_map(Input::Paste),
        1 => (0_u16..200, 0_u16..200).prop_map(|(x, y)| Input::Click(x, y)),
        1 => (-5_i16..5).prop_map(Input::Scroll),
    ]
}

proptest! {
    #[test]
    fn no_keys_at_no_size_make_it_panic(width in 0_u16..200, height in 0_u16..200, inputs in prop::collection::vec(any_input(), 0..60)) {
        let mut console = console(width, height);
        for input in inputs {
            console.input(input);
            let screen = console.screen();
            for line in screen.lines() {
                prop_assert!(backstop::console::widgets::text::width(line) <= usize::from(width));
            }
        }
    }
}

#[test]
fn the_records_of_a_plan_are_a_window_whose_end_is_the_true_end() {
    let mut console = Driven::new(Memory { differing: 90_000, ..Memory::new() }, setup(), 80, 24);
    console.keys("5 Enter Enter Enter Enter G");
    assert_eq!(console.model.walk.records.at(), 89_999);
    assert_eq!(console.model.walk.row().unwrap().key, serde_json::json!({"id": 89_999}));
    console.keys("g c c c");
    assert_eq!(console.model.walk.records.at(), 699, "the third conflict stands beyond the first window");
    assert_eq!(console.model.walk.row().unwrap().state, "conflict");
    console.keys("n N N");
    assert_eq!(console.model.walk.records.at(), 698);
    console.keys("G c");
    assert!(console.screen().contains("no conflict follows"));
}

#[test]
fn one_strategy_is_chosen_for_all_models_or_for_one() {
    let mut console = console(80, 24);
    console.keys("5 Enter Enter Enter s S");
    let previews = console.done();
    let Some(Action::Preview(one)) = previews.iter().rev().nth(1) else { panic!("no comparison") };
    assert_eq!(one.strategies, [("hr_employee".to_owned(), "skip".to_owned())]);
    let Some(Action::Preview(all)) = previews.last() else { panic!("no comparison") };
    assert_eq!((all.strategy.as_str(), all.strategies.as_slice()), ("skip", &[][..]));
}

#[test]
fn a_preview_fills_in_model_by_model_while_it_runs() {
    let mut console = console(80, 24);
    console.keys("5 Enter Enter");
    let effects = update::update(&mut console.model, Message::Input(Input::Key(Key::parse("Enter").unwrap())));
    let Some(Effect::Act(number, _)) = effects.last() else { panic!("no comparison") };
    let model = PlanModel { model: "hr_department".into(), total: 24, identical: 24, ..PlanModel::default() };
    let progress = Progress { phase: "compare hr_employee".into(), model: Some(model), ..Progress::default() };
    update::update(&mut console.model, Message::Progressed(*number, progress));
    let screen = console.screen();
    assert!(screen.contains("1 of 2 models done") && screen.contains("hr_department"), "{screen}");
    assert_eq!(console.keys("X").left, [Effect::Stop(*number)]);
}

#[test]
fn what_the_data_say_is_shown_and_never_obeyed_and_every_line_is_as_wide_as_the_screen() {
    let hostile = "学校\u{202e}\u{1b}[2J\u{7}e\u{301}";
    for (width, height) in [(80, 24), (120, 40)] {
        for keys in
            ["", "2", "3", "3 Enter", "4", "4 Enter", "5", "5 Enter", "5 Enter Enter Enter", "6", "6 Enter", "7", "8", "9", ": '学'"]
        {
            let mut console = Driven::new(Memory { app: hostile, ..Memory::new() }, setup(), width, height);
            let screen = console.keys(keys).screen();
            let obeyed = |letter: char| letter != '\n' && (letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter));
            assert!(!screen.contains(obeyed), "{keys}: {screen:?}");
            assert!(screen.lines().all(|line| text::width(line) <= usize::from(width)), "{keys}: {screen}");
        }
    }
}

#[test]
fn an_order_without_an_index_is_refused_with_the_reason_and_matches_are_walked() {
    let mut console = console(80, 24);
    assert!(console.keys("4 o").screen().contains("one order only"));
    assert!(console.keys("8 O").screen().contains("shown whole"));
    assert!(console.keys("3 n").screen().contains("begins a filter"));
    console.keys("/ 'backup' Enter n n N");
    assert_eq!(console.model.list(ListKind::Jobs).cursor().at, 1);
}
