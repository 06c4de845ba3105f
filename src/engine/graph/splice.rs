//! Another tensor in the place of one: how an ablated activation, or changed copies of an image, enter a
//! network that knows nothing of them.

use super::{Graph, Value};
use crate::error::Result;

/// A copy of `graph` in which all that read `old` read what `make` adds to it, and the value that each
/// value of `graph` has become. What `make` puts in the place of `old` may have another batch size only
/// where nothing that reads it minds.
///
/// What led to `old` stays in the graph; where nothing else reads it, a plan leaves it out.
///
/// # Errors
/// Those of `make`, and [`Error::Shape`](crate::error::Error::Shape) when a layer refuses the new shape.
pub fn splice<T>(
    graph: &Graph,
    old: Value,
    make: impl FnOnce(&mut Graph) -> Result<(Value, T)>,
) -> Result<(Graph, Vec<Value>, T)> {
    let mut spliced = Graph::new();
    let mut map = Vec::with_capacity(graph.nodes().len());
    let mut nodes = graph.nodes();
    for (_, node) in nodes.by_ref().take(old.index() + 1) {
        map.push(spliced.push(node.clone())?);
    }
    let (new, made) = make(&mut spliced)?;
    if let Some(value) = map.last_mut() {
        *value = new;
    }
    for (_, node) in nodes {
        let inputs: Vec<Value> = node.inputs.iter().map(|input| map[input.index()]).collect();
        map.push(match node.operation() {
            Some(operation) => spliced.add_shared(node.name.clone(), operation.clone(), &inputs)?,
            None => spliced.push(node.clone())?,
        });
    }
    Ok((spliced, map, made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::graph::Operation;
    use crate::engine::shape::Shape;
    use crate::engine::tensor::Tensor;
    use crate::error::Error;

    /// The sum of tensors of one shape.
    #[derive(Debug)]
    struct Sum;

    impl Operation for Sum {
        fn name(&self) -> &'static str {
            "sum"
        }

        fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
            match inputs {
                [first, rest @ ..] if rest.iter().all(|one| one == first) => Ok((*first).clone()),
                _ => Err(Error::shape(self.name(), "the shapes differ")),
            }
        }

        fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
            let sum = |at: usize| inputs.iter().map(|one| one.data()[at]).sum();
            vec![Tensor::from_fn(inputs[0].shape().clone(), sum)]
        }
    }

    #[test]
    fn readers_of_the_old_value_read_the_new_one() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 2]).unwrap();
        let a = graph.add("a", Sum, &[x]).unwrap();
        let b = graph.add("b", Sum, &[a, x]).unwrap();
        let (spliced, map, ()) = splice(&graph, a, |graph| {
            let inserted = graph.input("inserted", [1, 2])?;
            Ok((graph.add("twice", Sum, &[inserted, inserted])?, ()))
        })
        .unwrap();
        let twice = spliced.find("twice").unwrap();
        assert_eq!(map[a.index()], twice);
        assert_eq!(spliced.node(map[b.index()]).inputs, [twice, map[x.index()]]);
        assert!(spliced.find("a").is_some_and(|a| spliced.node(a).inputs == [map[x.index()]]));
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused_by_the_layer_that_minds() {
        let mut graph = Graph::new();
        let x = graph.input("x", [1, 2]).unwrap();
        let y = graph.input("y", [1, 2]).unwrap();
        graph.add("sum", Sum, &[x, y]).unwrap();
        let put = |graph: &mut Graph| Ok((graph.input("wide", [1, 3])?, ()));
        let error = splice(&graph, y, put).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("sum"), "{error}");
    }
}
