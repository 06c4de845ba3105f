//! Networks whose activations are stored in 16 bits: what their plans take, how they train, and what the
//! loss scale is for. Single kernels are in `kernels.rs`.

mod common {
    pub mod adapter;
}

use std::sync::Arc;

use common::adapter;
use parula::engine::autodiff::gradients;
use parula::engine::gpu::{Gpu, Precision};
use parula::engine::kernel::{Capabilities, Element};
use parula::engine::ops::{Optimizer, UNSCALE};
use parula::engine::plan::{self, Options, Plan};
use parula::engine::session::{self, Session, Store};
use parula::engine::tensor::Tensor;
use parula::lab::bench::{Phase, PhaseGraph};
use parula::nets::images::{Augment, Grey, Prepared, Scaling, Split};
use parula::nets::models::{self, CLASS, IMAGES, Mode};
use parula::nets::train::{Schedule, TrainOptions, TrainingGraph, train};
use parula::nets::weights::Weights;

/// The adapter with 16 bits, if it has them.
fn in_halves() -> Option<Arc<Gpu>> {
    match adapter::open_in(Precision::F16) {
        Ok(gpu) => Some(Arc::new(gpu)),
        Err(why) => {
            println!("SKIPPED 16 bits: {why}");
            None
        }
    }
}

/// The plan of a network, without a GPU.
fn plan(name: &str, phase: Phase, batch: usize, half: bool) -> Plan {
    plan_on(&Capabilities { f16: true, ..Capabilities::default() }, name, phase, batch, half)
}

fn plan_on(adapter: &Capabilities, name: &str, phase: Phase, batch: usize, half: bool) -> Plan {
    let graph = PhaseGraph::new(models::find(name).unwrap(), phase, batch, [96, 96]).unwrap();
    graph.plan(adapter, &Options { half, ..Options::default() }).unwrap()
}

#[test]
fn plans_in_16_bits_keep_what_the_host_sees_and_what_is_summed_in_32() {
    // Shortcuts, separable convolutions, concatenations, dropout.
    for name in ["compact-resnet", "compact-xception", "densenet121", "mobilenet-v2"] {
        for phase in [Phase::Forward, Phase::GradCam, Phase::TrainingStep] {
            let plan = plan(name, phase, 2, true);
            let what = format!("{name} {phase:?}");
            let ports = plan.inputs.iter().chain(&plan.outputs);
            assert!(ports.into_iter().all(|p| p.place.element == Element::F32), "{what}");
            for step in plan.setup.iter().chain(&plan.steps) {
                let half = step.output.as_ref().is_some_and(|place| place.element == Element::F16);
                let what = format!("{what} {}", step.layer);
                let of_weights = step.operation.ends_with("weight_gradient");
                assert!(!half || (step.shape.rank() == 4 && !of_weights), "{what}");
                // Nothing scales the gradients of an explanation, which come from the input `class`.
                let explains = phase == Phase::GradCam && step.layer.contains("gradient");
                assert!(!(half && explains), "{what} comes from {CLASS}");
            }
            let mut kernels = plan.steps.iter().flat_map(|step| &step.dispatches);
            assert!(kernels.any(|one| !one.halves.is_empty()), "{what}");
        }
    }
}

#[test]
fn gradients_that_nothing_scales_are_not_multiplied_in_16_bits_either() {
    let network = models::find("resnet50-v2").unwrap();
    let model = network.build(Mode::Inference, 32, [224, 224], 2).unwrap();
    let mut graph = model.graph;
    let images = graph.find(IMAGES).unwrap();
    let class = graph.input(CLASS, [32, 2]).unwrap();
    let saliency = gradients(&mut graph, model.heads.logits, class, &[images]).unwrap();
    let options = Options { half: true, single_from: &[CLASS], ..Options::default() };
    let gpu = Capabilities {
        max_binding: 1 << 30,
        max_buffer: 1 << 30,
        f16: true,
        rounding: true,
        cooperative: Some(16),
        subgroup: Some((32, 32)),
        workgroup_memory: 48 << 10,
        ..Capabilities::default()
    };
    let plan = plan::build(&graph, &saliency, &[], &gpu, &options).unwrap();
    let rounds = |gradient: bool| {
        let steps =
            plan.steps.iter().filter(|step| step.operation.contains("gradient") == gradient);
        let names: Vec<&str> = steps.map(|step| step.variant).collect();
        assert!(names.len() > 20, "{names:?}");
        names.iter().filter(|name| **name == "cooperative_fours").count()
    };
    assert_eq!((rounds(false) > 20, rounds(true)), (true, 0));
}

