//! One page that runs every case of every kernel on the WebGPU of the browser that opens it, in each variant that needs
//! nothing but WebGPU's default limits, and compares with the plain reference in double precision.
//!
//! Everything is in the file: the plans as `docs/plan-format.md` describes them, the numbers that go in and those that
//! must come out, and the lesson's modules that run plans.

mod numbers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parula::engine::graph::{Graph, Kind, Value, Variant};
use parula::engine::kernel::{Capabilities, Needs};
use parula::engine::ops::{Case, REGISTRY};
use parula::engine::plan::{self, Plan};
use parula::engine::session::evaluate;
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::lab::lesson::export::Document;
use serde_json::{Map, Value as Json, json};

use crate::Outcome;
use crate::lies::{LIES, Lie, UNSUPPORTED, build, lies_of};

use self::numbers::{Beside, Columns, Numbers};

/// The page's modules: its own, and those of the lesson that read and run plans.
const MODULES: [(&str, &str); 11] = [
    ("kernels/ahead.js", include_str!("page/ahead.js")),
    ("kernels/numbers.js", include_str!("page/numbers.js")),
    ("kernels/check.js", include_str!("page/check.js")),
    ("kernels/loops.js", include_str!("page/loops.js")),
    ("kernels/main.js", include_str!("page/main.js")),
    ("lesson/plan.js", include_str!("../../src/lab/lesson/page/plan.js")),
    ("lesson/device.js", include_str!("../../src/lab/lesson/page/device.js")),
    ("lesson/guard.js", include_str!("../../src/lab/lesson/page/guard.js")),
    ("lesson/processor.js", include_str!("../../src/lab/lesson/page/processor.js")),
    ("lesson/program.js", include_str!("../../src/lab/lesson/page/program.js")),
    ("lesson/variables.js", include_str!("../../src/lab/lesson/page/variables.js")),
];

/// Writes the page to `path`. `PARULA_OPERATION` chooses one operation, as in `tests/kernels.rs`.
pub fn write(path: &Path) -> Outcome {
    let only = std::env::var("PARULA_OPERATION").ok();
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let mut page = Page::default();
    for entry in REGISTRY.iter().filter(|entry| chosen(entry.name)) {
        for case in (entry.cases)() {
            page.add(entry.name, &case)?;
        }
    }
    if page.runs == 0 {
        return Err("no operation has the name in PARULA_OPERATION".into());
    }
    std::fs::write(path, page.html()?)?;
    eprintln!(
        "{}: {} runs of {} cases, {} things that cannot run",
        path.display(),
        page.runs,
        page.cases,
        page.left.len(),
    );
    Ok(())
}

/// By the names of inputs and variables.
type Tensors = HashMap<String, Tensor<f64>>;

/// The same as the page makes them.
type Described = BTreeMap<String, Columns>;

/// What the page holds.
#[derive(Default)]
struct Page {
    document: Document,
    numbers: Numbers,
    /// Graphs with their numbers, and the plans that run them.
    checks: Vec<Json>,
    /// What no browser runs, and why.
    left: BTreeSet<[String; 3]>,
    cases: usize,
    runs: usize,
}

impl Page {
    /// Adds `case` in all ways to lie in memory, in every variant of the baseline that can do it.
    fn add(&mut self, operation: &str, case: &Case) -> Outcome {
        if case.bench_only {
            self.leave("for timing alone: too large for the reference", operation, &case.name);
            return Ok(());
        }
        let (baseline, others): (Vec<&Variant>, Vec<&Variant>) =
            case.operation.variants().iter().partition(|variant| variant.needs == Needs::Nothing);
        for variant in others {
            let what = format!("{operation}/{}", variant.name);
            self.leave(&format!("needs {:?}", variant.needs), &what, &case.name);
        }
        let alone = build(case, Lie::Dense, false);
        let truth = truth(&alone.0, &alone.1, alone.2)?;
        let before = self.runs;
        // Where no tensor of a case lies within another, all its ways to lie are one.
        let mut seen: HashMap<&str, Vec<Plan>> = HashMap::new();
        for lie in LIES {
            let (graph, given, output, _) = build(case, lie, false);
            let mut runs = Vec::new();
            for variant in baseline.iter().filter(|one| lies_of(one).contains(&lie)) {
                let what = format!("{operation}/{}", variant.name);
                // Of a loop that some drivers leave there is a plan without it, a plan with it, or both.
                let short = planned(&graph, output, variant.name, &Document::capabilities());
                let long = planned(&graph, output, variant.name, &Capabilities::default());
                let differ = long.as_ref().ok() != short.as_ref().ok();
                if let (Err(_), Err(error)) = (&short, &long) {
                    let why =
                        refusal(error).ok_or_else(|| format!("{what} {}: {error}", case.name))?;
                    self.leave(&why, &what, &format!("{}, {lie:?}", case.name));
                }
                let both = [(short, false), (long, true)];
                for (plan, long) in both.into_iter().filter(|(_, long)| differ || !long) {
                    let Ok(plan) = plan else { continue };
                    let seen = seen.entry(variant.name).or_default();
                    if seen.contains(&plan) {
                        continue;
                    }
                    let number = (self.runs + runs.len()).to_string();
                    self.export(&number, &graph, &plan)?;
                    seen.push(plan);
                    runs.push(json!({"variant": variant.name, "plan": number, "long": long}));
                }
            }
            if runs.is_empty() {
                continue;
            }
            self.runs += runs.len();
            let (inputs, expected) = self.tensors(lie, &alone.1, &given, &truth, &graph, output);
            self.checks.push(json!({
                "number": self.cases, "operation": operation, "case": case.name,
                "lie": format!("{lie:?}"), "tolerance": case.tolerance,
                "inputs": inputs, "expected": expected, "runs": runs,
            }));
        }
        if self.runs == before {
            return Err(
                format!("{operation} {}: no variant of the baseline runs it", case.name).into()
            );
        }
        self.cases += 1;
        Ok(())
    }

