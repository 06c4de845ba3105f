//! Cross-entropy of logits against labels, averaged to one number, and its gradient.

use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (logits (N, K), labels (N, K)) -> (1): the mean over rows of
/// sum_k labels_k * (log(sum_j exp(logits_j)) - logits_k).
///
/// Labels need not sum to 1: a row's labels times a weight is that row with a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxCrossEntropy;

/// (logits (N, K), labels (N, K), weights (N)) -> (1): the mean over all elements of
/// weight_n * -(label * log(p) + (1 - label) * log(1 - p)), p = 1 / (1 + exp(-logit)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmoidCrossEntropy;

/// (logits, labels, dloss (1)) -> (N, K).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct SoftmaxCrossEntropyGradient;

/// (logits, labels, weights, dloss (1)) -> (N, K).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct SigmoidCrossEntropyGradient;

/// Checks logits and labels; `weighted`: and one weight a row. Returns (N, K).
fn expect_rows(name: &str, inputs: &[&Shape], weighted: bool) -> Result<[usize; 2]> {
    let &[rows, classes] = inputs[0].dims() else {
        return Err(Error::shape(name, format!("takes logits (N, K), was given {}", inputs[0])));
    };
    if rows == 0 || classes == 0 {
        return Err(Error::shape(name, format!("there is nothing in logits {}", inputs[0])));
    }
    if inputs[1] != inputs[0] {
        return Err(Error::shape(
            name,
            format!("logits {} and labels {} must be the same", inputs[0], inputs[1]),
        ));
    }
    if weighted && inputs[2].dims() != [rows] {
        return Err(Error::shape(
            name,
            format!("logits {} take {rows} weights, were given {}", inputs[0], inputs[2]),
        ));
    }
    Ok([rows, classes])
}

/// Checks that the gradient of a loss is one number.
pub(super) fn expect_scalar(name: &str, shape: &Shape) -> Result<()> {
    if shape.dims() == [1] {
        return Ok(());
    }
    Err(Error::shape(name, format!("the gradient of a loss is one number, was given {shape}")))
}

/// A dispatch over logits and labels, with the sizes set.
fn dispatch(entry: &'static str, logits: &Shape) -> Dispatch {
    Dispatch::new("losses", entry)
        .bind("logits", Operand::Input(0))
        .bind("labels", Operand::Input(1))
        .param("rows", logits.rows())
        .param("classes", logits.channels())
        .param("part", logits.elements().max(1))
}

/// How many turns a lane of `parts` takes.
const TURNS: usize = 256;

/// The loss of `logits` by `entry`, a part of `count` rows or elements a workgroup, each of which takes
/// `each` rounds: and the sum of the parts.
fn in_parts(
    lowering: &Lowering,
    entry: Dispatch,
    [count, each]: [usize; 2],
) -> (Dispatch, Dispatch, usize) {
    let logits = lowering.inputs[0];
    let longest = usize::try_from(lowering.capabilities.longest_loop).unwrap_or(usize::MAX);
    let turns = (longest / each.max(1)).clamp(1, TURNS);
    let parts = count.div_ceil(64 * turns);
    let entry = Dispatch { params: Vec::new(), ..entry }
        .param("rows", logits.rows())
        .param("classes", logits.channels())
        .param("part", 64 * turns)
        .bind("row_loss", Operand::Scratch(0))
        .rounds(turns * each)
        .workgroups(grid(parts, lowering.capabilities.max_workgroups));
    let sum = Dispatch::new("losses", "sum_parts")
        .bind("row_losses", Operand::Scratch(0))
        .bind("loss", Operand::Output)
        .param("rows", count)
        .param("classes", 1usize)
        .param("part", parts)
        .rounds(parts.div_ceil(64));
    (entry, sum, parts)
}

/// The rounds that a row of the softmax takes: the row itself, its maximum, two sums.
fn softmax_rounds(logits: &Shape) -> usize {
    1 + 3 * logits.channels()
}

/// log(sum(exp(row))) without overflow.
fn log_sum_exp(row: &[f64]) -> f64 {
    let most = row.iter().fold(f64::NEG_INFINITY, |most, value| most.max(*value));
    most + row.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
}

