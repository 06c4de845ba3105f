//! Limits are known before the first step: sizes that no number holds, jobs that do not fit, the batch that
//! does, and what a plan says that will be allocated.

mod common {
    pub mod adapter;
    pub mod program;
}

use std::path::Path;
use std::sync::Arc;

use common::adapter;
use common::program::{failure, json};
use parula::engine::gpu::{self, Gpu};
use parula::engine::graph::{Graph, Value};
use parula::engine::kernel::Capabilities;
use parula::engine::ops::{Case, Components, Fill, Keep, SigmoidCrossEntropy, SoftmaxCrossEntropy};
use parula::engine::plan::{self, Extent, Options, fitting};
use parula::engine::session::{Arena, Session, Store};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::lab::bench::Subject;
use parula::nets::cam::normalise::{Normalisation, levels};
use parula::nets::cam::{self, Explainer, Request, Settings};
use parula::nets::images::{Grey, Prepared, Scaling, Split};
use parula::nets::models::{self, IMAGES, Mode, Model};
use parula::nets::refine::{Recipe, Refiner};
use parula::nets::train::{self, Predictor, Statistics, Targets, TrainOptions, train_segmenter};

/// Mesa's software drivers.
fn software() -> Capabilities {
    Capabilities {
        subgroup: Some((8, 8)),
        texels: 8,
        software: true,
        longest_loop: 65_535,
        ..Capabilities::default()
    }
}

fn noop(capabilities: Capabilities) -> Arc<Gpu> {
    let mut gpu = gpu::open_noop();
    gpu.restrict(capabilities);
    Arc::new(gpu)
}

fn model(name: &str, mode: Mode, batch: usize, size: [usize; 2]) -> Model {
    models::find_any(name).unwrap().build(mode, batch, size, 2).unwrap()
}

/// The first `learnt` of so many pictures are learnt from.
fn pictures(count: usize, learnt: usize, size: usize) -> (Prepared, Split) {
    let image = Grey::filled(size, size, 100);
    let labelled = (0..count).map(|index| (&image, index % 2));
    let prepared = Prepared::from_images(labelled, (size, size), 1, Scaling::Unit);
    (prepared, Split { train: (0..learnt).collect(), validation: (learnt..count).collect() })
}

// ---- what is predicted is what is allocated ----

#[test]
fn a_training_allocates_what_its_plans_say_and_no_more() {
    let network = models::find("compact-resnet").unwrap();
    let (prepared, split) = pictures(14, 10, 48);
    for statistics in [Statistics::Running, Statistics::Reestimated] {
        let gpu = noop(Capabilities::default());
        let options = TrainOptions { epochs: 2, batch: 4, statistics, ..TrainOptions::default() };
        let said = train::expect(&gpu, network, [48, 48], [10, 14], &options).unwrap();
        assert_eq!(gpu.allocated(), [0, 0], "planning allocates nothing");
        let done = train::train(&gpu, network, &prepared, &split, &options, "test").unwrap();
        let [now, most] = gpu.allocated();
        assert_eq!(most, said, "{statistics:?}");
        assert_eq!(now, done.store.bytes(), "only the variables are left");
        drop(done);
        assert_eq!(gpu.allocated()[0], 0);
    }
}

#[test]
fn a_segmenter_s_training_allocates_what_its_plans_say() {
    let network = models::find_any("compact-unet").unwrap();
    let gpu = noop(Capabilities::default());
    let (prepared, _) = pictures(7, 7, 64);
    let options = TrainOptions { epochs: 1, batch: 3, ..TrainOptions::usual(network) };
    let said = train::expect(&gpu, network, [64, 64], [7, 7], &options).unwrap();
    let pixels = 7 * 64 * 64;
    let targets = Targets { probability: vec![0.5; pixels], weight: vec![1.0; pixels] };
    train_segmenter(&gpu, network, &prepared, &targets, &options, "test").unwrap();
    assert_eq!(gpu.allocated(), [0, said]);
}

