//! Tuning: what is wrong never wins, what was found is used, and what cannot be used is left aside.

mod common {
    pub mod adapter;
}

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use common::adapter;
use parula::engine::gpu::AdapterReport;
use parula::engine::graph::{Graph, Operation, Variant, downcast, find};
use parula::engine::kernel::{Choices, Lowered, Lowering, Needs};
use parula::engine::ops::{Case, Elementwise, Fill, choice_key};
use parula::engine::plan::{self, Options};
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::error::Result;
use parula::lab::bench::{Effort, Layer, Phase, Subject, layers};
use parula::lab::tune::{self, Entry, Tuning};
use parula::nets::models;
use serde_json::Value;

/// ReLU with a variant that does no more than the first elements, which is fast, and wrong.
#[derive(Debug)]
struct Careless {
    honest: Elementwise,
    /// The variant that it chooses by itself.
    chosen: &'static str,
}

impl Operation for Careless {
    fn name(&self) -> &'static str {
        self.honest.name()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        self.honest.infer(inputs)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        self.honest.reference(inputs)
    }

    fn variants(&self) -> &'static [Variant] {
        const VARIANTS: &[Variant] = &[
            Variant {
                name: "naive",
                family: "naive",
                needs: Needs::Nothing,
                fits: |_, _| Ok(()),
                price: |operation, _| Careless::price(operation, "naive"),
                lower: |operation, lowering| Careless::honest(operation, lowering),
            },
            Variant {
                name: "careless",
                family: "careless",
                needs: Needs::Nothing,
                fits: |_, _| Ok(()),
                price: |operation, _| Careless::price(operation, "careless"),
                lower: |operation, lowering| {
                    let mut lowered = Careless::honest(operation, lowering)?;
                    let dispatches = lowered.dispatches.iter_mut();
                    dispatches.for_each(|dispatch| dispatch.workgroups = [1, 1, 1]);
                    Ok(lowered)
                },
            },
        ];
        VARIANTS
    }
}

impl Careless {
    fn of(operation: &dyn Operation) -> &Careless {
        downcast(operation).unwrap()
    }

    fn price(operation: &dyn Operation, name: &str) -> f64 {
        if Careless::of(operation).chosen == name { 1.0 } else { 2.0 }
    }

    fn honest(operation: &dyn Operation, lowering: &Lowering) -> Result<Lowered> {
        let honest = &Careless::of(operation).honest;
        find(honest, "naive").unwrap().lowered(honest, lowering)
    }
}

fn careless(chosen: &'static str) -> Layer {
    let operation = Careless { honest: Elementwise::relu(), chosen };
    Layer::from(Case::new("all of it", operation, [([64, 1024].into(), Fill::Signed)]))
}

