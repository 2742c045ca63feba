//! The commands of every list, and those that apply everywhere.

use super::Command;
use super::Scope::{Everywhere, List};
use crate::console::effect::Effect;
use crate::console::model::Screen;
use crate::console::update::{lists, shell};

/// In the order of the help.
pub static EVERYWHERE: &[Command] = &[
    // Lists.
    Command::new("filter", "Filter", "Filters as you type: words, field:value, size>1G, age<2d.", List, &["/"], shell::filter)
        .hint("filter"),
    Command::new("mark", "Select", "Selects the row; actions then apply to all that are selected.", List, &["Space"], lists::mark)
        .hint("select"),
    Command::new("mark-range", "Select a range", "Begins a range at this row; moving extends it.", List, &["v"], lists::mark_range),
    Command::new("mark-all", "Select all shown", "Selects all rows that the filter shows, or none.", List, &["*"], lists::mark_all),
    Command::new("sort", "Sort by the next order", "Sorts by the next order that has an index.", List, &["o"], lists::sort)
        .when(lists::can_sort),
    Command::new("sort-turn", "Turn the order", "Turns the order round.", List, &["O"], lists::turn).when(lists::can_turn),
    Command::new("match-next", "Next match", "Goes to the next row that the filter found.", List, &["n"], shell::down)
        .when(lists::has_filter),
    Command::new("match-previous", "Previous match", "Goes to the row before that the filter found.", List, &["N"], shell::up)
        .when(lists::has_filter),
    Command::new("freeze", "Freeze", "Holds the rows still, or lets them follow again.", List, &["F"], lists::freeze),
    Command::new("copy-id", "Copy the id", "Copies the id of the selected row through the terminal.", List, &["y"], lists::copy_id)
        .when(lists::has_row),
    Command::new("copy-row", "Copy the row", "Copies the selected row as text through the terminal.", List, &["Y"], lists::copy_row)
        .when(lists::has_row),
    // Everywhere.
    Command::new("open", "Open", "Opens what is selected, or goes on to the next step.", Everywhere, &["Enter"], shell::open).hint("open"),
    Command::new(
        "back",
        "Back",
        "Goes back: clears the filter and the selection, leaves the detail, goes a step back.",
        Everywhere,
        &["Esc", "Left"],
        shell::back,
    ),
    Command::new(
        "palette",
        "Command palette",
        "Finds any command, screen, configuration or backup by a few letters.",
        Everywhere,
        &[":", "Ctrl-p"],
        shell::palette,
    )
    .hint("commands"),
    Command::new("help", "Help", "Shows the keys of this screen; type to filter, Enter runs.", Everywhere, &["?", "F1"], shell::help)
        .hint("help"),
    Command::new("down", "Down", "Moves down.", Everywhere, &["j", "Down"], shell::down),
    Command::new("up", "Up", "Moves up.", Everywhere, &["k", "Up"], shell::up),
    Command::new("half-down", "Half a page down", "Moves half a page down.", Everywhere, &["Ctrl-d"], shell::half_down),
    Command::new("half-up", "Half a page up", "Moves half a page up.", Everywhere, &["Ctrl-u"], shell::half_up),
    Command::new("page-down", "Page down", "Moves a page down.", Everywhere, &["PgDn"], shell::page_down),
    Command::new("page-up", "Page up", "Moves a page up.", Everywhere, &["PgUp"], shell::page_up),
    Command::new("first", "First", "Moves to the first row.", Everywhere, &["g", "Home"], shell::first),
    Command::new("last", "Last", "Moves to the last row: of a list, the last that is loaded.", Everywhere, &["G", "End"], shell::last),
    Command::new("screen-1", "Overview", "Goes to the overview.", Everywhere, &["1"], |model| shell::go(model, Screen::Overview)),
    Command::new("screen-2", "Configurations", "Goes to the configurations.", Everywhere, &["2"], |model| {
        shell::go(model, Screen::Configurations)
    }),
    Command::new("screen-3", "Jobs", "Goes to the jobs.", Everywhere, &["3"], |model| shell::go(model, Screen::Jobs)),
    Command::new("screen-4", "Backups", "Goes to the backups.", Everywhere, &["4"], |model| shell::go(model, Screen::Backups)),
    Command::new("screen-5", "Restore", "Goes to the restore walkthrough.", Everywhere, &["5"], |model| shell::go(model, Screen::Restore)),
    Command::new("screen-6", "Alerts", "Goes to the alerts.", Everywhere, &["6"], |model| shell::go(model, Screen::Alerts)),
    Command::new("screen-7", "Archive", "Goes to the archive policies.", Everywhere, &["7"], |model| shell::go(model, Screen::Archive)),
    Command::new("screen-8", "Storage", "Goes to the locations.", Everywhere, &["8"], |model| shell::go(model, Screen::Storage)),
    Command::new("screen-9", "Activity", "Goes to the audit trail.", Everywhere, &["9"], |model| shell::go(model, Screen::Activity)),
    Command::new("screen-next", "Next screen", "Goes to the next screen.", Everywhere, &["Tab"], shell::next_screen),
    Command::new("screen-previous", "Previous screen", "Goes to the previous screen.", Everywhere, &["BackTab"], shell::previous_screen),
    Command::new("theme", "Next theme", "Changes to the next theme.", Everywhere, &["t"], shell::theme),
    Command::new("utc", "UTC or local time", "Shows times in UTC or in local time.", Everywhere, &["Z"], shell::utc),
    Command::new(
        "mouse",
        "Mouse on or off",
        "Uses the mouse, or leaves it to the terminal's own selection.",
        Everywhere,
        &[],
        shell::mouse,
    ),
    Command::new("redraw", "Redraw", "Draws the whole screen anew.", Everywhere, &["Ctrl-l"], |_| vec![Effect::Redraw]),
    Command::new("suspend", "Suspend", "Gives the terminal back to the shell until `fg`.", Everywhere, &["Ctrl-z"], shell::suspend),
    Command::new(
        "quit",
        "Quit",
        "Ends the console; jobs that run here come to their end first.",
        Everywhere,
        &["q", "Ctrl-c"],
        shell::quit,
    ),
];
