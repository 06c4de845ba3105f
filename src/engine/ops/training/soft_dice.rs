//! One minus the soft Dice of masks, and its gradient: a loss to which a lesion counts as much as all that is around it
//! (Milletari, Navab and Ahmadi 2016, with sums in the place of sums of squares).

use super::losses::expect_scalar;
use crate::engine::graph::{Operation, Rule, Value};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (logits (N, P), labels (N, P), weights (N, P)) -> (1): the mean over the N masks, of P pixels each, of
/// 1 - (2 sum_p(w p z) + 1) / (sum_p(w p) + sum_p(w z) + 1), p = 1 / (1 + exp(-logit)).
///
/// The ones make the loss of a mask 0 where neither the network nor the truth has anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftDice;

/// (logits, labels, weights, dloss (1)) -> (N, P).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct SoftDiceGradient;

/// Turns that a lane takes over the pixels of a part, at most.
const TURNS: usize = 64;

/// Checks logits, labels and weights. Returns (N, P).
fn expect_masks(name: &str, inputs: &[&Shape]) -> Result<[usize; 2]> {
    let &[masks, pixels] = inputs[0].dims() else {
        return Err(Error::shape(name, format!("takes logits (N, P), was given {}", inputs[0])));
    };
    if masks == 0 || pixels == 0 {
        return Err(Error::shape(name, format!("there is nothing in logits {}", inputs[0])));
    }
    if inputs[1] != inputs[0] || inputs[2] != inputs[0] {
        let problem = format!(
            "logits {}, labels {} and weights {} must be the same",
            inputs[0], inputs[1], inputs[2]
        );
        return Err(Error::shape(name, problem));
    }
    Ok([masks, pixels])
}

/// What both directions need of each mask: the sums of w p z, of w p and of w z, (N, 3) in the last of the scratch
/// buffers that are returned.
fn sums(lowering: &Lowering) -> Lowered {
    let (masks, pixels) = (lowering.inputs[0].rows(), lowering.inputs[0].channels());
    let parts = pixels.div_ceil(64 * TURNS);
    let most = lowering.capabilities.max_workgroups;
    let dispatch = |entry| {
        Dispatch::new("soft_dice", entry)
            .param("masks", masks)
            .param("pixels", pixels)
            .param("parts", parts)
    };
    let each = dispatch("part_sums")
        .bind("logits", Operand::Input(0))
        .bind("labels", Operand::Input(1))
        .bind("weights", Operand::Input(2))
        .bind("partial", Operand::Scratch(0))
        .rounds(TURNS)
        .workgroups(grid(masks * parts, most));
    let all = dispatch("mask_sums")
        .bind("parts_of_masks", Operand::Scratch(0))
        .bind("of_masks", Operand::Scratch(1))
        .rounds(parts.div_ceil(64))
        .workgroups(grid(masks, most));
    Lowered { dispatches: vec![each, all], scratch: vec![3 * masks * parts, 3 * masks] }
}

