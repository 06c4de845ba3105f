//! What [`Choices`] say of an operation.

use crate::engine::graph::{Operation, find};
use crate::engine::kernel::Choices;
use crate::engine::shape::Shape;

/// What stands for `operation` on `inputs` in [`Choices`]: all of its parameters, and the shapes.
pub fn choice_key(operation: &dyn Operation, inputs: &[&Shape]) -> String {
    let shapes: Vec<String> = inputs.iter().map(|shape| shape.to_string()).collect();
    format!("{operation:?} on {}", shapes.join(", "))
}

/// The variant chosen for `operation` on `inputs`, if one is that the operation has.
pub fn chosen(
    choices: &Choices,
    operation: &dyn Operation,
    inputs: &[&Shape],
) -> Option<&'static str> {
    if choices.is_empty() {
        return None;
    }
    let name = choices.get(&choice_key(operation, inputs))?;
    find(operation, name).map(|variant| variant.name)
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
            (chosen(&choices, &operation, &[&x, &w]), choices.digest().as_str()),
            (None, "none")
        );
        choices.insert(choice_key(&operation, &[&x, &w]), "naive");
        assert_eq!(chosen(&choices, &operation, &[&x, &w]), Some("naive"));
        assert_eq!(chosen(&choices, &operation, &[&wider, &w]), None);
        assert_eq!(chosen(&choices, &operation.clone().with_bias(), &[&x, &w]), None);
        let before = choices.digest();
        choices.insert(choice_key(&operation, &[&x, &w]), "of another version");
        assert_eq!(chosen(&choices, &operation, &[&x, &w]), None, "no variant has this name");
        assert_ne!(choices.digest(), before);
    }
}