#[test]
fn training_in_16_bits_takes_little_more_than_half_the_memory() {
    // Without matrix units, and with them. Scratch memory, of Winograd's transforms and of the parts of weights'
    // gradients, has 32 bits in any case, and compact-resnet takes more of it for what else it has.
    let plain = Capabilities { f16: true, ..Capabilities::default() };
    let matrices = Capabilities {
        rounding: true,
        cooperative: Some(16),
        subgroup: Some((32, 32)),
        workgroup_memory: 48 << 10,
        ..plain
    };
    for (name, adapter, most) in [
        ("compact-resnet", &plain, 0.64),
        ("compact-xception", &plain, 0.6),
        ("compact-resnet", &matrices, 0.65),
        ("compact-xception", &matrices, 0.6),
    ] {
        // In 32 bits nothing is rounded.
        let exact = Capabilities { rounding: false, cooperative: None, ..*adapter };
        let single = plan_on(&exact, name, Phase::TrainingStep, 32, false);
        let half = plan_on(adapter, name, Phase::TrainingStep, 32, true);
        let own = |plan: &Plan| plan.slots.iter().sum::<u64>() as f64;
        let moved = |plan: &Plan| plan.steps.iter().map(|step| step.bytes).sum::<u64>() as f64;
        let (memory, traffic) = (own(&half) / own(&single), moved(&half) / moved(&single));
        println!("{name}: {memory:.3} of the memory, {traffic:.3} of its traffic");
        assert!(memory < most && traffic < 0.7, "{name}: {memory} {traffic}");
    }
}

/// A training step of a small network whose loss counts `small`, scaled by `factor`: the largest change
/// of a weight of the first convolution in `steps` steps, and the losses.
fn steps(gpu: &Arc<Gpu>, small: f32, factor: f32, steps: u64) -> (f32, Vec<f32>) {
    let network = models::find("compact-resnet").unwrap();
    let optimizer = Optimizer::sgd();
    let step = TrainingGraph::scaled(network, 4, [24, 24], 2, &optimizer).unwrap();
    let store = Store::new(gpu, &step.graph, 1).unwrap();
    let options = session::options(gpu);
    let outputs = [step.loss, step.finite.unwrap()];
    let plan =
        plan::build(&step.graph, &outputs, &step.updates, gpu.capabilities(), &options).unwrap();
    let mut session = Session::new(gpu, plan, &store).unwrap();
    let first = [store.names().into_iter().find(|name| name.ends_with("kernel")).unwrap()];
    let before = store.get(&first).unwrap().remove(0);
    let mut losses = Vec::new();
    for number in 1..=steps {
        // A learning rate that makes up for the small loss.
        let mut hyper = optimizer.hyper(0.02 / f64::from(small), number);
        hyper[UNSCALE] = 1.0 / factor;
        let pixel = |index: usize| ((index * 7919 % 251) as f32 - 125.0) / 125.0;
        let images = Tensor::from_fn([4, 24, 24, 1], pixel);
        for input in session.plan().inputs.clone() {
            let numbers = match input.name.as_str() {
                "hyper" => hyper.to_vec(),
                "one" => vec![small * factor],
                "labels" => vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0],
                IMAGES => images.data().to_vec(),
                _ => vec![number as f32; input.place.shape.elements()],
            };
            session.set(&input.name, &numbers).unwrap();
        }
        session.run().unwrap();
        losses.push(session.read("loss").unwrap().data()[0]);
    }
    let after = store.get(&first).unwrap().remove(0);
    let pairs = before.data().iter().zip(after.data());
    (pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs())), losses)
}

