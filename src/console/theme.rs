//! Themes: a palette of names, roles that refer to them, and a theme to inherit from; resolved once to one style a role.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::terminal::caps::Depth;

macro_rules! roles {
    ($($role:ident = $name:literal),+ $(,)?) => {
        /// What a piece of text is; a theme says how that looks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Role { $($role),+ }

        const ROLES: &[(Role, &str)] = &[$((Role::$role, $name)),+];
    };
}

roles! {
    Text = "text", Dim = "dim", Strong = "strong", Rule = "rule", TabActive = "tab.active", TabIdle = "tab.idle",
    Head = "table.head", Selected = "table.selected", Marked = "table.marked",
    Good = "state.good", Warning = "state.warning", Critical = "state.critical", Running = "state.running",
    Key = "key", Input = "input", Button = "button", Added = "diff.added", Changed = "diff.changed", Removed = "diff.removed",
}

/// The themes that are built in, in the order in which the key goes through them.
const BUILT_IN: [&str; 5] = [
    include_str!("../../themes/dark.toml"),
    include_str!("../../themes/light.toml"),
    include_str!("../../themes/high-contrast.toml"),
    include_str!("../../themes/ansi-16.toml"),
    include_str!("../../themes/mono.toml"),
];

/// A theme, resolved for a terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    styles: Vec<Style>,
}

/// A theme that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// The file is no TOML of this form.
    #[error("the theme cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// It inherits from a theme that there is not.
    #[error("there is no theme '{0}'")]
    Unknown(String),
    /// It inherits from itself.
    #[error("the theme '{0}' inherits from itself")]
    Circle(String),
    /// A colour or a modifier that there is not.
    #[error("'{name}' in the role '{role}' is neither a colour of the palette nor a modifier")]
    Word {
        /// The role.
        role: String,
        /// The word.
        name: String,
    },
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    name: String,
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    roles: BTreeMap<String, Look>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    add: Vec<String>,
}

impl Theme {
    /// The built-in theme of this name, for a terminal of this depth.
    ///
    /// # Errors
    ///
    /// There is no such theme.
    pub fn built_in(name: &str, depth: Depth) -> Result<Self, ThemeError> {
        let text = source(name).ok_or_else(|| ThemeError::Unknown(name.to_owned()))?;
        Self::parse(text, depth)
    }

    /// Reads a theme, with what it inherits.
    ///
    /// # Errors
    ///
    /// Its form, a name it refers to, a circle of inheritance.
    pub fn parse(text: &str, depth: Depth) -> Result<Self, ThemeError> {
        let file = inherited(toml::from_str(text)?, &mut Vec::new())?;
        let mut styles = vec![Style::new(); ROLES.len()];
        for (role, name) in ROLES {
            if let Some(look) = file.roles.get(*name) {
                styles[*role as usize] = style(look, &file.palette, name, depth)?;
            }
        }
        Ok(Self { name: file.name, styles })
    }

    /// The theme a terminal of this depth starts with.
    #[must_use]
    pub fn fitting(depth: Depth) -> Self {
        let name = match depth {
            Depth::Mono => "mono",
            Depth::Sixteen => "ansi-16",
            Depth::Cube | Depth::True => "dark",
        };
        Self::built_in(name, depth).unwrap_or_else(|_| Self { name: "mono".into(), styles: vec![Style::new(); ROLES.len()] })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How this role looks.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }
}

/// The names of the built-in themes.
#[must_use]
pub fn names() -> Vec<&'static str> {
    BUILT_IN.iter().filter_map(|text| name_of(text)).collect()
}

fn name_of(text: &'static str) -> Option<&'static str> {
    text.lines().next()?.strip_prefix("name = \"")?.strip_suffix('"')
}

fn source(name: &str) -> Option<&'static str> {
    BUILT_IN.into_iter().find(|text| name_of(text) == Some(name))
}

fn inherited(file: File, seen: &mut Vec<String>) -> Result<File, ThemeError> {
    let Some(parent) = file.inherits.clone() else { return Ok(file) };
    seen.push(file.name.clone());
    if seen.contains(&parent) {
        return Err(ThemeError::Circle(parent));
    }
    let text = source(&parent).ok_or(ThemeError::Unknown(parent))?;
    let mut whole = inherited(toml::from_str(text)?, seen)?;
    whole.name = file.name;
    whole.palette.extend(file.palette);
    whole.roles.extend(file.roles);
    Ok(whole)
}

