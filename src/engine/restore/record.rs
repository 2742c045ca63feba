//! One record of a plan, and its bytes in the spool.

use serde_json::{Map, Value as Json, json};

use super::strategy::{Effect, State};
use crate::rows::difference::{FieldChange, FieldKind};
use crate::rows::{Class, Digest, Key, Large, Relation, RelationKind, Row, RowDigest, Value};

/// A record that differs, what is done to it, and both its sides in the live relation's columns.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its key.
    pub key: Key,
    /// Where it stands.
    pub state: State,
    /// What is done, once collisions and missing parents are taken out.
    pub effect: Effect,
    /// A unique value that it would take is held by another record.
    pub collision: bool,
    /// The key of the live record that holds it, as [`key_json`] gives it; none where no live record does, or there is no collision.
    pub holder: Option<Json>,
    /// A record that it refers to, or that refers to it, forbids it.
    pub blocked: bool,
    /// It belongs to another tenant than those that were chosen, now or in the backup: nothing is done to it.
    pub moved: bool,
    /// Why the source would not take it as it would be: nothing is done to it.
    pub refused: Option<String>,
    /// It takes a unique value that another updated record gives up: it is put aside first and put back last.
    pub exchange: bool,
    /// The fields that differ.
    pub fields: Vec<FieldChange>,
    /// The backup's values.
    pub backup: Option<Row>,
    /// The live values, as the preview saw them.
    pub live: Option<Row>,
}

impl Record {
    /// The row as it is afterwards; `None` where there is none.
    #[must_use]
    pub fn result(&self) -> Option<Row> {
        match &self.effect {
            Effect::Create => self.backup.clone(),
            Effect::Skip => self.live.clone(),
            Effect::Delete => None,
            Effect::Update(columns) => {
                let mut row = self.live.clone()?;
                let backup = self.backup.as_ref()?;
                for &column in columns {
                    row.values[column] = backup.values[column].clone();
                }
                Some(row)
            }
        }
    }

    /// The digest of the live row that the plan saw.
    #[must_use]
    pub fn live_digest(&self) -> Option<RowDigest> {
        self.live.as_ref().map(Row::digest)
    }

    /// Whether anything is written.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.effect != Effect::Skip
    }

    /// As `restore preview --rows` prints it.
    #[must_use]
    pub fn to_json(&self, relation: &Relation) -> Json {
        let side = |row: &Option<Row>, column: usize| row.as_ref().map_or(Json::Null, |row| value_json(&row.values[column]));
        let result = self.result();
        let columns: Vec<usize> = match self.state {
            State::Conflict | State::Identical => self.fields.iter().map(|change| change.column).collect(),
            State::New | State::LiveOnly => relation.visible().collect(),
        };
        let fields: Vec<Json> = columns
            .into_iter()
            .map(|column| {
                json!({"field": relation.columns[column].name, "backup": side(&self.backup, column),
                       "live": side(&self.live, column), "result": side(&result, column)})
            })
            .collect();
        let mut object = Map::new();
        object.insert("key".into(), key_json(relation, self.live.as_ref().or(self.backup.as_ref()), &self.key));
        object.insert("state".into(), json!(self.state));
        for (name, set) in [("collision", self.collision), ("blocked", self.blocked), ("moved", self.moved)] {
            if set {
                object.insert(name.into(), Json::Bool(true));
            }
        }
        object.extend(self.refused.iter().map(|why| ("refused".into(), json!(why))));
        object.extend(self.holder.iter().map(|holder| ("holder".into(), holder.clone())));
        object.insert("fields".into(), Json::Array(fields));
        Json::Object(object)
    }
}