#[test]
fn gradients_underflow_in_16_bits_and_a_loss_scale_keeps_them() {
    let Some(half) = in_halves() else { return };
    let single = Arc::new(adapter::open());
    let small = 2f32.powi(-22);
    let (wanted, losses) = steps(&single, small, 1.0, 8);
    assert!(wanted > 0.0 && losses[7] < 0.9 * losses[0], "{wanted} {losses:?}");

    let (lost, _) = steps(&half, small, 1.0, 8);
    assert!(
        lost < wanted / 2.0,
        "without a scale the first layer should not learn: {lost} {wanted}"
    );
    let (kept, scaled) = steps(&half, small, 2f32.powi(22), 8);
    assert!((kept / wanted - 1.0).abs() < 0.1, "{kept} instead of {wanted}");
    // The same way down, apart by what roundings grow to in a few large steps.
    assert!((losses[0] / scaled[0] - 1.0).abs() < 0.01, "{losses:?} {scaled:?}");
    assert!(losses[7] < 0.1 * losses[0] && scaled[7] < 0.1 * losses[0], "{losses:?} {scaled:?}");

    // What overflows changes nothing.
    let (changed, _) = steps(&half, 1.0, 2f32.powi(40), 2);
    assert_eq!(changed, 0.0);
}

#[test]
fn a_network_learns_in_16_bits() {
    let Some(gpu) = in_halves() else { return };
    let image = |index: usize| {
        let pixel = |i: usize| {
            let inside = i / 24 > 8 && i / 24 < 16 && i % 24 > 8 && i % 24 < 16;
            (60 + i * (index + 3) * 37 % 120 + if inside { 60 * (index % 2) } else { 0 }) as u8
        };
        Grey { width: 24, height: 24, pixels: (0..24 * 24).map(pixel).collect() }
    };
    let images: Vec<Grey> = (0..8).map(image).collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    let prepared = Prepared::from_images(labelled, (24, 24), 1, Scaling::Tf);
    let split = Split { train: (0..8).collect(), validation: (0..8).collect() };
    let options = TrainOptions {
        epochs: 30,
        batch: 6,
        schedule: Schedule::Constant,
        learning_rate: 3e-3,
        augment: Augment::default(),
        ..TrainOptions::default()
    };
    let network = models::find("compact-resnet").unwrap();
    let trained = train(&gpu, network, &prepared, &split, &options, network.name).unwrap();
    let lowest = trained.records.iter().map(|record| record.loss).fold(f64::MAX, f64::min);
    assert!(lowest < 0.1, "the lowest loss is {lowest}");
    assert!(trained.best.val_accuracy >= 0.99, "{:?}", trained.best);
}

#[test]
fn a_batch_that_overflows_is_left_out_and_training_goes_on() {
    let Some(gpu) = in_halves() else { return };
    let network = models::find("compact-resnet").unwrap();
    let model = network.build(Mode::Inference, 2, [24, 24], 2).unwrap();
    let mut start = Weights::of(&model, &Store::new(&gpu, &model.graph, 0).unwrap()).unwrap();
    start.tensors.get_mut("conv1_conv/kernel").unwrap().data_mut().fill(40.0);
    // With these weights a bright image is beyond 65504, and a dark one is not.
    let image = |index: usize| {
        let most = if index == 3 { 255 } else { 3 };
        let pixel = |i: usize| (most - (i * (index + 3) * 37 % 2)) as u8;
        Grey { width: 24, height: 24, pixels: (0..24 * 24).map(pixel).collect() }
    };
    let images: Vec<Grey> = (0..8).map(image).collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    let prepared = Prepared::from_images(labelled, (24, 24), 1, Scaling::None);
    let split = Split { train: (0..6).collect(), validation: vec![6, 7] };
    let options = TrainOptions {
        epochs: 3,
        batch: 2,
        augment: Augment::default(),
        start: Some(start),
        ..TrainOptions::default()
    };
    let trained = train(&gpu, network, &prepared, &split, &options, network.name).unwrap();
    assert_eq!(trained.records.len(), 3);
    assert!(trained.records.iter().all(|r| r.loss.is_finite() && r.val_loss.is_finite()));
    assert_eq!(trained.weights.not_finite(), None, "running averages as well");
}