/// The sums of each mask, as [`sums`] has them.
fn reference_sums(inputs: &[&Tensor<f64>]) -> Vec<[f64; 3]> {
    let pixels = inputs[0].shape().channels();
    let rows = |input: usize| inputs[input].data().chunks(pixels);
    let masks = rows(0).zip(rows(1)).zip(rows(2));
    masks
        .map(|((logits, labels), weights)| {
            let each = logits.iter().zip(labels).zip(weights);
            each.fold([0.0; 3], |sums, ((x, z), w)| {
                let p = sigmoid(*x);
                [sums[0] + w * p * z, sums[1] + w * p, sums[2] + w * z]
            })
        })
        .collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Operation for SoftDice {
    fn name(&self) -> &'static str {
        "soft_dice"
    }

    fn describe(&self) -> String {
        "1 - soft Dice, mean over masks".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        expect_masks(self.name(), inputs)?;
        Ok([1].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let inputs = [rule.input(0), rule.input(1), rule.input(2), rule.dy()];
        let dlogits = rule.add("loss_gradient", SoftDiceGradient, &inputs)?;
        Ok(vec![Some(dlogits), None, None])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let sums = reference_sums(inputs);
        let loss = |[both, p, z]: &[f64; 3]| 1.0 - (2.0 * both + 1.0) / (p + z + 1.0);
        let mean = sums.iter().map(loss).sum::<f64>() / sums.len() as f64;
        vec![Tensor::from_fn([1], |_| mean)]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let masks = lowering.inputs[0].rows();
        let mut lowered = sums(lowering);
        lowered.dispatches.push(
            Dispatch::new("soft_dice", "mean")
                .param("masks", masks)
                .bind("sums_of_masks", Operand::Scratch(1))
                .bind("loss", Operand::Output)
                .rounds(masks.div_ceil(64)),
        );
        Ok(lowered)
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        9 * inputs[0].elements() as u64
    }
}

impl Operation for SoftDiceGradient {
    fn name(&self) -> &'static str {
        "soft_dice_gradient"
    }

    fn describe(&self) -> String {
        "gradient of 1 - soft Dice".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 4)?;
        expect_masks(self.name(), inputs)?;
        expect_scalar(self.name(), inputs[3])?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let pixels = inputs[0].shape().channels();
        let sums = reference_sums(inputs);
        let scale = inputs[3].data()[0] / sums.len() as f64;
        let gradient = |index: usize| {
            let [both, p, z] = sums[index / pixels];
            let [over, under] = [2.0 * both + 1.0, p + z + 1.0];
            let own = sigmoid(inputs[0].data()[index]);
            let by_p = over / (under * under) - 2.0 * inputs[1].data()[index] / under;
            scale * inputs[2].data()[index] * by_p * own * (1.0 - own)
        };
        vec![Tensor::from_fn(inputs[0].shape().clone(), gradient)]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let (masks, pixels) = (lowering.inputs[0].rows(), lowering.inputs[0].channels());
        let count = lowering.output.elements();
        let mut lowered = sums(lowering);
        lowered.dispatches.push(
            Dispatch::new("soft_dice", "gradient")
                .param("masks", masks)
                .param("pixels", pixels)
                .bind("logits", Operand::Input(0))
                .bind("labels", Operand::Input(1))
                .bind("weights", Operand::Input(2))
                .bind("sums_of_masks", Operand::Scratch(1))
                .bind("dloss", Operand::Input(3))
                .bind("dlogits", Operand::Output)
                .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups)),
        );
        Ok(lowered)
    }

    fn flops(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        9 * inputs[0].elements() as u64 + 12 * output.elements() as u64
    }
}

/// One pixel, no lesion, pixels that do not count, certain logits, several parts a mask.
pub fn cases() -> Vec<Case> {
    let spread = Fill::Uniform(-4.0, 4.0);
    let extreme = Fill::Values(&[100.0, -100.0, 0.0, -100.0, 100.0, 99.0, -0.5]);
    let dloss = ([1].into(), Fill::Values(&[-0.75]));
    let even = Fill::Values(&[1.0]);
    let mut cases = Vec::new();
    for (name, dims, logits, labels, weights) in [
        ("one pixel", [1, 1], spread, Fill::Binary, even),
        ("three masks", [3, 77], spread, Fill::Binary, even),
        ("soft labels, weights", [2, 130], spread, Fill::Uniform(0.0, 1.0), Fill::Binary),
        ("no lesion", [2, 65], Fill::Uniform(-9.0, -4.0), Fill::Values(&[0.0]), even),
        ("nothing counts", [2, 9], spread, Fill::Binary, Fill::Values(&[0.0])),
        ("logits of 100", [3, 7], extreme, Fill::Binary, even),
        ("more masks than lanes", [70, 3], spread, Fill::Binary, Fill::Uniform(0.25, 2.0)),
        ("several parts", [2, 9001], spread, Fill::Binary, Fill::Binary),
    ] {
        let shape = Shape::from(dims);
        let inputs = vec![(shape.clone(), logits), (shape.clone(), labels), (shape, weights)];
        let with_dloss: Vec<_> = inputs.iter().cloned().chain([dloss.clone()]).collect();
        cases.push(Case::new(format!("gradient, {name}"), SoftDiceGradient, with_dloss));
        cases.push(Case::new(name, SoftDice, inputs).differentiate(&[0]));
    }
    let masks = Shape::from([1, 32 * 128 * 128]);
    let inputs = [(masks.clone(), spread), (masks.clone(), Fill::Binary), (masks, even)];
    cases.push(Case::new("32 masks of 128x128 as one", SoftDice, inputs).bench_only());
    cases
}