fn style(look: &Look, palette: &BTreeMap<String, String>, role: &str, depth: Depth) -> Result<Style, ThemeError> {
    let word = |name: &str| ThemeError::Word { role: role.to_owned(), name: name.to_owned() };
    let color = |name: &String| -> Result<Color, ThemeError> {
        let written = palette.get(name).unwrap_or(name);
        written.parse().map(|color| degrade(color, depth)).map_err(|_| word(name))
    };
    let mut style = Style::new();
    if let Some(name) = &look.fg {
        style = style.fg(color(name)?);
    }
    if let Some(name) = &look.bg {
        style = style.bg(color(name)?);
    }
    for name in &look.add {
        let modifier = match name.as_str() {
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "underlined" => Modifier::UNDERLINED,
            "reversed" => Modifier::REVERSED,
            "italic" => Modifier::ITALIC,
            other => return Err(word(other)),
        };
        style = style.add_modifier(modifier);
    }
    Ok(style)
}

/// The nearest colour that a terminal of this depth has.
fn degrade(color: Color, depth: Depth) -> Color {
    match (color, depth) {
        (_, Depth::Mono) => Color::Reset,
        (Color::Rgb(r, g, b), Depth::Cube) => Color::Indexed(cube(r, g, b)),
        (Color::Rgb(r, g, b), Depth::Sixteen) => sixteen(r, g, b),
        (color, _) => color,
    }
}

/// The nearest of the 6×6×6 cube and the 24 greys.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |value: u8| (0..6_u8).min_by_key(|step| STEPS[usize::from(*step)].abs_diff(value)).unwrap_or(0);
    let distance =
        |x: u8, y: u8, z: u8| u32::from(x.abs_diff(r)).pow(2) + u32::from(y.abs_diff(g)).pow(2) + u32::from(z.abs_diff(b)).pow(2);
    let (x, y, z) = (nearest(r), nearest(g), nearest(b));
    let average = ((u16::from(r) + u16::from(g) + u16::from(b)) / 3).min(238);
    let grey = (average.saturating_sub(3) / 10).min(23) as u8;
    let shade = 8 + 10 * grey;
    let in_cube = distance(STEPS[usize::from(x)], STEPS[usize::from(y)], STEPS[usize::from(z)]);
    if distance(shade, shade, shade) < in_cube { 232 + grey } else { 16 + 36 * x + 6 * y + z }
}

fn sixteen(r: u8, g: u8, b: u8) -> Color {
    let bright = r.max(g).max(b);
    let on = |value: u8| value > 96 && u16::from(value) * 3 >= u16::from(bright) * 2;
    match (on(r), on(g), on(b)) {
        (false, false, false) => Color::DarkGray,
        (true, false, false) => Color::Red,
        (false, true, false) => Color::Green,
        (true, true, false) => Color::Yellow,
        (false, false, true) => Color::Blue,
        (true, false, true) => Color::Magenta,
        (false, true, true) => Color::Cyan,
        (true, true, true) => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_names_every_role_at_every_depth() {
        for name in names() {
            let file = inherited(toml::from_str(source(name).unwrap()).unwrap(), &mut Vec::new()).unwrap();
            for (_, role) in ROLES {
                assert!(file.roles.contains_key(*role), "{name} lacks {role}");
            }
            for depth in [Depth::Mono, Depth::Sixteen, Depth::Cube, Depth::True] {
                assert_eq!(Theme::built_in(name, depth).unwrap().name(), name);
            }
        }
    }

    #[test]
    fn the_selection_is_seen_without_colours() {
        let style = Theme::fitting(Depth::Mono).style(Role::Selected);
        assert!(style.add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn a_theme_that_inherits_from_itself_is_refused() {
        let error = Theme::parse("name = \"x\"\ninherits = \"x\"", Depth::True).unwrap_err();
        assert!(matches!(error, ThemeError::Circle(_)));
    }
}
