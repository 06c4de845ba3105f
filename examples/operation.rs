//! An operation of one's own in a graph: shape rule, reference, gradient, and the kernel that it runs as.
//!
//! A crate that uses parula lowers to parula's kernels; they run with bounds checks there. To write a kernel, add the
//! operation to parula itself: CONTRIBUTING.md has the places.
//!
//!     cargo run --example operation

use parula::Gpu;
use parula::engine::autodiff::gradients;
use parula::engine::graph::{Graph, Operation, Rule, Value, choose};
use parula::engine::kernel::{Lowered, Lowering, Operand};
use parula::engine::ops::{Elementwise, Instruction};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::{Error, Result};

/// y = x^2 for a tensor of any shape.
#[derive(Debug)]
struct Square;

impl Operation for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        match inputs {
            [x] => Ok((*x).clone()),
            _ => Err(Error::shape("square", format!("takes 1 input, got {}", inputs.len()))),
        }
    }

    /// dy/dx = 2 x, times the gradient of y.
    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let (x, dy) = (rule.input(0), rule.dy());
        let twice = rule.add("twice", Elementwise::one(Instruction::Scale(2.0)), &[x])?;
        let gradient = rule.add("gradient", Elementwise::multiply(), &[twice, dy])?;
        Ok(vec![Some(gradient)])
    }

    /// The truth, in double precision.
    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let x = inputs[0];
        vec![Tensor::from_fn(x.shape().clone(), |at| x.data()[at] * x.data()[at])]
    }

    /// x times x, by the kernel of elementwise products: both of its inputs are this operation's one.
    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let (inputs, views) = ([lowering.inputs[0]; 2], [lowering.views[0]; 2]);
        let product = Lowering { inputs: &inputs, views: &views, ..*lowering };
        let (_, mut lowered) = choose(&Elementwise::multiply(), &product)?;
        for (_, operand) in lowered.dispatches.iter_mut().flat_map(|one| &mut one.bindings) {
            if *operand == Operand::Input(1) {
                *operand = Operand::Input(0);
            }
        }
        Ok(lowered)
    }
}

fn main() -> Result<()> {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3, 5])?;
    let y = graph.add("y", Square, &[x])?;
    let seed = graph.input("seed", [2, 3, 5])?;
    let gradient = gradients(&mut graph, y, seed, &[x])?[0];

    let gpu = Gpu::open()?;
    let options = Options::default();
    let plan = plan::build(&graph, &[y, gradient], &[], gpu.capabilities(), &options)?;
    let store = Store::new(&gpu, &graph, 0)?;
    let mut session = Session::new(&gpu, plan, &store)?;
    let numbers = Tensor::from_fn([2, 3, 5], |at| at as f32 - 14.5);
    session.set("x", numbers.data())?;
    session.set("seed", &[1.0; 30])?;
    session.run()?;

    let truth = Square.reference(&[&numbers.widen()]).remove(0);
    let (found, gradient) = (session.read("y")?, session.read(&graph.node(gradient).name)?);
    for at in 0..30 {
        assert!((f64::from(found.data()[at]) - truth.data()[at]).abs() < 1e-4);
        assert!((gradient.data()[at] - 2.0 * numbers.data()[at]).abs() < 1e-4);
    }
    println!("30 squares and their gradients are right, on {}", gpu.report());
    Ok(())
}
