//! What SQLite makes of a value on its way into a column: a text that looks like a number becomes one in a column of numbers, a number a text in
//! one of texts.

use super::values::Bound;
use crate::rows::{Cell, Class};

/// Which values a column changes (sqlite.org/datatype3.html, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Keeps all.
    None,
    /// Makes numbers texts.
    Text,
    /// Makes texts that look like numbers, and reals that are whole, integers; other such texts reals.
    Numeric,
    /// Makes texts that look like numbers, and integers, reals.
    Real,
}

impl Affinity {
    /// Of a column that is declared so.
    #[must_use]
    pub fn of(declared: &str, strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        match () {
            () if strict && declared == "ANY" => Self::None,
            () if has(&["INT"]) => Self::Numeric,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if declared.is_empty() || has(&["BLOB"]) => Self::None,
            () if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            () => Self::Numeric,
        }
    }

    /// Whether such a column holds the value as it is.
    #[must_use]
    pub fn keeps(self, value: &Bound<'_>) -> bool {
        if self == Self::None {
            return true;
        }
        match value {
            // A column of reals gives integers that lie in it as reals, so that none comes here.
            Bound::Inline(Cell::Integer(_)) => self != Self::Text,
            Bound::Inline(Cell::Real(number)) => match self {
                Self::Numeric => number.fract() != 0.0 || !number.is_finite(),
                // SQLite keeps whole numbers of such a column as integers, which have no sign of zero.
                Self::Real => *number != 0.0 || number.is_sign_positive(),
                _ => self != Self::Text,
            },
            Bound::Inline(Cell::Text(text)) => self == Self::Text || !is_number(text),
            Bound::Fetched(Class::Text, text) => self == Self::Text || !is_number(text),
            _ => true,
        }
    }
}

/// Whether SQLite takes the text for a number, which it may read no further than to a NUL.
fn is_number(text: &[u8]) -> bool {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !space(byte)).map_or(start, |last| last + 1);
    let rest = unsigned(&text[start..end]);
    let (whole, rest) = digits(rest);
    let (part, rest) = rest.strip_prefix(b".").map_or((0, rest), digits);
    let rest = match rest.split_first() {
        Some((b'e' | b'E', exponent)) => match digits(unsigned(exponent)) {
            (0, _) => return false,
            (_, rest) => rest,
        },
        _ => rest,
    };
    whole + part > 0 && rest.is_empty()
}

fn unsigned(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text)
}

/// How many digits it begins with, and what follows.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, types::ValueRef};

    use super::*;

    const DECLARED: [&str; 14] = [
        "",
        "INT",
        "INTEGER",
        "TEXT",
        "VARCHAR(3)",
        "REAL",
        "DOUBLE",
        "NUMERIC",
        "DATETIME",
        "BLOB",
        "CHARINT",
        "FLOATING POINT",
        "TEXT BLOB",
        "REAL BLOB",
    ];

    /// The value that SQLite gives back is the judge: a real is compared by its bits.
    #[test]
    fn what_a_column_keeps_is_what_sqlite_gives_back() {
        let texts = [
            "12",
            " 12 ",
            "1e3",
            "1.",
            ".5",
            ".",
            "",
            " ",
            "-",
            "+1",
            "--1",
            "1e",
            "1e+",
            "1E-2",
            "0x10",
            "2024-01-01",
            "1 2",
            "inf",
            "nan",
            "1_0",
            "\u{b}7\u{c}",
            "12\0",
            "12\0a",
            "99999999999999999999",
            "1a",
            "e5",
            "\u{a0}1",
            "00",
            "-0",
            "1.5e",
        ];
        let reals = [0.0, -0.0, 1.0, 1.5, 1e300, 9e18, 1e19, -9_223_372_036_854_775_808.0, f64::INFINITY, 4_503_599_627_370_497.5];
        let bound = texts.iter().map(|text| Bound::Inline(Cell::Text(text.as_bytes())));
        let bound = bound.chain(reals.iter().map(|real| Bound::Inline(Cell::Real(*real))));
        let values: Vec<Bound<'_>> =
            bound.chain([Bound::Inline(Cell::Integer(7)), Bound::Inline(Cell::Blob(b"12")), Bound::Inline(Cell::Null)]).collect();
        assert!(Affinity::of("DATETIME", false).keeps(&Bound::Inline(Cell::Text(b"2024-01-01"))), "ordinary tables are left alone");
        for declared in DECLARED {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")).unwrap();
            for value in &values {
                db.execute("REPLACE INTO t VALUES (1, ?)", [value]).unwrap();
                let same = db.query_row("SELECT v FROM t", [], |row| {
                    Ok(match (value, row.get_ref(0)?) {
                        (Bound::Inline(Cell::Text(given)), ValueRef::Text(found)) => *given == found,
                        (Bound::Inline(Cell::Real(given)), ValueRef::Real(found)) => given.to_bits() == found.to_bits(),
                        (Bound::Inline(Cell::Integer(_)), ValueRef::Text(_)) => false,
                        (Bound::Inline(Cell::Integer(_) | Cell::Blob(_) | Cell::Null), _) => true,
                        _ => false,
                    })
                });
                let kept = Affinity::of(declared, false).keeps(value);
                let shown = match value {
                    Bound::Inline(cell) => format!("{cell:?}"),
                    _ => String::new(),
                };
                // A whole real that is no 64-bit integer stays: to take it for changed is no harm.
                assert!(!kept || same.unwrap(), "{declared}: {shown}");
            }
        }
    }
}
