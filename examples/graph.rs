//! A graph of one's own, its gradient on the GPU, and the proof that it is right.
//!
//!     cargo run --example graph

use std::collections::HashMap;

use parula::Gpu;
use parula::engine::autodiff::gradients;
use parula::engine::graph::{Graph, Init, Role};
use parula::engine::ops::{Conv2d, Elementwise, GlobalAveragePool, Padding, Window};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::tensor::Tensor;

fn main() -> parula::Result<()> {
    // score = mean over pixels of relu(conv3x3(x, w)): (1, 8, 8, 3) to (1, 4).
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 8, 8, 3])?;
    let w = graph.variable("w", [3, 3, 3, 4], Role::Trainable, Init::HeNormal { fan_in: 27 })?;
    let y = graph.add("conv", Conv2d::new(Window::square(3, 1, Padding::Same)), &[x, w])?;
    let y = graph.add("relu", Elementwise::relu(), &[y])?;
    let score = graph.add("score", GlobalAveragePool, &[y])?;

    // d score[2] / dx and / dw: more nodes of the same graph.
    let seed = graph.input("seed", [1, 4])?;
    let wanted = gradients(&mut graph, score, seed, &[x, w])?;
    let outputs = [score, wanted[0], wanted[1]];

    // The plan is plain data; `println!("{plan}")` shows its kernels and memory.
    let gpu = Gpu::open()?;
    let plan = plan::build(&graph, &outputs, &[], gpu.capabilities(), &Options::default())?;
    println!("{} kernels, {} bytes, on {}", plan.dispatches(), plan.peak_bytes, gpu.report());
    let store = Store::new(&gpu, &graph, 7)?;
    let mut session = Session::new(&gpu, plan, &store)?;
    let image = Tensor::from_fn([1, 8, 8, 3], |at| (at as f32 * 0.7).sin());
    session.set("x", image.data())?;
    session.set("seed", &[0.0, 0.0, 1.0, 0.0])?;
    session.run()?;
    let gradient = session.read(&graph.node(wanted[1]).name)?;

    // The same graph on the processor in double precision, with one weight moved a little to each side.
    let weights = store.get(&["w".to_owned()])?.remove(0).widen();
    let seed = Tensor::new([1, 4], vec![0.0, 0.0, 1.0, 0.0])?;
    let score_with = |by: f64| -> parula::Result<f64> {
        let mut moved = weights.clone();
        moved.data_mut()[2] += by;
        let given = [("x", image.widen()), ("w", moved), ("seed", seed.clone())];
        let given: HashMap<_, _> = given.map(|(name, t)| (name.to_owned(), t)).into();
        Ok(evaluate(&graph, &given, &[score])?.get(score).map_or(f64::NAN, |s| s.data()[2]))
    };
    let numeric = (score_with(1e-6)? - score_with(-1e-6)?) / 2e-6;
    let found = f64::from(gradient.data()[2]);
    println!("d score[2] / dw[0, 0, 0, 2] = {found:.7} on the GPU, {numeric:.7} by differences");
    assert!((found - numeric).abs() < 1e-5 * numeric.abs().max(1.0));
    Ok(())
}
