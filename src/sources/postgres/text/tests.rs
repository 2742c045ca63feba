//! Rows as lines, there and back.

use proptest::prelude::*;

use super::*;
use crate::rows::{Column, Digest, Fold, KeyKind, Large, Relation, RelationKind, Role};
use crate::sources::Looking;

/// Gives back the one content that it has.
struct One(Vec<u8>);

impl Resolve for One {
    fn fetch(&self, _: &Large, to: &mut dyn Write) -> io::Result<()> {
        self.0.chunks(1000).try_for_each(|piece| to.write_all(piece))
    }
}

/// A relation without a key with these columns.
fn keyless(columns: usize) -> Relation {
    let column =
        |place: usize| Column { name: format!("c{place}"), declared: String::new(), role: Role::Data, fold: Fold::Binary, not_null: false };
    let columns = (0..columns).map(column).collect();
    Relation { name: "t".into(), module: String::new(), kind: RelationKind::Table, columns, key: KeyKind::WholeRow }
}

/// The values of a line both ways, which are one: alone, and in a batch.
fn decoded(line: &[u8], kinds: &[Kind]) -> io::Result<Vec<Value>> {
    let (mut decoder, mut batch) = (Decoder::default(), Batch::default());
    let values = decoder.row(line, kinds, &Looking);
    batch.begin();
    let into = decoder.row_into(&mut batch, line, kinds, &Looking);
    assert_eq!(values.is_ok(), into.is_ok());
    let values = values?;
    batch.end(&keyless(kinds.len()), |_| 0).unwrap();
    let row = batch.rows().next().unwrap().to_row();
    assert!(row.values.len() == values.len() && row.values.iter().zip(&values).all(|(a, b)| a.same(b)));
    Ok(values)
}

fn value() -> impl Strategy<Value = (Kind, Value)> {
    prop_oneof![
        any::<i64>().prop_map(|number| (Kind::Integer, Value::Integer(number))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (Kind::Bytes, Value::Blob(bytes))),
        prop::collection::vec(1_u8..=255, 0..40).prop_map(|bytes| (Kind::Text, Value::Text(bytes))),
        Just((Kind::Text, Value::Null)),
        Just((Kind::Text, Value::text("\\N"))),
        Just((Kind::Text, Value::text("\\."))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_row_comes_back_from_its_line(row in prop::collection::vec(value(), 0..8)) {
        let (kinds, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let mut line = Vec::new();
        encode_row(values.iter().map(Value::cell), &One(Vec::new()), &mut line).unwrap();
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert!(!line.contains(&b'\n'));
        let back = decoded(&line, &kinds).unwrap();
        prop_assert!(back.len() == values.len() && back.iter().zip(&values).all(|(a, b)| a.same(b)));
    }
}

#[test]
fn large_values_are_escaped_on_their_way() {
    let bytes: Vec<u8> = b"tab\there\\\n".repeat(LARGE / 4);
    for (class, kind) in [(Class::Text, Kind::Text), (Class::Blob, Kind::Bytes)] {
        let large = Value::Large(Large { class, length: bytes.len() as u64, content: Digest::of(&bytes), chunks: vec![] });
        let mut line = Vec::new();
        encode_row([large.cell(), Cell::Null], &One(bytes.clone()), &mut line).unwrap();
        let back = decoded(line.strip_suffix(b"\n").unwrap(), &[kind, Kind::Text]).unwrap();
        assert!(back[0].same(&large) && back[1].is_null());
    }
}

#[test]
fn every_letter_is_a_digit_or_refused_wherever_it_stands() {
    for letter in 0..=255_u8 {
        let value = (letter as char).to_digit(16).filter(|_| !letter.is_ascii_uppercase()).and_then(|value| u8::try_from(value).ok());
        for (length, place) in (0..20).flat_map(|bytes| (0..2 * bytes).map(move |place| (2 * bytes, place))) {
            let mut digits = vec![b'3'; length];
            digits[place] = letter;
            let expected = value.map(|value| {
                let mut bytes = vec![0x33; length / 2];
                bytes[place / 2] = if place % 2 == 0 { value << 4 | 3 } else { 0x30 | value };
                bytes
            });
            let mut bytes = b"before".to_vec();
            let read = unhex(&digits, &mut bytes);
            assert_eq!(read.map(|()| bytes), expected, "{letter} at {place} of {length}");
            assert!(unhex(&digits[1..], &mut Vec::new()).is_none());
        }
    }
}

#[test]
fn a_line_with_other_columns_is_refused() {
    let read = decoded;
    assert!(read(b"1\t2", &[Kind::Integer]).is_err() && read(b"1", &[Kind::Integer; 2]).is_err());
    assert!(read(b"x", &[]).is_err() && read(b"", &[]).unwrap().is_empty());
    assert!(read(b"one", &[Kind::Integer]).is_err() && read(b"\\\\x0g", &[Kind::Bytes]).is_err());
    assert!(read(b"\\q", &[Kind::Text]).is_err() && read(b"a\\", &[Kind::Text]).is_err());
    assert!(
        read(b"a\nb", &[Kind::Text]).is_err()
            && read(b"a\\\\b\nc", &[Kind::Text]).is_err()
            && read(b"a long one\n", &[Kind::Text]).is_err()
    );
    assert!(read(b"\\Nx", &[Kind::Text]).is_err() && read(b"12x", &[Kind::Integer]).is_err() && read(b"-", &[Kind::Integer]).is_err());
    assert!(read(b"\\\\x0", &[Kind::Bytes]).is_err() && read(b"\\\\x0G", &[Kind::Bytes]).is_err() && read(b"0a", &[Kind::Bytes]).is_err());
}

#[test]
fn whole_numbers_are_read_up_to_the_last_one_and_no_further() {
    for number in [i64::MIN, i64::MIN + 1, -10, -1, 0, 7, i64::MAX - 1, i64::MAX] {
        let back = decoded(number.to_string().as_bytes(), &[Kind::Integer]).unwrap();
        assert!(back[0].same(&Value::Integer(number)));
    }
    for beyond in ["9223372036854775808", "-9223372036854775809", "92233720368547758070"] {
        assert!(decoded(beyond.as_bytes(), &[Kind::Integer]).is_err());
    }
}
