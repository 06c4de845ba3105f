//! Plans without a GPU: every case is planned, compiled and bound on wgpu's `noop` backend, which has
//! WebGPU's default limits and checks what a driver would; and memory stays near what is alive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parula::engine::autodiff::gradients;
use parula::engine::gpu::{self, Gpu};
use parula::engine::graph::{
    Alias, Graph, Init, Kind, Operation, Role, Value, Variant, choose, fuse,
};
use parula::engine::kernel::{Capabilities, Lowered, Lowering, Needs, View};
use parula::engine::ops::{
    self, Case, Concat, Conv2d, Conv2dWeightGradient, Elementwise, Fill, Instruction, Optimizer,
    Padding, REGISTRY, Window,
};
use parula::engine::plan::{self, Memory, Options, PlanData, Reach};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::lab::bench::{Phase, PhaseGraph, Subject};
use parula::nets::models::{self, Mode};
use parula::nets::train::TrainingGraph;

fn cases() -> impl Iterator<Item = (&'static str, Case)> {
    REGISTRY.iter().flat_map(|entry| (entry.cases)().into_iter().map(|case| (entry.name, case)))
}

/// The rules that every plan keeps on an adapter with default limits.
fn check(plan: &PlanData) -> Result<(), String> {
    let size = |memory: Memory| match memory {
        Memory::Slot(index) => plan.slots[index],
        Memory::Input(index) => plan.inputs[index].place.bytes,
        Memory::Variables(role) => 4 * plan.variables.elements[&role] as u64,
        Memory::Unused => 16,
    };
    for step in plan.setup.iter().chain(&plan.steps) {
        for dispatch in &step.dispatches {
            let what = format!("{} ({}/{})", step.layer, dispatch.shader, dispatch.entry);
            let real = || dispatch.bindings.iter().filter(|b| b.memory != Memory::Unused);
            for bound in real() {
                if bound.start % 256 != 0 || bound.start >= size(bound.memory).max(1) {
                    return Err(format!("{what}: {bound:?} of {} bytes", size(bound.memory)));
                }
                // A copy into a texture is over before the dispatch begins.
                let both = bound.reach == Reach::Write
                    && real().any(|b| b.memory == bound.memory && b.reach == Reach::Read);
                if both {
                    return Err(format!("{what} reads and writes {}", bound.memory));
                }
            }
            if dispatch.workgroups.iter().any(|count| !(1..=65535).contains(count)) {
                return Err(format!("{what}: {:?} workgroups", dispatch.workgroups));
            }
        }
    }
    if plan.peak_bytes < plan.live_bytes {
        return Err(format!("{} bytes at peak, {} alive", plan.peak_bytes, plan.live_bytes));
    }
    Ok(())
}

/// Whether a session takes the memory that its plan says, up to what alignment adds.
fn check_session(session: &Session) -> Result<(), String> {
    let plan = session.plan();
    let buffers = plan.slots.len() + plan.inputs.len() + plan.variables.elements.len();
    let (said, taken) = (plan.peak_bytes, session.allocated_bytes());
    match said <= taken && taken - said < 256 * buffers.max(1) as u64 {
        true => Ok(()),
        false => Err(format!("{taken} bytes are allocated, the plan says {said}")),
    }
}

fn session(gpu: &Arc<Gpu>, case: &Case, variant: Option<&'static str>) -> Result<(), String> {
    let subject = Subject::new(case).map_err(|error| error.to_string())?;
    let tensors: Vec<Tensor> =
        case.inputs.iter().map(|(shape, _)| Tensor::zeros(shape.clone())).collect();
    let (mut session, _) =
        subject.session(gpu, variant, &tensors).map_err(|error| error.to_string())?;
    session.run().map_err(|error| error.to_string())?;
    check(session.plan())?;
    check_session(&session)
}

