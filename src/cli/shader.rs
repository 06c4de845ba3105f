//! `parula shader`: the WGSL that the driver is given for an operation, and how it is run.

use clap::Args;

use super::{Global, Numbers, print, print_json};
use crate::engine::gpu::Gpu;
use crate::engine::ops::CaseSpec;
use crate::engine::plan::Dispatch;
use crate::error::Result;
use crate::lab::bench::{self, BenchOptions, Subject};

/// Print the WGSL of an operation's kernels as the driver is given it: the variant that this adapter would use,
/// or one that is named, with its register tiles, its constants, and its workgroups.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parula shader conv2d\n  parula shader conv2d --variant naive\n  \
    parula shader conv2d --case n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1"
)]
pub struct Shader {
    /// The operation, as in `parula bench`
    op: String,
    /// The variant [the one that would be chosen]
    #[arg(long, value_parser = super::choices::variant)]
    variant: Option<String>,
    /// A convolution of this shape: n=,h=,w=,cin=,cout=,k=,s=,d=,g= [the operation's first case]
    #[arg(long)]
    case: Option<CaseSpec>,
    #[command(flatten)]
    numbers: Numbers,
}

impl Shader {
    pub fn run(&self, global: &Global) -> Result<()> {
        let options = BenchOptions {
            kernels: vec![self.op.clone()],
            case: self.case,
            variants: self.variant.iter().cloned().collect(),
            ..BenchOptions::default()
        };
        let cases = bench::select(&options)?;
        let gpu = global.open(self.numbers.precision)?;
        let case = &cases[0];
        let mut subject = Subject::new(case)?;
        subject.choices = gpu.choices().clone();
        let named = |name: &String| {
            let variants = case.operation.variants().iter();
            variants.map(|variant| variant.name).find(|own| own == name)
        };
        let variant = self.variant.as_ref().and_then(named);
        let plan = subject.plan(gpu.capabilities(), variant)?;
        let mut documents = Vec::new();
        let mut text = String::new();
        for step in plan.setup.iter().chain(&plan.steps) {
            for dispatch in &step.dispatches {
                let source =
                    gpu.wgsl(dispatch.shader, &dispatch.tiles, dispatch.texels, &dispatch.halves)?;
                text += &format!("{}{source}\n", head(&gpu, &case.name, step.variant, dispatch));
                documents.push(serde_json::json!({
                    "op": step.operation, "variant": step.variant, "case": case.name,
                    "shader": dispatch.shader, "entry": dispatch.entry,
                    "overrides": pairs(&dispatch.constants), "tiles": pairs(&dispatch.tiles),
                    "workgroups": dispatch.workgroups, "wgsl": source,
                }));
            }
        }
        if global.json { print_json(&documents) } else { print(&text) }
    }
}

fn pairs<T: Copy + Into<f64>>(values: &[(&str, T)]) -> serde_json::Map<String, serde_json::Value> {
    values.iter().map(|&(name, value)| (name.to_owned(), value.into().into())).collect()
}

/// What stands above a kernel, as comments, so that all of it is WGSL.
fn head(gpu: &Gpu, case: &str, variant: &str, dispatch: &Dispatch) -> String {
    let [x, y, z] = dispatch.workgroups;
    let list = |values: Vec<String>| match values.is_empty() {
        true => "none".to_owned(),
        false => values.join(", "),
    };
    let constants = dispatch.constants.iter().map(|(name, value)| format!("{name} = {value}"));
    let tiles = dispatch.tiles.iter().map(|(name, value)| format!("{name} = {value}"));
    format!(
        "// {} on {case}, for {}\n// entry point {}, {x} x {y} x {z} workgroups\n\
         // overrides: {}\n// register tiles, constants below: {}\n\n",
        variant,
        gpu.report(),
        dispatch.entry,
        list(constants.collect()),
        list(tiles.collect()),
    )
}
