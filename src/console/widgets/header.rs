//! The two lines at the top: where this is and how it stands; the screens.

use super::canvas::{Canvas, Sign};
use super::format;
use super::text;
use crate::console::model::{Model, Screen};
use crate::console::theme::Role;

/// Draws the header, the tabs and the rule under them.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let summary = &model.summary;
    // On a narrow line an engine in this process is no news.
    let near = canvas.width() < 100 && summary.engine == "engine here";
    let mut x = canvas.line(
        1,
        0,
        &[
            (Role::Strong, "backstop"),
            (Role::Text, "  "),
            (Role::Text, &model.setup.host),
            (Role::Dim, "   "),
            (Role::Dim, if near { "" } else { &summary.engine }),
        ],
    );
    let right = format!("{}  {}", summary.role, format::clock(model.now, model.utc));
    let end = canvas.width().saturating_sub(1);
    let edge = end.saturating_sub(u16::try_from(text::width(&right)).unwrap_or(0) + 2);
    let mut state = Vec::new();
    if model.setup.read_only {
        state.push((Role::Warning, "read-only".to_owned()));
    }
    for (number, words, sign, role) in [
        (summary.critical, format!("{} critical", format::count(summary.critical)), Sign::Critical, Role::Critical),
        (summary.warnings, format::counted(summary.warnings, "warning"), Sign::Warning, Role::Warning),
    ] {
        if number > 0 {
            state.push((role, format!("{} {words}", sign.text(canvas.unicode))));
        }
    }
    if !summary.running.is_empty() {
        state.push((Role::Running, format!("{} running", summary.running.len())));
    }
    // The overview has the whole of it.
    if let Some((short, _)) = summary.notice.as_ref().and_then(|notice| notice.split_once(':'))
        && model.screen != Screen::Overview
    {
        state.push((Role::Warning, short.to_lowercase()));
    }
    if let Some((name, at)) = &summary.next
        && canvas.width() >= 110
    {
        state.push((Role::Dim, format!("next {name} {}", format::relative(model.now, *at))));
    }
    x += if near { 0 } else { 3 };
    for (role, piece) in state {
        if x + u16::try_from(text::width(&piece)).unwrap_or(0) > edge {
            break;
        }
        x = canvas.put(x, 0, &piece, role) + 2;
    }
    canvas.put_right(end, 0, end, &right, Role::Dim);
    let shown = if model.screen == Screen::Restores { Screen::Restore } else { model.screen };
    for (screen, from, title) in tabs(canvas.width(), shown) {
        let role = if screen == shown { Role::TabActive } else { Role::TabIdle };
        canvas.put(from, 1, &title, role);
    }
    canvas.rule(2);
}

/// The tabs with their columns. Narrower terminals get shorter words, the narrowest the number and the word of the active one.
fn tabs(width: u16, active: Screen) -> Vec<(Screen, u16, String)> {
    let mut x = 1;
    Screen::TABS
        .iter()
        .enumerate()
        .map(|(at, (screen, title))| {
            let name = match screen {
                Screen::Overview if width < 100 => "Home",
                Screen::Storage if width < 100 => "Vault",
                Screen::Activity if width < 100 => "Audit",
                _ => title,
            };
            let title = if width >= 80 || *screen == active { format!("{} {name}", at + 1) } else { (at + 1).to_string() };
            let from = x;
            x += title.len() as u16 + if width >= 100 { 2 } else { 1 };
            (*screen, from, title)
        })
        .collect()
}

/// The screen whose tab is at a column.
#[must_use]
pub fn tab_at(width: u16, active: Screen, column: u16) -> Option<Screen> {
    tabs(width, active)
        .into_iter()
        .find(|(_, from, title)| (*from..*from + title.len() as u16).contains(&column))
        .map(|(screen, ..)| screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tabs_fit_with_whole_words_at_80_columns() {
        let tabs = tabs(80, Screen::Overview);
        let (_, from, title) = tabs.last().unwrap();
        assert!(usize::from(*from) + title.len() <= 80, "{from} {title}");
        assert_eq!(tab_at(80, Screen::Overview, *from), Some(Screen::Activity));
        assert!(tabs.iter().all(|(_, _, title)| title.len() > 3));
    }
}