#[test]
fn explanations_and_refinements_allocate_what_their_plans_say() {
    for name in ["gradcam", "smoothgrad", "ablationcam"] {
        let gpu = noop(Capabilities::default());
        let model = model("compact-resnet", Mode::Inference, 3, [48, 48]);
        let settings = Settings::new(cam::find(name).unwrap());
        let said = Explainer::expect(&gpu, &model, &settings, 5000).unwrap();
        assert_eq!(gpu.allocated(), [0, 0]);
        let store = Store::new(&gpu, &model.graph, 0).unwrap();
        let _explainer = Explainer::new(&gpu, model, &store, &settings, 5000).unwrap();
        assert_eq!(gpu.allocated()[1], said, "{name}");
    }
    let gpu = noop(Capabilities::default());
    let recipe = Recipe::anywhere();
    let said = Refiner::expect(&gpu, [40, 50], 2, &recipe).unwrap();
    let _refiner = Refiner::new(&gpu, [40, 50], 2, &recipe).unwrap();
    assert_eq!(gpu.allocated(), [said, said]);
}

#[test]
fn what_never_runs_at_once_shares_its_memory() {
    let gpu = noop(Capabilities::default());
    let network = models::find("compact-xception").unwrap();
    let options = TrainOptions { batch: 16, ..TrainOptions::default() };
    // With a tail of 15 there are two steps of nearly the same size, and validation.
    let with_tail = train::expect(&gpu, network, [64, 64], [31, 40], &options).unwrap();
    let without = train::expect(&gpu, network, [64, 64], [32, 40], &options).unwrap();
    println!("{with_tail} bytes with a tail, {without} without");
    assert!(with_tail < without + without / 20, "the tail's step has no memory of its own");
}

// ---- what does not fit ----

#[test]
fn the_batch_that_is_named_is_the_largest_that_works() {
    let network = models::find("compact-xception").unwrap();
    let size = [64, 64];
    let plan = |gpu: &Gpu, batch: usize| {
        let options = TrainOptions { batch, ..TrainOptions::default() };
        train::expect(gpu, network, size, [1000, 1001], &options)
    };
    let roomy = noop(Capabilities::default());
    let bytes = plan(&roomy, 24).unwrap() + 4 * 1001 * 64 * 64;
    // By the memory of all of it, and by what one binding may span.
    for capabilities in [
        Capabilities { memory: bytes, ..Capabilities::default() },
        Capabilities { max_binding: 4 << 20, ..Capabilities::default() },
    ] {
        let gpu = noop(capabilities);
        for asked in [1000, 200] {
            let error = plan(&gpu, asked).unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
            let text = error.to_string();
            let named: usize = text
                .split("use a batch of ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next())
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("no batch is named: {text}"));
            assert!(named < asked, "{text}");
            plan(&gpu, named).unwrap_or_else(|error| panic!("{text}, and then: {error}"));
            assert!(plan(&gpu, named + 1).is_err(), "{named} is the most: {text}");
        }
    }
    let gpu = noop(Capabilities { memory: 1 << 20, ..Capabilities::default() });
    let text = plan(&gpu, 8).unwrap_err().to_string();
    assert!(text.contains("smaller input") && !text.contains("use a batch"), "{text}");
}

#[test]
fn sizes_that_no_tensor_has_are_refused_where_a_graph_begins() {
    let network = models::find("compact-resnet").unwrap();
    for (batch, size) in [
        (1, [1 << 32, 1 << 32]),
        (1 << 55, [128, 128]),
        (usize::MAX, [usize::MAX, usize::MAX]),
        (1, [100_000, 100_000]),
    ] {
        let error = network.build(Mode::Training, batch, size, 2).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("images") && !text.contains("needs 0 MB"), "{text}");
    }
    assert!(matches!(
        network.build(Mode::Inference, 1, [64, 64], usize::MAX),
        Err(Error::TooLarge { .. })
    ));
    // From a batch that no number of bytes holds to the one that fits, at once.
    let gpu = noop(Capabilities::default());
    let plan = |batch| Predictor::plan(&gpu, &network.build(Mode::Inference, batch, [64, 64], 2)?);
    let text = fitting(1 << 55, plan).unwrap_err().to_string();
    let named = text.rsplit("use a batch of ").next().unwrap().split(' ').next().unwrap();
    plan(named.parse().unwrap()).unwrap();
}

