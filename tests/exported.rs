//! Plans as browsers are given them: WebGPU refuses what wgpu lets pass.

use parula::engine::kernel::Needs;
use parula::engine::ops::REGISTRY;
use parula::engine::plan::Reach;
use parula::lab::bench::Subject;
use parula::lab::lesson::export::Document;
use serde_json::Value as Json;

/// A dispatch that reads and writes one buffer, or may write one range through two bindings, used or not, is no dispatch
/// in WebGPU.
#[test]
fn no_dispatch_binds_twice_what_it_writes() {
    let (mut several, mut problems) = (0, Vec::new());
    for case in REGISTRY.iter().flat_map(|entry| (entry.cases)()) {
        let subject = Subject::new(&case).unwrap();
        let baseline = case.operation.variants().iter().filter(|one| one.needs == Needs::Nothing);
        for variant in baseline {
            // A variant may leave a shape to another.
            let Ok(plan) = subject.plan(&Document::capabilities(), Some(variant.name)) else {
                continue;
            };
            let mut document = Document::default();
            document.add_plan("case", &subject.graph, &plan, None, &[]).unwrap();
            let exported = &serde_json::to_value(&document).unwrap()["plans"]["case"];
            let steps = ["once", "steps"].map(|name| exported[name].as_array().unwrap().clone());
            for (step, own) in steps.concat().iter().zip(plan.setup.iter().chain(&plan.steps)) {
                let numbers = step["dispatches"].as_array().unwrap();
                assert_eq!(numbers.len(), own.dispatches.len());
                for (number, dispatch) in numbers.iter().zip(&own.dispatches) {
                    let exported = &exported["dispatches"][number.as_u64().unwrap() as usize];
                    let writes: Vec<bool> =
                        dispatch.bindings.iter().map(|one| one.reach == Reach::Write).collect();
                    several += usize::from(writes.iter().filter(|&&write| write).count() > 1);
                    if let Some(buffer) = bound_twice(exported, &writes) {
                        let name = case.operation.name();
                        problems.push(format!(
                            "{name}/{}, {}: buffer {buffer} of {exported}",
                            variant.name, case.name
                        ));
                    }
                }
            }
        }
    }
    assert!(several > 0, "no dispatch writes through two bindings");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The buffer of an exported dispatch that WebGPU refuses to be bound as it is. `writes`: which of its bindings do.
fn bound_twice(dispatch: &Json, writes: &[bool]) -> Option<u64> {
    let bindings: Vec<[u64; 4]> =
        serde_json::from_value(dispatch["bindings"].clone()).expect("bindings of four numbers");
    assert_eq!(bindings.len(), writes.len());
    let pairs = (0..bindings.len()).flat_map(|at| (0..at).map(move |before| (before, at)));
    pairs
        .filter(|&(one, two)| {
            let ([_, a, from, bytes], [_, b, start, more]) = (bindings[one], bindings[two]);
            let overlap = from < start + more && start < from + bytes;
            match (writes[one], writes[two]) {
                _ if a != b => false,
                (false, false) => false,
                (true, true) => overlap,
                _ => true,
            }
        })
        .map(|(one, _)| bindings[one][1])
        .next()
}
