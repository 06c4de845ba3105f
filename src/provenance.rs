//! What something was made from: names and values, and the first in which two of them differ.

use serde_json::{Map, Value};

use crate::digest::digest;

/// What decides how a file comes out, by name.
pub type Items = Map<String, Value>;

/// Items that stand for what they were computed from, and what it means that they differ. They follow from the
/// other items, so that these are named first.
const DIGESTS: [(&str, &str); 4] = [
    ("rois", "the ROIs are others"),
    ("images", "the images are others"),
    ("targets", "the masks to learn from are others"),
    ("split", "the split is another"),
];

/// Longer values are cut off in messages.
const MOST: usize = 80;

/// Items of these names and values.
pub fn items<const N: usize>(entries: [(&str, Value); N]) -> Items {
    entries.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// The first entry in which `now` differs from `then`, in words: `batch was 26, is 32`. One that only one
/// of them has counts; inside objects it is named as `training.batch`. What a user gives comes before what
/// stands for pictures and splits.
pub fn difference(now: &Items, then: &Items) -> Option<String> {
    let meaning = |key: &str| DIGESTS.iter().find(|(name, _)| *name == key).map(|(_, words)| words);
    let differ = || now.keys().chain(then.keys()).filter(|&key| now.get(key) != then.get(key));
    let key = differ().find(|key| meaning(key).is_none()).or_else(|| differ().next())?;
    let inside = match (now.get(key), then.get(key)) {
        (Some(Value::Object(now)), Some(Value::Object(then))) => difference(now, then),
        (Some(Value::Object(now)), None) => difference(now, &Items::new()),
        (None, Some(Value::Object(then))) => difference(&Items::new(), then),
        _ => None,
    };
    if let Some(inside) = inside {
        return Some(format!("{key}.{inside}"));
    }
    let words = format!("{key} was {}, is {}", word(then.get(key)), word(now.get(key)));
    Some(meaning(key).map_or(words.clone(), |meaning| format!("{meaning} ({words})")))
}

fn word(entry: Option<&Value>) -> String {
    let text = entry.map_or("the default".to_owned(), Value::to_string);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A number that stands for `items`, whatever their order.
pub(crate) fn key(items: &Items) -> String {
    digest([sorted(&Value::Object(items.clone())).to_string().as_str()])
}

/// The same value with the entries of all objects in the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(name, value)| (name, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            entries.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_down_to_the_entry() {
        let then = items([("a", json!(1)), ("training", json!({"batch": 26, "epochs": 3}))]);
        assert_eq!(difference(&then, &then), None);
        let now = items([("a", json!(1)), ("training", json!({"batch": 32, "epochs": 3}))]);
        assert_eq!(difference(&now, &then).as_deref(), Some("training.batch was 26, is 32"));
        let now = items([("a", json!(1)), ("training", Value::Null)]);
        let found = difference(&now, &then).unwrap();
        assert!(found.starts_with("training was {") && found.ends_with(", is null"), "{found}");
        let now = items([("a", json!(1))]);
        assert!(difference(&now, &then).unwrap().ends_with("is the default"));
        let long = items([("a", json!("x".repeat(1000)))]);
        assert!(difference(&long, &then).unwrap().len() < 200);
    }

    #[test]
    fn options_are_named_before_what_follows_from_them() {
        let then = items([("images", json!("1")), ("split", json!("2")), ("batch", json!(1))]);
        let now = items([("images", json!("3")), ("split", json!("2")), ("batch", json!(1))]);
        let found = difference(&now, &then).unwrap();
        assert_eq!(found, "the images are others (images was \"1\", is \"3\")");
        let mut whole = now.clone();
        whole.insert("pictures".to_owned(), json!({"window": [0, 255]}));
        let found = difference(&whole, &then).unwrap();
        assert_eq!(found, "pictures.window was the default, is [0,255]");
        let found = difference(&then, &whole).unwrap();
        assert_eq!(found, "pictures.window was [0,255], is the default");
    }

    #[test]
    fn the_order_of_items_does_not_count_and_their_values_do() {
        let one = items([("a", json!({"x": 1, "y": 2})), ("b", json!("c"))]);
        let turned = items([("b", json!("c")), ("a", json!({"y": 2, "x": 1}))]);
        assert_eq!(key(&one), key(&turned));
        assert_eq!(difference(&one, &turned), None);
        assert_ne!(key(&one), key(&items([("a", json!({"x": 1, "y": 3})), ("b", json!("c"))])));
    }
}
