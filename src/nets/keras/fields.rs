//! The fields of a layer, read strictly: what nobody asked for must be at its default, or the layer is
//! refused with field and value.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

/// What says how a layer is trained, or where its numbers started, and nothing of what it computes.
const ENDINGS: [&str; 3] = ["_initializer", "_regularizer", "_constraint"];

/// What is read elsewhere, or says nothing of what a layer computes.
const KNOWN: [&str; 6] =
    ["name", "trainable", "dtype", "batch_input_shape", "batch_shape", "shared_object_id"];

/// The fields of one layer.
pub(super) struct Fields<'a> {
    path: &'a Path,
    /// The layer and its class.
    place: String,
    map: &'a Map<String, Json>,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// Those of the layer called `name`, of `class`.
    pub fn new(path: &'a Path, name: &str, class: &str, map: &'a Map<String, Json>) -> Self {
        let place = format!("layer {name} ({class})");
        Fields { path, place, map, read: RefCell::default() }
    }

    /// The same layer's fields that stand in an object of their own: those of an activation.
    pub fn within(&'a self, what: &str, map: &'a Map<String, Json>) -> Self {
        let place = format!("{}, {what}", self.place);
        Fields { path: self.path, place, map, read: RefCell::default() }
    }

    /// The field, unless it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Json> {
        self.read.borrow_mut().insert(name.to_owned());
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Whether the file says null, where that is not the same as nothing.
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Json::is_null)
    }

    /// Whether this is an operation rather than a layer, which takes numbers by name.
    pub fn is_operation(&self) -> bool {
        const WITH_NUMBERS: [&str; 9] = [
            "TFOpLambda",
            "Add",
            "Subtract",
            "Multiply",
            "TrueDivide",
            "Divide",
            "Maximum",
            "Minimum",
            "Power",
        ];
        WITH_NUMBERS.iter().any(|class| self.place.ends_with(&format!("({class})")))
    }

    /// The layer is not one that can be computed here.
    pub fn refuse(&self, problem: impl AsRef<str>, hint: &str) -> Error {
        Error::content(self.path, format!("{}: {}", self.place, problem.as_ref()), hint)
    }

    /// The field has a value that is not understood.
    pub fn strange(&self, name: &str) -> Error {
        let problem = format!("{} is not understood", self.shown(name));
        self.refuse(problem, "build the model without it, or ask for it to be supported")
    }

    /// The field has a value that no layer of Keras's can have.
    pub fn impossible(&self, name: &str, hint: &str) -> Error {
        self.refuse(format!("{} cannot be", self.shown(name)), hint)
    }

    /// The field and its value, as the file has them.
    pub fn shown(&self, name: &str) -> String {
        let value = self.map.get(name).unwrap_or(&Json::Null).to_string();
        let shown: String = value.chars().take(80).collect();
        format!("{name} = {shown}")
    }

    fn or<T>(&self, name: &str, default: T, read: impl Fn(&Json) -> Option<T>) -> Result<T> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => read(value).ok_or_else(|| self.strange(name)),
        }
    }

    /// A whole number that must be there.
    pub fn whole(&self, name: &str) -> Result<usize> {
        self.get(name).and_then(whole).ok_or_else(|| self.strange(name))
    }

    /// A whole number.
    pub fn whole_or(&self, name: &str, default: usize) -> Result<usize> {
        self.or(name, default, whole)
    }

    /// A number, which a list of one may stand for.
    pub fn number_or(&self, name: &str, default: f64) -> Result<f64> {
        self.or(name, default, number)
    }

    /// Numbers, one or a list of lists of them; empty where there are none.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Json::Array(parts) => open.extend(parts.iter().rev()),
                value => found.push(number(value).ok_or_else(|| self.strange(name))?),
            }
        }
        Ok(found)
    }

    /// Yes or no.
    pub fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        self.or(name, default, Json::as_bool)
    }

    /// A word.
    pub fn text_or(&self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_str().ok_or_else(|| self.strange(name)),
        }
    }

    /// Two whole numbers, (height, width), or one for both.
    pub fn pair_or(&self, name: &str, default: [usize; 2]) -> Result<[usize; 2]> {
        self.or(name, default, pair)
    }

    /// Whole numbers that may be negative, in a list or alone; empty where there are none.
    pub fn signed(&self, name: &str) -> Result<Vec<i64>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = match value {
            Json::Array(parts) => parts.iter().map(signed).collect(),
            value => signed(value).map(|value| vec![value]),
        };
        list.ok_or_else(|| self.strange(name))
    }

    /// ((above, below), (left, right)), or a number for each axis, or one for all.
    pub fn border(&self, name: &str, default: usize) -> Result<[[usize; 2]; 2]> {
        self.or(name, [[default; 2]; 2], |value| match value {
            Json::Array(axes) => match axes.as_slice() {
                [height, width] => Some([pair(height)?, pair(width)?]),
                _ => None,
            },
            value => Some([[whole(value)?; 2]; 2]),
        })
    }

    /// Refuses every value but absence, null and these.
    pub fn only(&self, name: &str, allowed: &[Json]) -> Result<()> {
        match self.get(name) {
            Some(value) if !allowed.contains(value) => Err(self.strange(name)),
            _ => Ok(()),
        }
    }

    /// Images that have their channels last, as all here have.
    pub fn channels_last(&self) -> Result<()> {
        self.only("data_format", &[Json::from("channels_last")])
    }

    /// Says nothing of what the layer computes.
    pub fn skip(&self, names: &[&str]) {
        self.read.borrow_mut().extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// Refuses what was not read and is there.
    pub fn finish(&self) -> Result<()> {
        let read = self.read.borrow();
        let asked = |name: &str| {
            read.contains(name)
                || KNOWN.contains(&name)
                || ENDINGS.iter().any(|ending| name.ends_with(ending))
        };
        let rest = self.map.iter().find(|(name, value)| !asked(name) && !value.is_null());
        rest.map_or(Ok(()), |(name, _)| Err(self.strange(name)))
    }
}

fn whole(value: &Json) -> Option<usize> {
    match value {
        Json::Array(parts) => match parts.as_slice() {
            [value] => whole(value),
            _ => None,
        },
        value => signed(value).and_then(|value| usize::try_from(value).ok()),
    }
}

/// JSON writers have whole numbers as 2.0, too.
fn signed(value: &Json) -> Option<i64> {
    let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 1e15).then_some(value as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Array(parts) => match parts.as_slice() {
            [value] => number(value),
            _ => None,
        },
        // A NumPy scalar in a configuration of Keras 2.
        Json::Object(object) => object.get("config")?.get("value").and_then(number),
        value => value.as_f64(),
    }
    .filter(|number| number.is_finite())
}

fn pair(value: &Json) -> Option<[usize; 2]> {
    match value {
        Json::Array(parts) => match parts.as_slice() {
            [one] => Some([whole(one)?; 2]),
            [height, width] => Some([whole(height)?, whole(width)?]),
            _ => None,
        },
        value => Some([whole(value)?; 2]),
    }
}