impl Operation for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn describe(&self) -> String {
        "softmax cross-entropy, mean over rows".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        expect_rows(self.name(), inputs, false)?;
        Ok([1].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let inputs = [rule.input(0), rule.input(1), rule.dy()];
        let dlogits = rule.add("loss_gradient", SoftmaxCrossEntropyGradient, &inputs)?;
        Ok(vec![Some(dlogits), None])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (rows, classes) = (inputs[0].shape().rows(), inputs[0].shape().channels());
        let pairs = inputs[0].data().chunks(classes).zip(inputs[1].data().chunks(classes));
        let sum: f64 = pairs
            .map(|(logits, labels)| {
                let whole = log_sum_exp(logits);
                logits.iter().zip(labels).map(|(x, z)| z * (whole - x)).sum::<f64>()
            })
            .sum();
        vec![Tensor::from_fn([1], |_| sum / rows as f64)]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(SoftmaxCrossEntropy:
                // A processor takes lanes one by one, so that more of them only cost, as long as one may go on for so
                // long.
                {
                    name: "naive",
                    price: |_, at| at.on(1.0, 4.0),
                    lower: |_, at| Ok(whole("softmax_naive", at, at.inputs[0].rows()).into()),
                },
                {
                    name: "lanes",
                    price: |_, at| at.on(2.0, 2.0),
                    lower: |_, at| {
                        let rows = at.inputs[0].rows().div_ceil(64);
                        Ok(whole("softmax_lanes", at, rows).into())
                    },
                },
                // `lanes` for a part of the rows a workgroup, whose sums are summed.
                {
                    name: "parts",
                    price: |_, at| at.on(3.0, 3.0),
                    lower: |_, at| {
                        let logits = at.inputs[0];
                        let counts = [logits.rows(), softmax_rounds(logits)];
                        let parts = in_parts(at, dispatch("softmax_parts", logits), counts);
                        let (each, sum, parts) = parts;
                        Ok(Lowered { dispatches: vec![each, sum], scratch: vec![parts] })
                    },
                },
                // A workgroup for each row.
                { name: "groups", price: |_, at| at.on(4.0, 1.0), lower: |_, at| Ok(groups(at)) },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        6 * inputs[0].elements() as u64
    }
}

/// A version by which one invocation takes so many rows of the softmax.
fn whole(entry: &'static str, lowering: &Lowering, rows: usize) -> Dispatch {
    let logits = lowering.inputs[0];
    let rounds = rows * softmax_rounds(logits);
    dispatch(entry, logits).bind("loss", Operand::Output).rounds(rounds)
}

/// A version by which a workgroup takes a row.
fn groups(lowering: &Lowering) -> Lowered {
    let logits = lowering.inputs[0];
    let rows = logits.rows();
    let each = dispatch("softmax_groups", logits)
        .bind("row_loss", Operand::Scratch(0))
        .rounds(3 * logits.channels().div_ceil(64))
        .workgroups(grid(rows, lowering.capabilities.max_workgroups));
    let sum = Dispatch::new("losses", "softmax_sum")
        .bind("row_losses", Operand::Scratch(0))
        .bind("loss", Operand::Output)
        .param("rows", rows)
        .param("classes", logits.channels())
        .param("part", rows)
        .rounds(rows.div_ceil(64));
    Lowered { dispatches: vec![each, sum], scratch: vec![rows] }
}

impl Operation for SoftmaxCrossEntropyGradient {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy_gradient"
    }

    fn describe(&self) -> String {
        "gradient of softmax cross-entropy".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        expect_rows(self.name(), inputs, false)?;
        expect_scalar(self.name(), inputs[2])?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (rows, classes) = (inputs[0].shape().rows(), inputs[0].shape().channels());
        let scale = inputs[2].data()[0] / rows as f64;
        let mut data = Vec::new();
        let pairs = inputs[0].data().chunks(classes).zip(inputs[1].data().chunks(classes));
        for (logits, labels) in pairs {
            let whole = log_sum_exp(logits);
            let weight: f64 = labels.iter().sum();
            let terms = logits.iter().zip(labels);
            data.extend(terms.map(|(x, z)| scale * (weight * (x - whole).exp() - z)));
        }
        vec![Tensor::from_fn([rows, classes], |index| data[index])]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(SoftmaxCrossEntropyGradient:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |_, at| {
                        let groups = at.output.elements().div_ceil(64);
                        Ok(gradient("softmax_gradient_naive", at, groups, 1))
                    },
                },
                {
                    name: "lanes",
                    // As many rounds as the sums of the forward direction and as many again.
                    price: |_, at| {
                        let rounds = 2 * softmax_rounds(at.inputs[0]) as u64;
                        let ends = rounds <= at.capabilities.longest_loop;
                        if ends { at.on(1.0, 3.0) } else { 3.0 }
                    },
                    lower: |_, at| {
                        let groups = at.output.rows().div_ceil(64);
                        Ok(gradient("softmax_gradient_lanes", at, groups, 1))
                    },
                },
                {
                    name: "groups",
                    price: |_, at| at.on(2.0, 1.0),
                    lower: |_, at| Ok(gradient("softmax_gradient_groups", at, at.output.rows(), 64)),
                },
            )
        }
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        8 * output.elements() as u64
    }
}