/// A value as JSON: numbers, strings, `{"real": "inf"}`, `{"base64": …}`; a large one by its class, length and digest.
#[must_use]
pub fn value_json(value: &Value) -> Json {
    use base64::Engine as _;
    let encoded = |bytes: &[u8]| json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)});
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) if number.is_finite() => json!(number),
        Value::Real(number) => json!({"real": number.to_string()}),
        Value::Text(bytes) => std::str::from_utf8(bytes).map_or_else(|_| encoded(bytes), |text| json!(text)),
        Value::Blob(bytes) => encoded(bytes),
        Value::Large(large) => json!({"large": large.class, "bytes": large.length, "digest": large.content}),
    }
}

/// A key as JSON: its columns by name, or the digest and ordinal of a record without one.
#[must_use]
pub fn key_json(relation: &Relation, row: Option<&Row>, key: &Key) -> Json {
    if let Some((digest, ordinal)) = key.whole_row() {
        return json!({"digest": digest.to_string(), "ordinal": ordinal});
    }
    let values = relation.key_columns().iter().map(|&column| {
        let value = row.map_or(Json::Null, |row| value_json(&row.values[column]));
        (relation.columns[column].name.clone(), value)
    });
    Json::Object(values.collect())
}

/// A value or a key of [`value_json`] or [`key_json`] as a person reads it.
#[must_use]
pub fn plain(value: &Json) -> String {
    match value {
        Json::Null => "∅".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(fields) => match (fields.get("base64"), fields.get("real")) {
            (Some(Json::String(data)), None) => format!("{} bytes", data.len() / 4 * 3),
            (None, Some(Json::String(real))) => real.clone(),
            _ => fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", "),
        },
        other => other.to_string(),
    }
}

/// The key that an operator wrote: the JSON of [`key_json`], or for a key of one column its bare value.
#[must_use]
pub fn key_from_json(relation: &Relation, json: &Json) -> Option<Key> {
    if let (Some(digest), Some(ordinal)) = (json.get("digest").and_then(Json::as_str), json.get("ordinal").and_then(Json::as_u64)) {
        let bytes = u128::from_str_radix(digest, 16).ok().filter(|_| digest.len() == 32)?;
        return Some(Key::of_row(RowDigest(bytes.to_be_bytes()), u32::try_from(ordinal).ok()?));
    }
    let columns = relation.key_columns();
    // The bytes of a path are text whatever they are.
    let value = |json: &Json| match (value_from_json(json)?, relation.kind) {
        (Value::Blob(path), RelationKind::Files) => Some(Value::Text(path)),
        (value, _) => Some(value),
    };
    let values: Vec<Value> = match (json, columns) {
        (Json::Object(map), _) if !map.contains_key("base64") && !map.contains_key("real") => {
            columns.iter().map(|&column| map.get(&relation.columns[column].name).and_then(value)).collect::<Option<_>>()?
        }
        (single, [_]) => vec![value(single)?],
        _ => return None,
    };
    Key::of(values.iter().zip(columns).map(|(value, &column)| (value, relation.columns[column].fold)))
}

/// The key in `MODEL:KEY` of the command line: JSON, or the bare text of a key of one column (a number where the column is declared as one).
#[must_use]
pub fn key_from_text(relation: &Relation, text: &str) -> Option<Key> {
    if let Some(key) = serde_json::from_str::<Json>(text).ok().filter(Json::is_object).and_then(|json| key_from_json(relation, &json)) {
        return Some(key);
    }
    let [column] = relation.key_columns() else { return None };
    let declared = relation.columns[*column].declared.to_ascii_uppercase();
    let textual = ["CHAR", "TEXT", "CLOB"].iter().any(|kind| declared.contains(kind));
    let number = serde_json::from_str::<serde_json::Number>(text).ok().filter(|_| !textual);
    key_from_json(relation, &number.map_or_else(|| json!(text), Json::Number))
}

/// The key in a choice: JSON, or a bare text as [`key_from_text`] reads it.
#[must_use]
pub fn key_of_choice(relation: &Relation, key: &Json) -> Option<Key> {
    match key {
        Json::String(text) => key_from_text(relation, text),
        other => key_from_json(relation, other),
    }
}

