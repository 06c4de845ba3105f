//! Numbers out of `results.json`, and as text.

use serde::Deserialize;
use serde_json::Value;

use crate::lab::report::table::Interval;

/// What stands where a part of the experiment was not run.
pub const NOT_RUN: &str = "not run";

/// The number at `key`; none where it is missing or null.
pub fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

/// The text at `key`, empty where there is none.
pub fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The list at `key`, empty where there is none.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The mean with its interval at `key`; none where it is missing or null.
pub fn interval(value: &Value, key: &str) -> Option<Interval> {
    Interval::deserialize(value.get(key)?).ok()
}

/// A scalar, a list or a table of JSON, for people.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                format!("{} {}", key.replace('_', " "), plain(value))
            };
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
