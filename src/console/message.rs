//! Everything that can happen to the model.

use jiff::Timestamp;

use super::effect::{Action, Answer, Outcome, Problem, Progress, Slot};
use super::model::Screen;
use super::terminal::input::Input;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A person did something at the terminal.
    Input(Input),
    /// A moment passed; only what it changes on the screen is drawn.
    Now(Timestamp),
    /// The terminal has another size.
    Resized(u16, u16),
    /// Something changed in the catalog.
    Changed,
    /// How many jobs run in this process.
    JobsHere(usize),
    /// A query of this slot and number is answered.
    Answered(Slot, u64, Result<Answer, Problem>),
    /// The action of this number got further.
    Progressed(u64, Progress),
    /// The action of this number ended.
    Finished(u64, Result<Outcome, Problem>),
    /// Run the command of this id.
    Run(&'static str),
    /// Have this done.
    Act(Box<Action>),
    /// Go to a screen.
    Go(Screen),
    /// Go to a row of a list.
    Find(Screen, String),
    /// Filter the list on the screen.
    Filter(String),
    /// Ask before something that can harm.
    Ask(Box<Question>),
    /// Restore with this reason.
    Reason(String),
    /// Narrow the restore to the tenants that this names; to none in particular where it is empty.
    Tenants(String),
    /// Copy text to the operator's clipboard.
    Copy(String),
    /// End the console, whatever runs here: it is left to its end before the process ends.
    Quit,
    /// End the console and have the jobs that run here stop at their next safe point.
    QuitCancelling,
    /// Suspend although jobs run here.
    Suspend,
}

/// A question with the consequences in plain words.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What is asked.
    pub title: String,
    /// What would happen; the last is the command line that would do the same.
    pub lines: Vec<String>,
    /// What confirming does, in a word or two.
    pub verb: String,
    /// The name that must be typed.
    pub typed: Option<String>,
    /// What happens when it is confirmed.
    pub then: Message,
}