#[test]
fn every_case_runs_on_default_limits() {
    let gpu = Arc::new(gpu::open_noop());
    let (mut count, mut failures) = (0, Vec::new());
    for (name, case) in cases().filter(|(_, case)| !case.bench_only) {
        let subject = Subject::new(&case).unwrap();
        let baseline = case.operation.variants().iter().filter(|v| v.needs == Needs::Nothing);
        let baseline: Vec<_> = baseline.map(|v| v.name).collect();
        let mut done = 0;
        for variant in std::iter::once(None).chain(baseline.iter().copied().map(Some)) {
            // A variant may refuse a shape, by its own words, but the one that is chosen may not.
            if let (Some(_), Err(Error::Shape { .. })) =
                (variant, subject.plan(gpu.capabilities(), variant))
            {
                continue;
            }
            count += 1;
            done += usize::from(variant.is_some());
            if let Err(why) = session(&gpu, &case, variant) {
                failures.push(format!("{name} {} {variant:?}: {why}", case.name));
            }
        }
        if done == 0 {
            failures.push(format!("{name} {}: no baseline variant does it", case.name));
        }
    }
    println!("{count} sessions, {} pipelines", gpu.compiled());
    assert!(count > 0);
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn plans_for_every_kind_of_adapter_keep_the_rules() {
    let mut failures = Vec::new();
    for (subgroup, texels) in [(None, 0), (Some((8, 8)), 8), (Some((32, 64)), 0)] {
        let adapter = match texels {
            0 => Capabilities { subgroup, ..Capabilities::default() },
            _ => software(),
        };
        for (name, case) in cases() {
            match Subject::new(&case).unwrap().plan(&adapter, None).map(|plan| check(&plan)) {
                Ok(Ok(())) => {}
                // What is only timed may be larger than the smallest adapter takes.
                Err(Error::TooLarge { .. }) if case.bench_only => {}
                Ok(Err(why)) => failures.push(format!("{name} {}: {why}", case.name)),
                Err(why) => failures.push(format!("{name} {}: {why}", case.name)),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What standards promise, and adapters that were measured: where each number is from stands beside it.
fn profiles() -> Vec<(&'static str, Capabilities)> {
    let webgpu = Capabilities::default;
    let limits = |max_invocations, workgroup_memory, storage_buffers| Capabilities {
        max_invocations,
        workgroup_memory,
        storage_buffers,
        ..Capabilities::default()
    };
    vec![
        // https://www.w3.org/TR/webgpu/#limits
        ("WebGPU, default limits", webgpu()),
        // The same, of devices with featureLevel "compatibility".
        ("WebGPU, compatibility mode", limits(128, 16 << 10, 8)),
        // The table of required limits of Vulkan 1.3.
        ("Vulkan, required limits", limits(128, 16 << 10, 4)),
        // VP_ANDROID_baseline_2022.
        ("Android baseline 2022", limits(128, 16 << 10, 4)),
        // VP_KHR_roadmap_2022, with subgroups of 4 to 128, which are the ends of what WebGPU allows.
        (
            "Vulkan roadmap 2022, subgroups of 4",
            Capabilities { subgroup: Some((4, 4)), ..limits(256, 16 << 10, 8) },
        ),
        (
            "Vulkan roadmap 2022, subgroups of 128",
            Capabilities { subgroup: Some((128, 128)), ..limits(256, 16 << 10, 8) },
        ),
        // As Qualcomm's GPUs run a kernel in one of two widths.
        (
            "subgroups of 64 to 128",
            Capabilities { subgroup: Some((64, 128)), ..limits(1024, 32 << 10, 16) },
        ),
        // OpenGL ES 3.1, table 20.45 and following.
        ("OpenGL ES 3.1, required limits", limits(128, 16 << 10, 4)),
        // OpenGL 4.3: a block of 16 MB.
        (
            "OpenGL 4.3, required limits",
            Capabilities { max_binding: 16 << 20, ..limits(1024, 32 << 10, 8) },
        ),
        // Direct3D 12, feature level 11_0: thread groups and groupshared memory of cs_5_1.
        ("Direct3D 12, cs_5_1", limits(1024, 32 << 10, 64)),
        // Metal feature set tables, Apple 7: threadgroup memory, threads, 31 buffers, SIMD groups of 32.
        (
            "Metal, Apple 7",
            Capabilities { subgroup: Some((32, 32)), f16: true, ..limits(1024, 32 << 10, 29) },
        ),
        // benches/results/vulkan-nvidia-h100-2026-11-26.json
        (
            "NVIDIA H100",
            Capabilities {
                max_binding: 2_147_483_644,
                max_buffer: 4_292_870_144,
                subgroup: Some((32, 32)),
                f16: true,
                ..limits(1024, 48 << 10, 64)
            },
        ),
        // As `parula devices` has it.
        ("lavapipe", Capabilities { subgroup: Some((16, 16)), ..software() }),
    ]
}

/// What a network is run for.
const PHASES: [Phase; 3] = [Phase::Forward, Phase::GradCam, Phase::TrainingStep];

#[test]
fn every_network_plans_on_every_published_profile_that_is_not_below_webgpu_s_limits() {
    let (mut below, mut refused) = (Vec::new(), Vec::new());
    for (name, adapter) in profiles() {
        if let Some(why) = adapter.lacking() {
            below.push((name, why));
            continue;
        }
        // Training steps are long plans: those of the ends of what adapters allow.
        let ends = ["WebGPU, default limits", "OpenGL 4.3, required limits", "lavapipe"];
        let phases = if ends.contains(&name) { &PHASES[..] } else { &PHASES[..2] };
        for (network, &phase) in
            models::NETWORKS.iter().flat_map(|one| phases.iter().map(move |phase| (one, phase)))
        {
            let options = Options::default();
            let plan = |batch| {
                PhaseGraph::new(network, phase, batch, network.input)?.plan(&adapter, &options)
            };
            // Where bindings are small, fewer images at once; one always fits.
            let mut batch = 8;
            let found = loop {
                match plan(batch) {
                    Err(Error::TooLarge { .. }) if batch > 1 => batch /= 2,
                    found => break found,
                }
            };
            let what = format!("{} for {phase:?} on {name}", network.name);
            // The gradients of all variables are one tensor.
            if let (Err(Error::TooLarge { .. }), Phase::TrainingStep, 0..0x200_0000) =
                (&found, phase, adapter.max_binding)
            {
                refused.push(network.name);
                continue;
            }
            let found = found.unwrap_or_else(|why| panic!("{what}: {why}"));
            check(&found).unwrap_or_else(|why| panic!("{what}: {why}"));
        }
    }
    let names: Vec<&str> = below.iter().map(|(name, _)| *name).collect();
    let expected = [
        "WebGPU, compatibility mode",
        "Vulkan, required limits",
        "Android baseline 2022",
        "OpenGL ES 3.1, required limits",
    ];
    assert_eq!(names, expected, "{below:?}");
    assert!(below[0].1.contains("256 invocations in a workgroup, it allows 128"), "{below:?}");
    assert!(below[1].1.contains("8 buffers, it allows 4"), "{below:?}");
    // What 16 MB of gradients are too few for; the others train there.
    refused.sort_unstable();
    let expected = ["densenet121", "inception-v3", "nasnet-mobile", "resnet50-v2", "xception"];
    assert_eq!(refused, expected);
}

// ---- what only some adapters have ----

/// Mesa's software drivers: reads through textures, and loops that end after 65,535 rounds.
fn software() -> Capabilities {
    Capabilities {
        subgroup: Some((8, 8)),
        texels: 8,
        software: true,
        longest_loop: 65_535,
        ..Capabilities::default()
    }
}

#[test]
fn a_loop_that_a_driver_would_leave_is_refused_or_split() {
    let subject = |height: usize| {
        let case = Case::new(
            "",
            Conv2dWeightGradient::new(Window::square(1, 1, Padding::Same), 1),
            [
                ([1, height, 300, 4].into(), Fill::Signed),
                ([1, height, 300, 4].into(), Fill::Signed),
            ],
        );
        Subject::new(&case).unwrap()
    };
    assert!(subject(200).plan(&software(), Some("naive")).is_ok());
    let error = subject(300).plan(&software(), Some("naive")).unwrap_err().to_string();
    assert!(error.contains("90301") && error.contains("65535"), "{error}");
    assert!(subject(300).plan(&Capabilities::default(), Some("naive")).is_ok());
    // 3000 lines are ten times what one invocation may go through.
    for variant in ["blocked", "tiled", "subgroup", "subgroup_narrow"] {
        subject(3000).plan(&software(), Some(variant)).unwrap();
    }
}

#[test]
fn a_gradient_is_not_copied_together_with_all_others() {
    let network = models::find("resnet50-v2").unwrap();
    let step =
        TrainingGraph::build(network, 2, [64, 64], network.classes, &Optimizer::adam()).unwrap();
    let outputs = [step.loss];
    let options = Options::default();
    let plan = plan::build(&step.graph, &outputs, &step.updates, &software(), &options).unwrap();
    let packed = 4 * plan.variables.elements[&Role::Trainable] as u64;
    let copied: Vec<u64> = plan
        .steps
        .iter()
        .flat_map(|step| &step.dispatches)
        .flat_map(|dispatch| &dispatch.bindings)
        .filter(|bound| matches!(bound.reach, Reach::Texels { copy: true, .. }))
        .map(|bound| bound.bytes)
        .collect();
    // The optimiser alone reads them all.
    assert_eq!(copied.iter().filter(|&&bytes| 2 * bytes > packed).count(), 1);
    // Each weight is read forward and backward, each gradient once more by the optimiser.
    let total: u64 = copied.iter().sum();
    println!("{:.1} MB of parameters, {:.1} MB copied", packed as f64 / 1e6, total as f64 / 1e6);
    assert!(total < 5 * packed, "{total}");
}

// ---- memory ----

/// Plans above 1.15, and no further. The first tensor of `compact-resnet` is four times as large as
/// the next, and no dispatch may read and write one buffer: two of the next must lie outside of its
/// memory. Textures lie outside of all buffers: where one operation reads most through textures, and
/// another needs most memory in buffers, such as Winograd's convolution, both are there all the time.
/// Of `compact-resnet` on a GPU it is Winograd's memory, which lies apart from what its kernels write.
const KNOWN: [(&str, bool, f64); 6] = [
    ("chain", true, 1.18),
    ("compact-resnet", false, 1.21),
    ("compact-resnet", true, 1.22),
    ("compact-unet", true, 1.28),
    ("mobilenet-v2, training step", true, 1.16),
    ("resnet50-v2, training step", true, 1.16),
];

/// Plans `outputs` for the smallest adapter and for a software driver, and holds both to 1.15 times
/// what is alive at once.
#[track_caller]
fn tight(what: &str, graph: &Graph, outputs: &[Value], updates: &[Value]) {
    for adapter in [Capabilities::default(), software()] {
        let plan = plan::build(graph, outputs, updates, &adapter, &Options::default()).unwrap();
        check(&plan).unwrap();
        let ratio = plan.peak_bytes as f64 / plan.live_bytes as f64;
        println!(
            "{what}, software {}: {:.1} MB, {ratio:.3} of what is alive, {} slots, {} textures",
            adapter.software,
            plan.peak_bytes as f64 / 1e6,
            plan.slots.len(),
            plan.staging.len(),
        );
        let known =
            KNOWN.iter().find(|(name, software, _)| *name == what && *software == adapter.software);
        let most = known.map_or(1.15, |(_, _, most)| *most);
        assert!(ratio <= most, "{what}, software {}: {ratio:.3}", adapter.software);
    }
}

/// A convolution with its variable, `channels` to `out`.
fn conv(graph: &mut Graph, x: Value, out: usize, size: usize) -> Value {
    let channels = graph.shape(x).channels();
    let name = graph.unique("conv");
    let init = Init::HeNormal { fan_in: size * size * channels };
    let shape = [size, size, channels, out];
    let w = graph.variable(format!("{name}/kernel"), shape, Role::Trainable, init).unwrap();
    graph.add(name, Conv2d::new(Window::square(size, 1, Padding::Same)), &[x, w]).unwrap()
}

fn relu(graph: &mut Graph, x: Value) -> Value {
    let name = graph.unique("relu");
    graph.add(name, Elementwise::one(Instruction::Relu), &[x]).unwrap()
}

#[test]
fn a_chain_of_layers_stays_near_what_is_alive() {
    let mut graph = Graph::new();
    let mut x = graph.input("images", [8, 32, 32, 3]).unwrap();
    for (layer, channels) in [16, 32, 64, 48, 96, 24, 40, 8].into_iter().enumerate() {
        x = conv(&mut graph, x, channels, if layer % 2 == 0 { 3 } else { 1 });
        x = relu(&mut graph, x);
    }
    tight("chain", &graph, &[x], &[]);
}

#[test]
fn a_growing_concatenation_stays_near_what_is_alive() {
    let mut graph = Graph::new();
    let mut x = graph.input("images", [4, 32, 32, 16]).unwrap();
    x = conv(&mut graph, x, 32, 3);
    for _ in 0..8 {
        let narrow = conv(&mut graph, x, 32, 1);
        let narrow = relu(&mut graph, narrow);
        let grown = conv(&mut graph, narrow, 16, 3);
        let name = graph.unique("concat");
        x = graph.add(name, Concat, &[x, grown]).unwrap();
    }
    tight("concatenation", &graph, &[x], &[]);
}

/// A deep residual network, and the gradients of all its kernels.
fn residual(depth: usize) -> (Graph, Value, Vec<Value>) {
    let mut graph = Graph::new();
    let mut x = graph.input("images", [8, 24, 24, 32]).unwrap();
    for _ in 0..depth {
        let inner = relu(&mut graph, x);
        let inner = conv(&mut graph, inner, 48, 1);
        let inner = relu(&mut graph, inner);
        let inner = conv(&mut graph, inner, 32, 3);
        let name = graph.unique("add");
        x = graph.add(name, Elementwise::add(), &[x, inner]).unwrap();
    }
    let kernels: Vec<Value> = graph
        .nodes()
        .filter(|(_, node)| matches!(node.kind, Kind::Variable(_)))
        .map(|(value, _)| value)
        .collect();
    let seed = graph.input("seed", graph.shape(x).clone()).unwrap();
    let found = gradients(&mut graph, x, seed, &kernels).unwrap();
    (graph, x, found)
}

#[test]
fn a_deep_residual_network_stays_near_what_is_alive_forward_and_backward() {
    let (graph, output, gradients) = residual(24);
    tight("residual, forward", &graph, &[output], &[]);
    tight("residual, backward", &graph, &gradients, &[]);
}

#[test]
fn networks_stay_near_what_is_alive() {
    for network in models::all() {
        // At their own size Keras's networks train in batches of 8 within WebGPU's default limits.
        let batch = if network.channels == 1 { 32 } else { 8 };
        let model = network.build(Mode::Inference, batch, network.input, 2).unwrap();
        tight(network.name, &model.graph, &[model.heads.logits], &[]);
        let size = network.input;
        let step = TrainingGraph::build(network, batch, size, 2, &Optimizer::adam()).unwrap();
        let what = format!("{}, training step", network.name);
        tight(&what, &step.graph, &[step.loss, step.logits], &step.updates);
    }
}

#[test]
fn networks_compile_and_bind_on_default_limits() {
    let gpu = Arc::new(gpu::open_noop());
    for network in models::all() {
        let step = TrainingGraph::build(network, 2, [75, 75], 2, &Optimizer::adam()).unwrap();
        let outputs = [step.loss, step.logits];
        let capabilities = gpu.capabilities();
        let plan =
            plan::build(&step.graph, &outputs, &step.updates, capabilities, &Options::default());
        let store = Store::new(&gpu, &step.graph, 0).unwrap();
        let mut session = Session::new(&gpu, plan.unwrap(), &store).unwrap();
        session.run().unwrap();
        check(session.plan()).unwrap();
        check_session(&session).unwrap();
    }
}

#[test]
fn the_largest_networks_share_their_pipelines() {
    // 771 layers; pipelines are keyed by variant and not by shape.
    let network = models::find("nasnet-mobile").unwrap();
    let model = network.build(Mode::Inference, 1, network.input, network.classes).unwrap();
    let hardware = Capabilities { subgroup: Some((8, 8)), ..Capabilities::default() };
    for adapter in [hardware, software()] {
        let outputs = [model.heads.logits];
        let options = Options::default();
        let plan = plan::build(&model.graph, &outputs, &[], &adapter, &options).unwrap();
        let (pipelines, software) = (plan.pipelines(), adapter.software);
        println!("software {software}: {pipelines} pipelines, {} dispatches", plan.dispatches());
        assert!(pipelines <= 60, "software {software}: {pipelines}");
    }
}

// ---- what does not fit ----

#[test]
fn a_tensor_that_does_not_fit_is_refused_with_the_batch_that_does() {
    let plan = |batch: usize| {
        let mut graph = Graph::new();
        let x = graph.input("images", [batch, 147, 147, 4]).unwrap();
        let y = conv(&mut graph, x, 64, 3);
        let capabilities = Capabilities::default();
        plan::build(&graph, &[y], &[], &capabilities, &Options::default())
    };
    let error = plan(32).unwrap_err();
    assert!(matches!(error, Error::TooLarge { needs, .. } if needs == 32 * 147 * 147 * 64 * 4));
    let text = error.to_string();
    for part in ["conv 32x147x147x64", "177 MB", "134 MB", "use a batch of 24 or less"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(plan(25).is_err(), "24 is the most");
    plan(24).unwrap();
    let mut graph = Graph::new();
    let x = graph.input("image", [1, 6000, 6000, 1]).unwrap();
    let y = relu(&mut graph, x);
    let capabilities = Capabilities::default();
    let error = plan::build(&graph, &[y], &[], &capabilities, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("smaller input"), "{error}");
    // A kernel is as large for a smaller batch.
    let mut graph = Graph::new();
    let x = graph.input("images", [2, 4, 4, 4]).unwrap();
    let w = graph.input("kernel", [4096, 4096, 4, 4]).unwrap();
    let window = Window::square(4096, 1, Padding::Same);
    let y = graph.add("conv", Conv2d::new(window), &[x, w]).unwrap();
    let error = plan::build(&graph, &[y], &[], &capabilities, &Options::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("kernel 4096x4096x4x4") && !text.contains("use a batch"), "{text}");
}

// ---- fusion ----

/// Numbers in [-1, 1) for every input and variable; variances are positive.
fn numbers(graph: &Graph) -> HashMap<String, Tensor<f64>> {
    let mut given = HashMap::new();
    for (value, node) in graph.nodes().filter(|(_, node)| node.operation().is_none()) {
        let mut state = value.index() as u64 + 1;
        let tensor = Tensor::from_fn(node.shape.clone(), |_| {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            let unit = (state >> 40) as f64 / f64::from(1u32 << 24);
            if node.name.ends_with("variance") { 0.5 + unit } else { 2.0 * unit - 1.0 }
        });
        given.insert(node.name.clone(), tensor);
    }
    given
}

#[test]
fn fused_graphs_compute_the_same() {
    let mut subjects = vec![{
        let (graph, output, gradients) = residual(2);
        ("residual", graph, [vec![output], gradients].concat())
    }];
    // The others have nothing to fuse that these four have not, and the reference takes its time.
    for (name, size) in [
        ("compact-xception", [20, 23]),
        ("compact-resnet", [20, 23]),
        ("mobilenet-v2", [33, 38]),
        ("nasnet-mobile", [33, 38]),
    ] {
        let network = models::find(name).unwrap();
        let model = network.build(Mode::Inference, 1, size, 3).unwrap();
        subjects.push((network.name, model.graph, vec![model.heads.logits, model.heads.cam]));
    }
    for (name, graph, wanted) in subjects {
        for differentiable in [false, true] {
            let (fused, map) = fuse(&graph, &wanted, differentiable).unwrap();
            let count = |graph: &Graph| graph.nodes().len();
            // Gradients still read what the residual network would fuse.
            assert!(differentiable || count(&fused) < count(&graph), "{name}: nothing was fused");
            let moved: Vec<Value> = wanted.iter().map(|v| map[v.index()].unwrap()).collect();
            let given = numbers(&graph);
            let plain = evaluate(&graph, &given, &wanted).unwrap();
            let both = evaluate(&fused, &given, &moved).unwrap();
            for (before, after) in wanted.iter().zip(&moved) {
                let (a, b) = (plain.get(*before).unwrap(), both.get(*after).unwrap());
                assert_eq!(a.shape(), b.shape());
                let scale = a.data().iter().fold(1e-9f64, |most, x| most.max(x.abs()));
                for (x, y) in a.data().iter().zip(b.data()) {
                    let apart = (x - y).abs() / scale;
                    assert!(apart < 1e-9, "{name} {}: {x} and {y}", graph.node(*before).name);
                }
            }
        }
    }
}

/// Adapters that between them allow every row of every table.
fn adapters_of_rows() -> [Capabilities; 3] {
    let gpu = Capabilities {
        subgroup: Some((32, 32)),
        f16: true,
        rounding: true,
        cooperative: Some(16),
        workgroup_memory: 48 << 10,
        max_invocations: 1024,
        ..Capabilities::default()
    };
    let lavapipe = Capabilities { subgroup: Some((8, 8)), cooperative: Some(8), ..software() };
    [gpu, lavapipe, Capabilities::default()]
}

/// The type of an operation: names are shared by some.
fn kind(operation: &dyn Operation) -> String {
    let debug = format!("{operation:?}");
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What `check` is told of each case on each adapter, with dense tensors.
fn for_each_lowering(mut check: impl FnMut(&str, &dyn Operation, &Lowering)) {
    for (name, case) in cases() {
        let inputs: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
        let output = case.operation.infer(&inputs).unwrap();
        let views: Vec<View> = inputs.iter().map(|shape| View::dense(shape)).collect();
        for capabilities in &adapters_of_rows() {
            let lowering = Lowering {
                inputs: &inputs,
                views: &views,
                output: &output,
                output_view: View::dense(&output),
                fixed: &[],
                capabilities,
            };
            check(&format!("{name} {}", case.name), &*case.operation, &lowering);
        }
    }
}

/// A row that lowers to what another one does would be timed, and might win, as the kernel that it is not.
#[test]
fn no_two_rows_are_one_kernel() {
    // For each pair of an operation's rows, whether some case tells them apart.
    let mut pairs: BTreeMap<(String, &str, &str), bool> = BTreeMap::new();
    for_each_lowering(|_, operation, lowering| {
        let lowered: Vec<_> = operation
            .variants()
            .iter()
            .filter(|row| row.needs.met_by(lowering.capabilities))
            .filter_map(|row| Some((row.name, row.lowered(operation, lowering).ok()?)))
            .collect();
        for (index, (a, of_a)) in lowered.iter().enumerate() {
            for (b, of_b) in &lowered[index + 1..] {
                assert_ne!(a, b, "{operation:?} has two rows of one name");
                *pairs.entry((kind(operation), *a, *b)).or_default() |= of_a != of_b;
            }
        }
    });
    let same: Vec<_> = pairs.iter().filter(|(_, apart)| !**apart).collect();
    assert!(pairs.len() > 50, "{} pairs of rows were compared", pairs.len());
    assert!(same.is_empty(), "these lower to the same dispatches on every case: {same:?}");
}

/// The cheapest row that fits is taken, and what says that it fits does.
#[test]
fn rows_keep_to_what_they_say() {
    let mut taken: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut known: BTreeSet<(String, &str)> = BTreeSet::new();
    for_each_lowering(|case, operation, lowering| {
        let (chosen, dispatches) = choose(operation, lowering).unwrap();
        let ends =
            |row: &Variant| row.lowered(operation, lowering).unwrap().ends(lowering.capabilities);
        let price = |row: &Variant| (row.price)(operation, lowering);
        taken.insert((kind(operation), chosen.name));
        assert!(chosen.needs.met_by(lowering.capabilities), "{case}: {}", chosen.name);
        assert_eq!(chosen.lowered(operation, lowering).unwrap(), dispatches, "{case}");
        for row in operation.variants() {
            known.insert((kind(operation), row.name));
            let fits =
                row.needs.met_by(lowering.capabilities) && (row.fits)(operation, lowering).is_ok();
            if fits {
                assert!(!price(row).is_nan(), "{case}: {}", row.name);
                let cheaper = price(row) < price(chosen) && ends(row);
                assert!(!cheaper, "{case}: {} is cheaper than {}", row.name, chosen.name);
            }
        }
    });
    assert!(taken.len() > 60 && known.len() > taken.len(), "{} of {}", taken.len(), known.len());
}

/// An operation that says what is not so: that its output lies in its input, behind the input's end.
#[derive(Debug)]
struct Foreign(Elementwise);

impl Operation for Foreign {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Error> {
        self.0.infer(inputs)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        self.0.reference(inputs)
    }

    fn alias(&self, _inputs: &[&Shape]) -> Alias {
        Alias::Within { offset: 1 << 20, keeps_stride: false }
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered, Error> {
        let (_, mut lowered) = choose(&self.0, lowering)?;
        lowered.dispatches.iter_mut().for_each(|dispatch| dispatch.workgroups = [1000, 1, 1]);
        Ok(lowered)
    }
}

#[test]
fn an_operation_of_another_crate_is_checked_and_has_memory_of_its_own() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 4, 4, 8]).unwrap();
    let y = graph.add("y", Foreign(Elementwise::relu()), &[x]).unwrap();
    let z = graph.add("z", Elementwise::relu(), &[y]).unwrap();
    let options = Options::default();
    let plan = plan::build(&graph, &[z], &[], &Capabilities::default(), &options).unwrap();
    check(&plan).unwrap();
    let checked = |layer: &str| {
        let step = plan.steps.iter().find(|step| step.layer == layer).unwrap();
        step.dispatches.iter().map(|dispatch| dispatch.checked).collect::<Vec<_>>()
    };
    assert_eq!((checked("y"), checked("z")), (vec![true], vec![false]));
    for (_, case) in cases() {
        assert!(ops::own(&*case.operation), "{} is not in ops::OWN", case.operation.name());
    }
}

// ---- the checker itself ----

#[test]
fn a_plan_that_breaks_a_rule_is_found() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 4, 4, 8]).unwrap();
    let y = conv(&mut graph, x, 8, 1);
    let z = conv(&mut graph, y, 8, 1);
    let capabilities = Capabilities::default();
    let good = plan::build(&graph, &[z], &[], &capabilities, &Options::default()).unwrap();
    check(&good).unwrap();
    let broken = |change: &dyn Fn(&mut PlanData)| {
        let mut plan = PlanData::clone(&good);
        change(&mut plan);
        check(&plan).unwrap_err()
    };
    let same = |plan: &mut PlanData| {
        let dispatch = &mut plan.steps[1].dispatches[0];
        for bound in &mut dispatch.bindings {
            bound.memory = Memory::Slot(0);
        }
    };
    assert!(broken(&same).contains("reads and writes slot 0"));
    let grid = |plan: &mut PlanData| plan.steps[0].dispatches[0].workgroups[1] = 65536;
    assert!(broken(&grid).contains("workgroups"));
    let outside = |plan: &mut PlanData| plan.steps[0].dispatches[0].bindings[0].start = 1 << 30;
    assert!(broken(&outside).contains("Binding"));
    assert!(broken(&|plan| plan.peak_bytes = 1).contains("alive"));
}
