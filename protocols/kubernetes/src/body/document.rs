//! A body as a tree, read so that nobody can read it otherwise: a key stands once in an object, and YAML has neither
//! anchors nor merge keys nor several documents.

use super::{LAST_APPLIED, MAX_VALUES, REDACTED, REDACTED_BASE64, Unreadable};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Budget, DuplicateKeyPolicy, MergeKeyPolicy, Options};
use std::fmt;

/// What is said of a key that stands twice, by which it is told from everything else that can be wrong.
const TWICE: &str = "a key stands twice";

/// Reads JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Unreadable> {
    if values(body) > MAX_VALUES {
        return Err(Unreadable::TooMany);
    }
    let read: Result<Strict, _> = serde_json::from_slice(body);
    read.map(|strict| strict.0).map_err(|error| problem(&error))
}

/// At the most so many values are in JSON: one, and one more for each thing that can stand before another. Told without reading
/// it, because what is read takes its memory first.
fn values(json: &[u8]) -> usize {
    let (mut found, mut within, mut escaped) = (1_usize, false, false);
    for byte in json {
        match (within, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => within = !within,
            (false, b',' | b'[' | b'{') => found += 1,
            (true | false, _) => {}
        }
    }
    found
}

/// Reads YAML, which JSON is too.
pub(super) fn yaml(body: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    // YAML 1.1 takes its members for those of the object it is in; other readers do not.
    options.merge_keys = MergeKeyPolicy::Error;
    let mut budget = Budget::default();
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    budget.max_documents = 1;
    options.budget = Some(budget);
    options.with_snippet = false;
    let read: Result<Strict, _> = serde_saphyr::from_str_with_options(text, options);
    read.map(|strict| strict.0).map_err(|error| problem(&error))
}

fn problem(error: &impl fmt::Display) -> Unreadable {
    let said = error.to_string();
    let twice = said.contains(TWICE) || said.to_lowercase().contains("duplicate");
    if twice { Unreadable::Twice } else { Unreadable::Malformed }
}

/// Whether a value is one that the gateway shows in the place of another.
pub(super) fn has_masked_value(value: &Value) -> bool {
    match value {
        Value::String(text) => is_masked(text),
        Value::Array(elements) => elements.iter().any(has_masked_value),
        Value::Object(members) => members.iter().any(|(key, value)| {
            let kept = key == LAST_APPLIED && value.as_str().is_some_and(has_masked_part);
            kept || has_masked_value(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a text stands for a masked one, or is a document with one in it.
fn is_masked(text: &str) -> bool {
    let is_document = text.trim_start().starts_with(['{', '[']) && text.contains("\"Secret");
    text == REDACTED || text == REDACTED_BASE64 || is_document && has_masked_part(text)
}

fn has_masked_part(text: &str) -> bool {
    text.contains(REDACTED) || text.contains(REDACTED_BASE64)
}

/// A value no object of which has a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            read.push(element);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if read.insert(key, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(read))
    }
}