    /// The inputs of a graph and what must come out of it, from the same tensors `alone`.
    fn tensors(
        &mut self,
        lie: Lie,
        alone: &Tensors,
        given: &Tensors,
        truth: &BTreeMap<String, Tensor<f64>>,
        graph: &Graph,
        output: Value,
    ) -> (Described, Described) {
        let mut laid = |own: &Tensor<f64>, shape: &Shape, beside| match lie {
            Lie::Within { start, wider } if own.shape() != shape => {
                self.numbers.within(own, start, wider, beside)
            }
            _ => self.numbers.dense(own),
        };
        let sorted: BTreeMap<_, _> = given.iter().collect();
        let inputs = sorted.into_iter().map(|(name, tensor)| {
            let columns = match alone.get(name) {
                Some(own) => laid(own, tensor.shape(), Beside::Outside),
                None => Numbers::side(tensor),
            };
            (name.clone(), columns)
        });
        let inputs = inputs.collect();
        let expected = truth.iter().map(|(name, own)| match graph.find(name) {
            // The output may be part of something wider, which has another name.
            Some(value) if matches!(graph.node(value).kind, Kind::Variable(_)) => {
                (name.clone(), laid(own, own.shape(), Beside::Sides))
            }
            _ => (graph.node(output).name.clone(), laid(own, graph.shape(output), Beside::Sides)),
        });
        (inputs, expected.collect())
    }

    fn leave(&mut self, why: &str, what: &str, case: &str) {
        self.left.insert([why, what, case].map(str::to_owned));
    }

    fn export(&mut self, name: &str, graph: &Graph, plan: &Plan) -> Outcome {
        let variables = (!plan.variables.elements.is_empty()).then_some(name);
        if let Some(name) = variables {
            self.document.add_variables(name, graph, None)?;
        }
        let outputs: Vec<(String, String)> =
            plan.outputs.iter().map(|port| (port.name.clone(), port.name.clone())).collect();
        self.document.add_plan(name, graph, plan, variables, &outputs)?;
        Ok(())
    }

    fn html(&self) -> Outcome<String> {
        let data = json!({
            "program": self.document, "checks": self.checks, "cases": self.cases, "left": self.left,
            "numbers": self.numbers.packed()?,
        });
        // Text of a script element ends at the first `</script`.
        let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
        let imports: Map<String, Json> = MODULES
            .iter()
            .map(|(name, text)| {
                let url = format!("data:text/javascript;base64,{}", STANDARD.encode(text));
                ((*name).to_owned(), json!(url))
            })
            .collect();
        let importmap = json!({"imports": imports}).to_string();
        Ok(include_str!("page/index.html")
            .replace("{{importmap}}", &importmap)
            .replace("{{data}}", &data))
    }
}

/// The plan of a case's graph, as `tests/kernels.rs` has it made for an adapter.
fn planned(
    graph: &Graph,
    output: Value,
    variant: &'static str,
    adapter: &Capabilities,
) -> Result<Plan, Error> {
    let options = plan::Options { variant: Some(variant), ..plan::Options::default() };
    let target = [output];
    let updates = graph.node(output).operation().is_some_and(|one| !one.updates().is_empty());
    let (outputs, updates) = if updates { (&[][..], &target[..]) } else { (&target[..], &[][..]) };
    plan::build(graph, outputs, updates, adapter, &options)
}

/// Why a variant leaves a case to others, or WebGPU's default limits have no room for it; nothing where it must not
/// be refused.
fn refusal(error: &Error) -> Option<String> {
    let text = error.to_string();
    let known = UNSUPPORTED.iter().find(|known| text.contains(**known));
    match (known, error) {
        (Some(known), _) => Some(format!("the variant {known}")),
        (None, Error::TooLarge { .. }) => Some(format!("beyond WebGPU's default limits: {text}")),
        (None, _) => None,
    }
}

/// What the reference makes of it, by name: the output, or the variables that are changed.
fn truth(graph: &Graph, given: &Tensors, output: Value) -> Outcome<BTreeMap<String, Tensor<f64>>> {
    let truth = evaluate(graph, given, &[output])?;
    let node = graph.node(output);
    let updates = node.operation().map_or(&[][..], |operation| operation.updates());
    let values: Vec<Value> = match updates {
        [] => vec![output],
        updates => updates.iter().map(|&index| node.inputs[index]).collect(),
    };
    values
        .into_iter()
        .map(|value| {
            let name = graph.node(value).name.clone();
            let tensor =
                truth.get(value).ok_or_else(|| format!("the reference gives no {name}"))?;
            Ok((name, tensor.clone()))
        })
        .collect()
}
