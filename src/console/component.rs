//! The stack of components: screens at the bottom, details and dialogs above; the top one gets the input first.

use super::message::Message;
use super::model::Model;
use super::terminal::input::Input;
use super::widgets::canvas::Canvas;

/// What a component did with an input.
pub enum Outcome {
    /// Nothing: the keymap has its turn.
    Ignored,
    /// It was for the component.
    Consumed,
    /// It asks for something and stays.
    Emit(Message),
    /// It is done.
    Close,
    /// It is done and asks for something.
    Finish(Message),
}

/// A screen, a detail or a dialog.
pub trait Component {
    /// Whether input that it ignores goes no further: true of dialogs.
    fn is_modal(&self) -> bool;

    /// Takes an input.
    fn input(&mut self, input: &Input, model: &Model) -> Outcome;

    /// What happens without an answer, once what was asked about has settled by itself.
    fn settled(&self, _: &Model) -> Option<Message> {
        None
    }

    /// Draws into exactly the canvas, at any size.
    fn view(&self, model: &Model, canvas: &mut Canvas<'_>);
}