fn value_from_json(json: &Json) -> Option<Value> {
    use base64::Engine as _;
    Some(match json {
        Json::Null => Value::Null,
        Json::Number(number) => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real))?,
        Json::String(text) => Value::text(text),
        Json::Object(map) => match (map.get("real"), map.get("base64")) {
            (Some(Json::String(real)), _) => Value::Real(real.parse().ok()?),
            (_, Some(Json::String(bytes))) => Value::Blob(base64::engine::general_purpose::STANDARD.decode(bytes).ok()?),
            _ => return None,
        },
        Json::Bool(_) | Json::Array(_) => return None,
    })
}

/// Appends the record's bytes.
pub fn encode(record: &Record, to: &mut Vec<u8>) {
    push_bytes(to, record.key.as_bytes());
    to.push(match record.state {
        State::New => 0,
        State::Identical => 1,
        State::Conflict => 2,
        State::LiveOnly => 3,
    });
    let set = [record.collision, record.blocked, record.exchange, record.moved, record.holder.is_some(), record.refused.is_some()];
    to.push(set.into_iter().enumerate().map(|(bit, set)| u8::from(set) << bit).sum());
    let (effect, columns): (u8, &[usize]) = match &record.effect {
        Effect::Create => (0, &[]),
        Effect::Update(columns) => (1, columns),
        Effect::Skip => (2, &[]),
        Effect::Delete => (3, &[]),
    };
    to.push(effect);
    push_length(to, columns.len());
    columns.iter().for_each(|&column| push_length(to, column));
    push_length(to, record.fields.len());
    for change in &record.fields {
        push_length(to, change.column);
        to.push(match change.kind {
            FieldKind::Fill => 0,
            FieldKind::Change => 1,
            FieldKind::Blank => 2,
        });
    }
    for row in [&record.backup, &record.live] {
        to.push(u8::from(row.is_some()));
        if let Some(row) = row {
            push_length(to, row.values.len());
            row.values.iter().for_each(|value| push_value(to, value));
        }
    }
    if let Some(holder) = &record.holder {
        push_bytes(to, holder.to_string().as_bytes());
    }
    if let Some(refused) = &record.refused {
        push_bytes(to, refused.as_bytes());
    }
}

/// Takes a record's bytes from the front of `from`; `None` where they are not a record's.
pub fn decode(from: &mut &[u8]) -> Option<Record> {
    let key = Key::from_bytes(take_bytes(from)?.to_vec());
    let state = match take(from)? {
        0 => State::New,
        1 => State::Identical,
        2 => State::Conflict,
        3 => State::LiveOnly,
        _ => return None,
    };
    let flags = take(from)?;
    let effect = take(from)?;
    let columns = (0..take_length(from)?).map(|_| take_length(from)).collect::<Option<Vec<_>>>()?;
    let effect = match effect {
        0 => Effect::Create,
        1 => Effect::Update(columns),
        2 => Effect::Skip,
        3 => Effect::Delete,
        _ => return None,
    };
    let fields = (0..take_length(from)?).map(|_| take_field(from)).collect::<Option<Vec<_>>>()?;
    let backup = take_row(from, &key)?;
    let live = take_row(from, &key)?;
    let [collision, blocked, exchange, moved, held, refused] = [1, 2, 4, 8, 16, 32].map(|bit| flags & bit != 0);
    let holder = if held { Some(serde_json::from_slice(take_bytes(from)?).ok()?) } else { None };
    let refused = if refused { Some(String::from_utf8(take_bytes(from)?.to_vec()).ok()?) } else { None };
    Some(Record { key, state, effect, collision, holder, blocked, moved, refused, exchange, fields, backup, live })
}

fn push_length(to: &mut Vec<u8>, length: usize) {
    to.extend_from_slice(&(length as u64).to_le_bytes());
}

fn push_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    push_length(to, bytes.len());
    to.extend_from_slice(bytes);
}

