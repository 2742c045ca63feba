//! The small pieces of SQL that name things and hold values. All of it is ASCII, so that it means the same in every
//! client encoding.

use std::fmt::Write as _;

use crate::rows::Value;

/// A name as SQL takes it, whatever is in it.
pub fn ident(name: &str) -> String {
    if name.is_ascii() { format!("\"{}\"", name.replace('"', "\"\"")) } else { unicode(name, '"') }
}

/// Text that is known as such: a name as a string, the same letters in whatever encoding the database has.
pub fn string(text: &str) -> String {
    if text.is_ascii() { literal(text.as_bytes()) } else { unicode(text, '\'') }
}

fn unicode(text: &str, quote: char) -> String {
    let mut quoted = format!("U&{quote}");
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            twice if twice == quote => quoted.extend([quote, quote]),
            ascii if ascii.is_ascii() => quoted.push(ascii),
            other => drop(write!(quoted, "\\+{:06X}", u32::from(other))),
        }
    }
    quoted.push(quote);
    quoted
}

/// Names, separated by commas.
pub fn idents<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A table or the like in its schema.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A string, its bytes in the encoding of the database.
pub fn literal(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 3);
    quoted.push_str("E'");
    for &byte in bytes {
        match byte {
            b'\'' => quoted.push_str("''"),
            b'\\' => quoted.push_str("\\\\"),
            0x20..=0x7E => quoted.push(char::from(byte)),
            other => drop(write!(quoted, "\\x{other:02X}")),
        }
    }
    quoted.push('\'');
    quoted
}

/// A value as a literal that takes the type of what it is compared with; none for one that stands outside its row.
pub fn value(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "NULL".to_owned(),
        // Quoted: −9223372036854775808 alone is an operator and a number that is too large.
        Value::Integer(number) => format!("'{number}'"),
        Value::Real(number) => format!("'{number}'"),
        Value::Text(bytes) => literal(bytes),
        Value::Blob(bytes) => format!("'\\x{}'", hex(bytes)),
        Value::Large(_) => return None,
    })
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_is_in_them() {
        assert_eq!(ident("a\"b;\nc"), "\"a\"\"b;\nc\"");
        assert_eq!(ident("naïve\\\"☃"), "U&\"na\\+0000EFve\\\\\"\"\\+002603\"");
        assert_eq!(string("it's ☃"), "U&'it''s \\+002603'");
        assert_eq!(qualified("public", "x"), "\"public\".\"x\"");
    }

    #[test]
    fn strings_are_ascii_and_keep_their_bytes() {
        assert_eq!(literal(b"it's \\ \n\xE4"), "E'it''s \\\\ \\x0A\\xE4'");
        assert_eq!(value(&Value::Blob(vec![0, 255])).as_deref(), Some("'\\x00ff'"));
        assert_eq!(value(&Value::Integer(i64::MIN)).as_deref(), Some("'-9223372036854775808'"));
    }
}