#[test]
fn variables_that_fit_no_buffer_are_not_allocated() {
    let gpu = noop(Capabilities::default());
    let graph = models::find("compact-resnet")
        .unwrap()
        .build(Mode::Inference, 1, [64, 64], 2_000_000)
        .unwrap()
        .graph;
    let error = Store::new(&gpu, &graph, 0).unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "in one buffer", .. }), "{error}");
    assert_eq!(gpu.allocated(), [0, 0]);
}

#[test]
fn many_pixels_are_split_on_drivers_that_end_long_loops() {
    let components = |keep| Components { threshold: 0.5, diagonal: false, keep };
    let image = [([1, 1500, 1500, 1].into(), Fill::Binary)];
    let rows = Shape::from([16 * 512 * 512, 2]);
    let single = Shape::from([16 * 512 * 512, 1]);
    let weights = ([16 * 512 * 512].into(), Fill::Binary);
    let cases = [
        Case::new("largest", components(Keep::Largest), image.clone()),
        Case::new("holes", components(Keep::WithoutHoles), image.clone()),
        Case::new(
            "heaviest",
            components(Keep::Heaviest),
            [([1, 1000, 1000, 1].into(), Fill::Binary)],
        ),
        Case::new(
            "softmax",
            SoftmaxCrossEntropy,
            [(rows.clone(), Fill::Signed), (rows, Fill::OneHot)],
        ),
        Case::new(
            "sigmoid",
            SigmoidCrossEntropy,
            [(single.clone(), Fill::Signed), (single, Fill::Binary), weights],
        ),
    ];
    for case in cases {
        let plan = Subject::new(&case).unwrap().plan(&software(), None);
        assert!(plan.is_ok(), "{}: {}", case.name, plan.unwrap_err());
    }
    // What is too large for a whole number is said before anything runs.
    let case = Case::new("heaviest", components(Keep::Heaviest), image);
    let text = Subject::new(&case).unwrap_err().to_string();
    assert!(text.contains("1048575 pixels"), "{text}");
}

// ---- on the adapter at hand ----

#[test]
fn components_are_the_same_where_loops_are_short() {
    let mut gpu = adapter::open();
    let capabilities = Capabilities { longest_loop: 90, ..gpu.capabilities().clone() };
    gpu.restrict(capabilities);
    let gpu = Arc::new(gpu);
    for keep in [Keep::Largest, Keep::Heaviest, Keep::WithoutHoles] {
        for (dims, fill) in [
            // One chain of 300 links in the first round, which takes four dispatches.
            ([1, 300, 1, 1], Fill::Values(&[0.75])),
            ([1, 300, 3, 1], Fill::Values(&[0.75])),
            ([2, 45, 40, 1], Fill::Uniform(0.0, 1.0)),
        ] {
            let operation = Components { threshold: 0.41, diagonal: false, keep };
            let case = Case::new("", operation, [(dims.into(), fill)]);
            let tensors = case.tensors(3);
            let subject = Subject::new(&case).unwrap();
            let narrow: Vec<Tensor> = tensors.iter().map(Tensor::narrow).collect();
            let (mut session, store) = subject.session(&gpu, None, &narrow).unwrap();
            let dispatches = &session.plan().steps[0].dispatches;
            let settles = dispatches.iter().filter(|one| one.entry == "settle").count();
            let hooks = dispatches.iter().filter(|one| one.entry == "hook").count();
            assert!(settles > hooks, "{dims:?}: {settles} settle {hooks} rounds");
            session.run().unwrap();
            let found = subject.results(&session, &store).unwrap();
            let truth = case.operation.reference(&tensors.iter().collect::<Vec<_>>());
            assert_eq!(found[0], truth[0].narrow(), "{keep:?} {dims:?}");
        }
    }
}