fn push_value(to: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => to.push(0),
        Value::Integer(number) => {
            to.push(1);
            to.extend_from_slice(&number.to_le_bytes());
        }
        Value::Real(number) => {
            to.push(2);
            to.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Text(bytes) => {
            to.push(3);
            push_bytes(to, bytes);
        }
        Value::Blob(bytes) => {
            to.push(4);
            push_bytes(to, bytes);
        }
        Value::Large(large) => {
            to.push(if large.class == Class::Text { 5 } else { 6 });
            to.extend_from_slice(&large.length.to_le_bytes());
            to.extend_from_slice(&large.content.0);
            push_length(to, large.chunks.len());
            large.chunks.iter().for_each(|chunk| to.extend_from_slice(&chunk.0));
        }
    }
}

fn take(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

fn take_array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*head)
}

/// A length or an index; never more than the bytes that follow could hold, or what an index may be.
fn take_length(from: &mut &[u8]) -> Option<usize> {
    let length = usize::try_from(u64::from_le_bytes(take_array(from)?)).ok()?;
    (length <= from.len().max(1 << 16)).then_some(length)
}

fn take_bytes<'b>(from: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = take_length(from)?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

fn take_field(from: &mut &[u8]) -> Option<FieldChange> {
    let column = take_length(from)?;
    let kind = match take(from)? {
        0 => FieldKind::Fill,
        1 => FieldKind::Change,
        2 => FieldKind::Blank,
        _ => return None,
    };
    Some(FieldChange { column, kind })
}

#[allow(clippy::option_option)]
fn take_row(from: &mut &[u8], key: &Key) -> Option<Option<Row>> {
    if take(from)? == 0 {
        return Some(None);
    }
    let values = (0..take_length(from)?).map(|_| take_value(from)).collect::<Option<Vec<_>>>()?;
    Some(Some(Row { key: key.clone(), values }))
}

fn take_value(from: &mut &[u8]) -> Option<Value> {
    let tag = take(from)?;
    Some(match tag {
        0 => Value::Null,
        1 => Value::Integer(i64::from_le_bytes(take_array(from)?)),
        2 => Value::Real(f64::from_bits(u64::from_le_bytes(take_array(from)?))),
        3 => Value::Text(take_bytes(from)?.to_vec()),
        4 => Value::Blob(take_bytes(from)?.to_vec()),
        5 | 6 => {
            let class = if tag == 5 { Class::Text } else { Class::Blob };
            let length = u64::from_le_bytes(take_array(from)?);
            let content = Digest(take_array(from)?);
            let chunks = (0..take_length(from)?).map(|_| take_array(from).map(Digest)).collect::<Option<_>>()?;
            Value::Large(Large { class, length, content, chunks })
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_bytes_and_no_prefix_of_them_does() {
        let large = Large { class: Class::Blob, length: 20_000, content: Digest([7; 32]), chunks: vec![Digest([8; 32])] };
        let values =
            vec![Value::Integer(7), Value::Null, Value::Real(-0.0), Value::Text(vec![0xFF]), Value::Blob(vec![]), Value::Large(large)];
        let key = Key::of([(&values[0], crate::rows::Fold::Binary)]).unwrap();
        let row = Row { key: key.clone(), values };
        let record = Record {
            key,
            state: State::Conflict,
            effect: Effect::Update(vec![1, 3]),
            collision: true,
            holder: Some(json!({"id": 7})),
            blocked: true,
            moved: true,
            refused: Some("breaks the constraint c".into()),
            exchange: true,
            fields: vec![FieldChange { column: 1, kind: FieldKind::Blank }],
            backup: Some(row.clone()),
            live: Some(row),
        };
        let mut bytes = Vec::new();
        encode(&record, &mut bytes);
        let back = decode(&mut &bytes[..]).unwrap();
        assert_eq!(format!("{back:?}"), format!("{record:?}"));
        for end in 0..bytes.len() {
            assert!(decode(&mut &bytes[..end]).is_none());
        }
    }
}
