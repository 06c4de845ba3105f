//! The order of Keras's `model.layers`, which its files number layers by.

use crate::nets::models::Layer;

/// Indices into `layers` in the order of `model.layers`: the layers farthest from the output first,
/// counted along the longest way, and layers equally far in the order in which a walk from the
/// output, depth first along each layer's inputs, meets them. Source: `map_graph` in
/// `ops/function.py` of Keras 3.15.1.
pub fn keras_order(layers: &[Layer]) -> Vec<usize> {
    let inputs: Vec<&[usize]> = layers.iter().map(|layer| layer.inputs.as_slice()).collect();
    order(&inputs)
}

/// The same from what each layer reads; the last one is the output.
fn order(inputs: &[&[usize]]) -> Vec<usize> {
    let Some(output) = inputs.len().checked_sub(1) else { return Vec::new() };
    let (met, finished) = walk(inputs, output);
    let mut distance = vec![0usize; inputs.len()];
    for &index in finished.iter().rev() {
        for &input in inputs[index] {
            distance[input] = distance[input].max(distance[index] + 1);
        }
    }
    let mut order = finished;
    order.sort_by_key(|&index| (std::cmp::Reverse(distance[index]), met[index]));
    order
}

/// When each layer is met, and the layers in the order in which they are finished: each after all
/// that it reads. Layers that the output does not depend on are in neither.
fn walk(inputs: &[&[usize]], output: usize) -> (Vec<usize>, Vec<usize>) {
    let mut met = vec![usize::MAX; inputs.len()];
    let mut finished = Vec::with_capacity(inputs.len());
    met[output] = 0;
    let mut count = 1;
    // Layers under way, each with the number of its inputs that were followed.
    let mut way = vec![(output, 0)];
    while let Some((index, followed)) = way.last_mut() {
        match inputs[*index].get(*followed) {
            None => {
                finished.push(*index);
                way.pop();
            }
            Some(&input) => {
                *followed += 1;
                if met[input] == usize::MAX {
                    met[input] = count;
                    count += 1;
                    way.push((input, 0));
                }
            }
        }
    }
    (met, finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_ordered_by_their_distance_from_the_output() {
        // A residual block whose projection is made first, as Keras 3.15.1 orders it.
        let (input, projection, conv_a, conv_b, add, dense) = (0, 1, 2, 3, 4, 5);
        let inputs: [&[usize]; 6] =
            [&[], &[input], &[input], &[conv_a], &[projection, conv_b], &[add]];
        assert_eq!(order(&inputs), [input, conv_a, projection, conv_b, add, dense]);
        assert_eq!(order(&[]), [0usize; 0]);
    }
}
