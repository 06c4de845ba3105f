//! Variants that were measured to be the fastest, by operation and shapes.

use std::collections::BTreeMap;

use super::Operation;
use crate::digest::digest;
use crate::engine::shape::Shape;

/// For operations on given shapes, the variants that replace what [`choose`](super::choose) says: what
/// `parula tune` found. Empty, it changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    variants: BTreeMap<String, String>,
}

impl Choices {
    /// What stands for `operation` on `inputs`: all of its parameters, and the shapes.
    pub fn key(operation: &dyn Operation, inputs: &[&Shape]) -> String {
        let shapes: Vec<String> = inputs.iter().map(|shape| shape.to_string()).collect();
        format!("{operation:?} on {}", shapes.join(", "))
    }

    /// Chooses `variant` for `key`.
    pub fn insert(&mut self, key: impl Into<String>, variant: impl Into<String>) {
        self.variants.insert(key.into(), variant.into());
    }

    /// The variant chosen for `operation` on `inputs`, if one is that the operation has.
    pub fn variant(&self, operation: &dyn Operation, inputs: &[&Shape]) -> Option<&'static str> {
        if self.variants.is_empty() {
            return None;
        }
        let name = self.variants.get(&Self::key(operation, inputs))?;
        super::find(operation, name).map(|variant| variant.name)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{Conv2d, Padding, Window};

    #[test]
    fn a_choice_is_of_one_operation_on_one_set_of_shapes() {
        let window = Window::square(3, 1, Padding::Same);
        let operation = Conv2d::new(window);
        let [x, w, wider] = [[2, 5, 5, 4], [3, 3, 4, 8], [2, 5, 6, 4]].map(Shape::from);
        let mut choices = Choices::default();
        assert_eq!(
            (choices.variant(&operation, &[&x, &w]), choices.digest().as_str()),
            (None, "none")
        );
        choices.insert(Choices::key(&operation, &[&x, &w]), "naive");
        assert_eq!(choices.variant(&operation, &[&x, &w]), Some("naive"));
        assert_eq!(choices.variant(&operation, &[&wider, &w]), None);
        assert_eq!(choices.variant(&operation.clone().with_bias(), &[&x, &w]), None);
        let before = choices.digest();
        choices.insert(Choices::key(&operation, &[&x, &w]), "of another version");
        assert_eq!(choices.variant(&operation, &[&x, &w]), None, "no variant has this name");
        assert_ne!(choices.digest(), before);
    }
}
