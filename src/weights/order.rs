//! The order of Keras's `model.layers`, which its files number layers by.

use crate::models::Layer;

/// Indices into `layers` in the order of `model.layers`: the layers farthest from the output first,
/// counted along the longest way, and layers equally far in the order in which a walk from the
/// output, depth first along each layer's inputs, meets them. Source: `map_graph` in
/// `ops/function.py` of Keras 3.15.1.
pub fn keras_order(layers: &[Layer]) -> Vec<usize> {
    let Some(output) = layers.len().checked_sub(1) else { return Vec::new() };
    let (met, finished) = walk(layers, output);
    let mut distance = vec![0usize; layers.len()];
    for &index in finished.iter().rev() {
        for &input in &layers[index].inputs {
            distance[input] = distance[input].max(distance[index] + 1);
        }
    }
    let mut order = finished;
    order.sort_by_key(|&index| (std::cmp::Reverse(distance[index]), met[index]));
    order
}

/// When each layer is met, and the layers in the order in which they are finished: each after all
/// that it reads. Layers that the output does not depend on are in neither.
fn walk(layers: &[Layer], output: usize) -> (Vec<usize>, Vec<usize>) {
    let mut met = vec![usize::MAX; layers.len()];
    let mut finished = Vec::with_capacity(layers.len());
    met[output] = 0;
    let mut count = 1;
    // Layers under way, each with the number of its inputs that were followed.
    let mut way = vec![(output, 0)];
    while let Some((index, followed)) = way.last_mut() {
        match layers[*index].inputs.get(*followed) {
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

    fn layer(name: &str, inputs: &[usize]) -> Layer {
        Layer { name: name.to_owned(), class: "Add", inputs: inputs.to_vec(), weights: Vec::new() }
    }

    #[test]
    fn layers_are_ordered_by_their_distance_from_the_output() {
        // What Keras 3.15.1 makes of a residual block whose projection is made first.
        let layers = [
            layer("input", &[]),
            layer("projection", &[0]),
            layer("conv_a", &[0]),
            layer("conv_b", &[2]),
            layer("add", &[1, 3]),
            layer("dense", &[4]),
        ];
        let names: Vec<&str> =
            keras_order(&layers).iter().map(|&index| layers[index].name.as_str()).collect();
        assert_eq!(names, ["input", "conv_a", "projection", "conv_b", "add", "dense"]);
        assert_eq!(keras_order(&[]), [0usize; 0]);
    }
}