#[test]
fn sessions_that_take_turns_in_an_arena_give_the_bits_of_sessions_with_their_own() {
    let gpu = Arc::new(adapter::open());
    let whole = model("compact-resnet", Mode::Inference, 4, [40, 40]);
    let part = model("compact-resnet", Mode::Inference, 1, [40, 40]);
    let store = Store::new(&gpu, &whole.graph, 7).unwrap();
    let plan = |model: &Model| Predictor::plan(&gpu, model).unwrap();
    let plans = [plan(&whole), plan(&part)];
    assert!(plans.iter().any(|plan| !plan.setup.is_empty()), "something is computed once");
    let images = |batch: usize, turn: usize| -> Vec<f32> {
        (0..batch * 40 * 40).map(|at| ((at * 31 + turn * 7) % 256) as f32 / 255.0).collect()
    };
    let name = |model: &Model| model.graph.node(model.heads.logits).name.clone();
    let mut alone = [&whole, &part].map(|model| Session::new(&gpu, plan(model), &store).unwrap());
    let arena = Arena::new(&gpu, &plans).unwrap();
    let mut turns = plans.map(|plan| Session::within(&gpu, plan, &store, &arena).unwrap());
    for turn in 0..4 {
        for (index, model) in [&whole, &part].into_iter().enumerate() {
            let images = images(model.batch, turn);
            for session in [&mut alone[index], &mut turns[index]] {
                session.set(IMAGES, &images).unwrap();
                session.run().unwrap();
            }
            let [a, b] = [&alone[index], &turns[index]].map(|one| one.read(&name(model)).unwrap());
            assert_eq!(a, b, "turn {turn} of {index}");
        }
        // What the other has written over cannot be read for what it was.
        let text = turns[0].read(&name(&whole)).unwrap_err().to_string();
        assert!(text.contains("another session has run"), "{text}");
    }
    let larger = model("compact-resnet", Mode::Inference, 8, [40, 40]);
    let refused = Session::within(&gpu, plan(&larger), &store, &arena);
    assert!(refused.unwrap_err().to_string().contains("no room"));
}

#[test]
fn an_image_of_more_pixels_than_an_f32_counts_is_explained() {
    let gpu = Arc::new(adapter::open());
    let model = model("compact-resnet", Mode::Inference, 2, [32, 32]);
    let store = Store::new(&gpu, &model.graph, 1).unwrap();
    let size = [4100, 4100];
    let settings = Settings::new(cam::find("gradcam").unwrap());
    let mut explainer = Explainer::new(&gpu, model, &store, &settings, size[0] * size[1]).unwrap();
    let image: Vec<f32> = (0..32 * 32).map(|at| (at * 37 % 255) as f32 / 127.5 - 1.0).collect();
    let request = |size| Request { image: &image, class: Some(1), size, mask: None };
    // A small one beside it is done on the GPU.
    let found = explainer.explain(&[request(size), request([50, 60])]).unwrap();
    assert_eq!(found[0].heatmap.len(), size[0] * size[1]);
    assert_eq!(found[0].heatmap, levels(&found[0].signed, Normalisation::ReluMax, size));
    let small = levels(&found[1].signed, Normalisation::ReluMax, [50, 60]);
    assert_eq!(found[1].heatmap.len(), small.len());
    let apart = found[1].heatmap.iter().zip(&small).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart <= Some(1), "{apart:?}");
}

// ---- the program ----

#[test]
fn sizes_that_wrap_are_refused_by_every_command() {
    let explain = ["explain", "--model", "compact-resnet"];
    for (arguments, parts) in [
        (&["--size", "4294967296"][..], &["x4294967296x4294967296x1", "smaller input"][..]),
        (&["--batch", "36028797018963968"], &["images 36028797018963968x", "use a batch of "]),
        (&["--size", "20000", "--batch", "1"], &["images 1x20000x20000x1", "smaller input"]),
        (&["--for", "training", "--batch", "18446744073709551615"], &["use a batch of "]),
    ] {
        let message = failure(&[&explain[..], &["--baseline"], arguments].concat());
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(!message.contains(" 0 MB") && !message.contains("batch of 0"), "{message}");
    }
    let model = ["--model", "compact-resnet"];
    for (command, arguments) in [
        ("bench", &["--batch", "36028797018963968"][..]),
        ("bench", &["--size", "4294967296"]),
        ("bench", &["--size", "20000", "--phases", "forward"]),
        ("bench", &["--size", "20000", "--phases", "forward", "--methods", "gradcam"]),
    ] {
        let message = failure(&[&[command], &model[..], arguments].concat());
        assert!(message.contains(" MB ") && !message.contains(" 0 MB"), "{message}");
    }
    for arguments in [
        &["tune", "--models", "compact-resnet", "--batch", "36028797018963968"][..],
        &["tune", "--models", "compact-resnet", "--size", "4294967296"],
        &["bench", "--layers", "compact-resnet", "--size", "4294967296"],
    ] {
        let message = failure(arguments);
        assert!(message.contains("in one tensor"), "{arguments:?}: {message}");
    }
}

