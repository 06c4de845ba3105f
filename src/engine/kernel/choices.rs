//! Variants that were measured to be the fastest, by operation and shapes.

use std::collections::BTreeMap;

use crate::digest::digest;

/// For operations on given shapes, the variants that replace the cheapest by price: what `parula tune` found. Empty, it
/// changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    variants: BTreeMap<String, String>,
}

impl Choices {
    /// Chooses `variant` for `key`, which stands for an operation and its shapes.
    pub fn insert(&mut self, key: impl Into<String>, variant: impl Into<String>) {
        self.variants.insert(key.into(), variant.into());
    }

    /// The variant chosen for `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.variants.get(key).map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.variants.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// What stands for all of them: another kernel may round otherwise. `none` where there are none.
    pub fn digest(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        digest(self.variants.iter().flat_map(|(key, variant)| [key.as_str(), variant.as_str()]))
    }
}