#[test]
fn a_variant_that_is_wrong_never_wins_and_is_reported() {
    let gpu = Arc::new(adapter::open());
    // Far faster than the one that does all the work, whether it is the usual choice or not.
    for chosen in ["naive", "careless"] {
        let layer = careless(chosen);
        let mut tuning = Tuning::new(gpu.report());
        let mut heard = 0;
        let tuned = tune::tune(
            &gpu,
            std::slice::from_ref(&layer),
            Effort::QUICK,
            &mut tuning,
            &mut |_, _, _| {
                heard += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!((tuned.len(), heard), (1, 1));
        assert_eq!((tuned[0].default.as_str(), tuned[0].chosen.as_str()), (chosen, "naive"));
        let of = |name: &str| tuned[0].candidates.iter().find(|one| one.variant == name).unwrap();
        let wrong = of("careless");
        assert!(wrong.failed && wrong.timing.is_none());
        assert!(wrong.out.as_ref().unwrap().contains("wrong: element"), "{wrong:?}");
        assert_eq!(of("naive").checked.as_deref(), Some("reference"));
        assert_eq!(tuning.find(&layer.key).unwrap().variant, "naive");
        assert_eq!(tuning.choices().len(), usize::from(chosen == "careless"));
    }
}

#[test]
fn the_variants_of_a_convolution_are_checked_and_timed() {
    let gpu = Arc::new(adapter::open());
    let network = models::find("compact-xception").unwrap();
    let mut all = layers(&[network], &[Phase::TrainingStep], 2, Some([32, 32])).unwrap();
    all.retain(|layer| layer.case.operation.name().starts_with("conv2d"));
    all.dedup_by_key(|layer| layer.case.operation.name());
    all.truncate(3);
    let mut tuning = Tuning::new(gpu.report());
    let effort = Effort { samples: 3, ..Effort::QUICK };
    let tuned = tune::tune(&gpu, &all, effort, &mut tuning, &mut |_, _, _| Ok(())).unwrap();
    assert_eq!(tuned.len(), 3);
    for tuned in &tuned {
        assert!(tuned.candidates.iter().all(|one| !one.failed), "{tuned:?}");
        assert!(
            tuned.candidates[0].variant == tuned.default && tuned.candidates[0].ratio == Some(1.0)
        );
        assert!(tuned.candidates.len() > 1);
    }
    assert_eq!(tuning.entries.len(), 3);
}

/// The choices that have `variant` for every convolution of compact-xception at batch 1 that can do it.
fn tuning(adapter: &AdapterReport, variant: &str) -> Tuning {
    let network = models::find("compact-xception").unwrap();
    let mut tuning = Tuning::new(adapter);
    for layer in layers(&[network], &[Phase::Forward], 1, None).unwrap() {
        if layer.case.operation.name() == "conv2d" {
            tuning.put(Entry {
                key: layer.key,
                variant: variant.to_owned(),
                default: "another".to_owned(),
                ratio: 0.5,
                spread: 0.1,
                checked: "reference".to_owned(),
            });
        }
    }
    tuning
}

#[test]
fn plans_use_what_was_chosen_where_they_can() {
    let case = Case::new("x", Elementwise::relu(), [([4, 8].into(), Fill::Signed)]);
    let mut subject = Subject::new(&case).unwrap();
    let capabilities = Default::default();
    let step = |subject: &Subject, variant| {
        let plan = subject.plan(&capabilities, variant).unwrap();
        (plan.steps[0].variant, plan.steps[0].tuned)
    };
    assert_eq!(step(&subject, None), ("fours", false));
    let choose = |variant: &str| {
        let mut choices = Choices::default();
        choices.insert(Layer::from(case.clone()).key, variant);
        Arc::new(choices)
    };
    subject.choices = choose("naive");
    assert_eq!(step(&subject, None), ("naive", true));
    assert_eq!(step(&subject, Some("fours")), ("fours", false), "what is asked for comes first");
    subject.choices = choose("of another version");
    assert_eq!(step(&subject, None), ("fours", false));

    // Of five channels no variant takes four at a time.
    let mut graph = Graph::new();
    let x = graph.input("x", [4, 5, 5, 5]).unwrap();
    let y = graph.add("y", Elementwise::relu(), &[x]).unwrap();
    let plain = plan::build(&graph, &[y], &[], &capabilities, &Options::default()).unwrap();
    let mut choices = Choices::default();
    for variant in ["fours", "naive"] {
        choices.insert(choice_key(&Elementwise::relu(), &[&Shape::from([4, 5, 5, 5])]), variant);
        let options = Options { choices: Arc::new(choices.clone()), ..Options::default() };
        let plan = plan::build(&graph, &[y], &[], &capabilities, &options).unwrap();
        assert_eq!(plan.steps[0].dispatches, plain.steps[0].dispatches, "{variant}");
    }
}

fn parula(cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    command.args(arguments).env("PARULA_CACHE", cache);
    // The same driver as in this process: with AVX-512 the program would start again with wider subgroups.
    command.env("PARULA_ENVIRONMENT", "1");
    for (variable, flag) in [("PARULA_BACKEND", "--backend"), ("PARULA_ADAPTER", "--adapter")] {
        if let Ok(value) = std::env::var(variable) {
            command.args([flag, &value]);
        }
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    output
}

fn json(cache: &Path, arguments: &[&str]) -> (Value, String) {
    let output = parula(cache, &[arguments, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap(), error)
}

#[test]
fn tuning_is_kept_and_explained_and_a_damaged_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("below");
    let case = ["tune", "--quick", "--op", "conv2d", "--case", "n=1,h=6,w=5,cin=8,cout=8,k=3"];
    let (report, _) = json(&cache, &case);
    let file = report["file"].as_str().unwrap().to_owned();
    assert!(Path::new(&file).starts_with(&cache) && Path::new(&file).exists());
    assert_eq!(
        (report["known"].as_u64(), report["operations"][0]["op"].as_str()),
        (Some(0), Some("conv2d"))
    );
    let (again, _) = json(&cache, &case);
    assert_eq!(
        (again["known"].as_u64(), again["operations"].as_array().map(Vec::len)),
        (Some(1), Some(0))
    );

    let explain = ["explain", "--model", "compact-xception", "--batch", "1"];
    let variants = |plan: &Value| -> Vec<(String, bool)> {
        let steps = plan["steps"].as_array().unwrap().iter();
        let conv = steps.filter(|step| step["operation"] == "conv2d");
        conv.map(|step| (step["variant"].as_str().unwrap().to_owned(), step["tuned"] == true))
            .collect()
    };
    let untouched = variants(&json(&cache, &explain).0);
    assert!(untouched.iter().all(|(_, tuned)| !tuned), "other shapes were tuned");
    let gpu = adapter::open();
    tuning(gpu.report(), "naive").write(Path::new(&file)).unwrap();
    let tuned = variants(&json(&cache, &explain).0);
    assert!(tuned.iter().all(|(variant, tuned)| variant == "naive" && *tuned), "{tuned:?}");
    let text = parula(&cache, &explain).stdout;
    assert!(String::from_utf8_lossy(&text).contains("conv2d/naive (tuned)"));
    assert_eq!(variants(&json(&cache, &[&explain[..], &["--no-tuning"]].concat()).0), untouched);

    std::fs::write(&file, "{\"format\": 1, ").unwrap();
    let (plan, error) = json(&cache, &explain);
    assert_eq!(variants(&plan), untouched);
    assert!(error.contains("ignored") && error.contains("not a file of tuning"), "{error}");
    let (report, _) = json(&cache, &case);
    assert_eq!(report["known"], 0, "it is made again");
    assert!(Tuning::read(Path::new(&file), gpu.report()).unwrap().is_some());
}