#[test]
fn a_size_that_does_not_fit_is_refused_before_a_picture_is_resized() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (data, out) = (text(&folder.path().join("data")), text(&folder.path().join("out")));
    let synth = ["data", "synth", "--out", &data, "--patients", "6", "--size", "64"];
    json(&synth);
    let weights = text(&folder.path().join("w.safetensors"));
    let network = models::find("compact-resnet").unwrap();
    let own = network.build(Mode::Inference, 1, [64, 64], 2).unwrap();
    let store = Store::new(&noop(Capabilities::default()), &own.graph, 0).unwrap();
    let own = parula::nets::weights::Weights::of(&own, &store).unwrap();
    let layers = network.build(Mode::Inference, 1, [64, 64], 2).unwrap().layers;
    parula::nets::weights::save(Path::new(&weights), &own, &layers, None).unwrap();
    let image = text(&folder.path().join("data/mass/P001_L.png"));
    let image = if Path::new(&image).exists() { image } else { image.replace("_L", "_R") };
    let resnet = ["--model", "compact-resnet"];
    for size in ["20000", "100000", "4294967296"] {
        let size = ["--size", size];
        let read = [&resnet[..], &["--weights", &weights, &image], &size].concat();
        for arguments in [
            [
                &["reproduce", "--models", "compact-resnet", "--data", &data, "--out", &out],
                &size[..],
            ]
            .concat(),
            [&["compare", "--models", "compact-resnet", "--data", &data, "--out", &out], &size[..]]
                .concat(),
            [&["weak", "--data", &data, "--out", &out], &resnet[..], &size].concat(),
            ["weak", "--data", &data, "--out", &out, "--segmenter-size", size[1]].to_vec(),
            [&["train", "--data", &data, "--out", &weights], &resnet[..], &size].concat(),
            [&["predict"], &read[..]].concat(),
            [&["cam", "--out", &out], &read[..]].concat(),
            [&["segment", "--out", &out], &read[..]].concat(),
        ] {
            let message = failure(&arguments);
            assert!(message.contains(" MB "), "{arguments:?}: {message}");
            assert!(!message.contains(" 0 MB") && !message.contains("of 0"), "{message}");
        }
    }
}

#[test]
fn numbers_of_samples_that_never_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let message = failure(&["data", "synth", "--out", out, "--patients", "99999999999"]);
    assert!(message.contains("1 to 1000000"), "{message}");
    let message = failure(&["compare", "--out", out, "--steps", "99999999999"]);
    assert!(message.contains("--steps 2 to"), "{message}");
    let gpu = noop(Capabilities::default());
    let model = model("compact-resnet", Mode::Inference, 1, [32, 32]);
    let settings =
        Settings { samples: Some(usize::MAX), ..Settings::new(cam::find("smoothgrad").unwrap()) };
    let text = Explainer::expect(&gpu, &model, &settings, 1024).unwrap_err().to_string();
    assert!(text.contains("samples of"), "{text}");
}

#[test]
fn an_arena_is_as_large_as_the_largest_and_not_as_the_sum() {
    let capabilities = Capabilities::default();
    let plan = |batch| {
        let model = model("compact-resnet", Mode::Inference, batch, [40, 40]);
        let outputs: [Value; 1] = [model.heads.logits];
        let graph: &Graph = &model.graph;
        plan::build(graph, &outputs, &[], &capabilities, &Options::default()).unwrap()
    };
    let plans = [plan(8), plan(3), plan(1)];
    let all = Extent::of(&plans).bytes();
    let each: Vec<u64> = plans.iter().map(|plan| Extent::of([plan]).bytes()).collect();
    assert!(all >= each[0] && all < each[0] + each[0] / 10, "{all} of {each:?}");
}