/// A version of the gradient by so many workgroups, of which `together` invocations share a row.
fn gradient(entry: &'static str, lowering: &Lowering, groups: usize, together: usize) -> Lowered {
    dispatch(entry, lowering.inputs[0])
        .bind("dloss", Operand::Input(2))
        .bind("dlogits", Operand::Output)
        .rounds((4 * lowering.output.channels()).div_ceil(together))
        .workgroups(grid(groups, lowering.capabilities.max_workgroups))
        .into()
}

impl Operation for SigmoidCrossEntropy {
    fn name(&self) -> &'static str {
        "sigmoid_cross_entropy"
    }

    fn describe(&self) -> String {
        "sigmoid cross-entropy, weighted rows, mean over all elements".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        expect_rows(self.name(), inputs, true)?;
        Ok([1].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let inputs = [rule.input(0), rule.input(1), rule.input(2), rule.dy()];
        let dlogits = rule.add("loss_gradient", SigmoidCrossEntropyGradient, &inputs)?;
        Ok(vec![Some(dlogits), None, None])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let classes = inputs[0].shape().channels();
        let elements = inputs[0].data().iter().zip(inputs[1].data()).enumerate();
        let sum: f64 = elements
            .map(|(index, (x, z))| {
                let loss = x.max(0.0) - x * z + (-x.abs()).exp().ln_1p();
                inputs[2].data()[index / classes] * loss
            })
            .sum();
        vec![Tensor::from_fn([1], |_| sum / inputs[0].data().len() as f64)]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(SigmoidCrossEntropy:
                // As of the softmax.
                {
                    name: "naive",
                    price: |_, at| at.on(1.0, 4.0),
                    lower: |this, at| {
                        Ok(this.whole("sigmoid_naive", at, at.inputs[0].elements()))
                    },
                },
                {
                    name: "lanes",
                    price: |_, at| at.on(2.0, 1.0),
                    lower: |this, at| {
                        Ok(this.whole("sigmoid_lanes", at, at.inputs[0].elements().div_ceil(64)))
                    },
                },
                {
                    name: "parts",
                    price: |_, at| at.on(3.0, 2.0),
                    lower: |_, at| {
                        let logits = at.inputs[0];
                        let each = dispatch("sigmoid_parts", logits);
                        let each = each.bind("weights", Operand::Input(2));
                        let (each, sum, parts) = in_parts(at, each, [logits.elements(), 1]);
                        Ok(Lowered { dispatches: vec![each, sum], scratch: vec![parts] })
                    },
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        8 * inputs[0].elements() as u64
    }
}

impl SigmoidCrossEntropy {
    /// A version by which one invocation takes so many elements.
    fn whole(self, entry: &'static str, lowering: &Lowering, elements: usize) -> Lowered {
        dispatch(entry, lowering.inputs[0])
            .bind("weights", Operand::Input(2))
            .bind("loss", Operand::Output)
            .rounds(elements)
            .into()
    }
}

impl Operation for SigmoidCrossEntropyGradient {
    fn name(&self) -> &'static str {
        "sigmoid_cross_entropy_gradient"
    }

    fn describe(&self) -> String {
        "gradient of sigmoid cross-entropy".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 4)?;
        expect_rows(self.name(), inputs, true)?;
        expect_scalar(self.name(), inputs[3])?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let classes = inputs[0].shape().channels();
        let scale = inputs[3].data()[0] / inputs[0].data().len() as f64;
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let p = 1.0 / (1.0 + (-inputs[0].data()[index]).exp());
            scale * inputs[2].data()[index / classes] * (p - inputs[1].data()[index])
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let count = lowering.output.elements();
        Ok(dispatch("sigmoid_gradient", lowering.inputs[0])
            .bind("weights", Operand::Input(2))
            .bind("dloss", Operand::Input(3))
            .bind("dlogits", Operand::Output)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        8 * output.elements() as u64
    }
}

/// Odd batches, one row, one class, confident logits, weighted labels.
pub fn cases() -> Vec<Case> {
    let spread = Fill::Uniform(-4.0, 4.0);
    // Certain and right, certain and wrong, undecided.
    let extreme = Fill::Values(&[100.0, -100.0, 0.0, -100.0, 100.0, 99.0, -0.5]);
    let dloss = ([1].into(), Fill::Values(&[-0.75]));
    let mut cases = Vec::new();
    for (name, [rows, classes], logits, labels) in [
        ("two classes", [26, 2], spread, Fill::OneHot),
        ("weighted labels", [7, 5], spread, Fill::Uniform(0.0, 2.0)),
        ("one row", [1, 3], spread, Fill::OneHot),
        ("one class", [5, 1], spread, Fill::OneHot),
        ("more rows than lanes", [131, 3], spread, Fill::OneHot),
        ("a thousand classes", [3, 1000], spread, Fill::OneHot),
        ("confident and right", [6, 2], Fill::Values(&[30.0, -5.0]), Fill::Values(&[1.0, 0.0])),
        ("logits of 100", [7, 3], extreme, Fill::Uniform(0.0, 1.0)),
    ] {
        let shape = Shape::from([rows, classes]);
        let inputs = vec![(shape.clone(), logits), (shape, labels)];
        let with_dloss: Vec<_> = inputs.iter().cloned().chain([dloss.clone()]).collect();
        let operation = SoftmaxCrossEntropyGradient;
        cases.push(Case::new(format!("softmax gradient, {name}"), operation, with_dloss));
        let operation = SoftmaxCrossEntropy;
        cases.push(Case::new(format!("softmax, {name}"), operation, inputs).differentiate(&[0]));
    }
    for (name, [rows, classes], logits, labels) in [
        ("one unit", [26, 1], spread, Fill::Binary),
        ("soft labels", [7, 5], spread, Fill::Uniform(0.0, 1.0)),
        ("one element", [1, 1], spread, Fill::Binary),
        ("more elements than lanes", [67, 3], spread, Fill::Binary),
        ("confident and right", [6, 2], Fill::Values(&[12.0, -9.0]), Fill::Values(&[1.0, 0.0])),
        ("logits of 100", [7, 3], extreme, Fill::Binary),
    ] {
        let shape = Shape::from([rows, classes]);
        let weights = ([rows].into(), Fill::Uniform(0.25, 2.0));
        let inputs = vec![(shape.clone(), logits), (shape, labels), weights];
        let with_dloss: Vec<_> = inputs.iter().cloned().chain([dloss.clone()]).collect();
        let operation = SigmoidCrossEntropyGradient;
        cases.push(Case::new(format!("sigmoid gradient, {name}"), operation, with_dloss));
        let operation = SigmoidCrossEntropy;
        cases.push(Case::new(format!("sigmoid, {name}"), operation, inputs).differentiate(&[0]));
    }
    // Each pixel of a mask is a row: more than some drivers let a loop have rounds.
    let pixels = Shape::from([70_001, 1]);
    let weights = ([70_001].into(), Fill::Binary);
    let inputs = vec![(pixels.clone(), spread), (pixels, Fill::Uniform(0.0, 1.0)), weights];
    cases.push(Case::new("sigmoid, masks", SigmoidCrossEntropy, inputs));
    let pixels = Shape::from([70_001, 2]);
    let inputs = vec![(pixels.clone(), spread), (pixels, Fill::Uniform(0.0, 1.0))];
    cases.push(Case::new("softmax, masks", SoftmaxCrossEntropy, inputs));
    let large = Shape::from([256, 1000]);
    let inputs = vec![(large.clone(), spread), (large, Fill::OneHot)];
    cases.push(Case::new("softmax, 256 rows of 1000", SoftmaxCrossEntropy, inputs).bench_only());
    cases
}
