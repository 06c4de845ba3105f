//! Elementwise operations, one or a chain of them in a single pass over memory.

use std::sync::Arc;

use crate::engine::graph::{Operation, Rule, Value, Variant, downcast};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Walk, Way};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// One step of a chain; `a` is the value so far, `x` the next input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instruction {
    /// max(a, 0).
    Relu,
    /// min(max(a, 0), 6).
    Relu6,
    /// a + x.
    Add,
    /// a * x.
    Multiply,
    /// a where x > 0, else 0: the gradient of ReLU, x being its output.
    WherePositive,
    /// a where 0 < x < 6, else 0: the gradient of ReLU6, x being its output.
    WhereInside6,
    /// a * k.
    Scale(f32),
    /// a - x.
    Subtract,
    /// The larger of a and x.
    Maximum,
    /// The smaller of a and x.
    Minimum,
    /// a where x >= 0, else 0.
    WhereNotNegative,
    /// a where x < 0, else 0.
    WhereNegative,
    /// a + k.
    Offset(f32),
}

impl Instruction {
    fn code(self) -> u32 {
        match self {
            Instruction::Relu => 1,
            Instruction::Relu6 => 2,
            Instruction::Add => 3,
            Instruction::Multiply => 4,
            Instruction::WherePositive => 5,
            Instruction::WhereInside6 => 6,
            Instruction::Scale(_) => 7,
            Instruction::Subtract => 8,
            Instruction::Maximum => 9,
            Instruction::Minimum => 10,
            Instruction::WhereNotNegative => 11,
            Instruction::WhereNegative => 12,
            Instruction::Offset(_) => 13,
        }
    }

    fn reads_input(self) -> bool {
        use Instruction::{Offset, Relu, Relu6, Scale};
        !matches!(self, Relu | Relu6 | Scale(_) | Offset(_))
    }

    fn apply(self, a: f64, x: f64) -> f64 {
        match self {
            Instruction::Relu => a.max(0.0),
            Instruction::Relu6 => a.clamp(0.0, 6.0),
            Instruction::Add => a + x,
            Instruction::Multiply => a * x,
            Instruction::WherePositive => f64::from(u8::from(x > 0.0)) * a,
            Instruction::WhereInside6 => f64::from(u8::from(x > 0.0 && x < 6.0)) * a,
            Instruction::Scale(k) => a * f64::from(k),
            Instruction::Subtract => a - x,
            Instruction::Maximum => a.max(x),
            Instruction::Minimum => a.min(x),
            Instruction::WhereNotNegative => f64::from(u8::from(x >= 0.0)) * a,
            Instruction::WhereNegative => f64::from(u8::from(x < 0.0)) * a,
            Instruction::Offset(k) => a + f64::from(k),
        }
    }
}

const LONGEST: usize = 8;
const MOST_INPUTS: usize = 4;

/// A chain of instructions over tensors of one shape. The value starts as input 0; an instruction
/// that reads takes the next input. In place of a repeated tensor it may read what was repeated: a
/// row of channels for each image, or one for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Elementwise {
    chain: Vec<Instruction>,
    /// For each input whether it has one row an image, or one in all, instead of one a pixel.
    spread: [bool; MOST_INPUTS],
}

impl Elementwise {
    /// One instruction.
    pub fn one(instruction: Instruction) -> Self {
        Self::even(vec![instruction])
    }

    /// Over tensors of one shape.
    fn even(chain: Vec<Instruction>) -> Self {
        Elementwise { chain, spread: [false; MOST_INPUTS] }
    }

    /// x0 + x1.
    pub fn add() -> Self {
        Self::one(Instruction::Add)
    }

    /// x0 * x1.
    pub fn multiply() -> Self {
        Self::one(Instruction::Multiply)
    }

    /// max(x0, 0).
    pub fn relu() -> Self {
        Self::one(Instruction::Relu)
    }

    /// x0 - x1.
    pub fn subtract() -> Self {
        Self::one(Instruction::Subtract)
    }

    /// min(max(x0, 0), 6).
    pub fn relu6() -> Self {
        Self::one(Instruction::Relu6)
    }

    /// The instructions, in order, where all inputs have the shape of the result.
    pub fn chain(&self) -> Option<&[Instruction]> {
        (!self.spreads()).then_some(&self.chain)
    }

    fn spreads(&self) -> bool {
        self.spread.contains(&true)
    }

    /// This, with input `position` given as what was repeated to it. None where it would have to come
    /// first and cannot, or no other input would have the shape of the result.
    pub(in crate::engine::ops) fn spread_over(&self, position: usize) -> Option<Self> {
        let fits = position == 0 || (position == 1 && self.commutes());
        let others = (0..self.inputs()).filter(|&index| index != position);
        let mut spread = [false; MOST_INPUTS];
        spread[0] = true;
        let mut even = false;
        for (to, from) in others.enumerate() {
            spread[to + 1] = self.spread[from];
            even |= !self.spread[from];
        }
        (fits && even && !self.spread[position])
            .then(|| Elementwise { chain: self.chain.clone(), spread })
    }

    /// Whether inputs 0 and 1 can be exchanged.
    fn commutes(&self) -> bool {
        matches!(self.chain[0], Instruction::Add | Instruction::Multiply)
    }

    /// The number of an input with the shape of the result.
    fn even_input(&self) -> usize {
        self.spread.iter().position(|&spread| !spread).unwrap_or(0)
    }

    /// Whether no row needs to be told from another.
    fn is_dense(&self, lowering: &Lowering) -> bool {
        let shape = lowering.output;
        !self.spreads()
            && lowering.views.iter().all(|view| view.is_dense(shape))
            && lowering.output_view.is_dense(shape)
    }

    fn inputs(&self) -> usize {
        1 + self.chain.iter().filter(|instruction| instruction.reads_input()).count()
    }
}

impl Operation for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn describe(&self) -> String {
        let words: Vec<String> = self
            .chain
            .iter()
            .map(|instruction| format!("{instruction:?}").to_lowercase())
            .collect();
        let spread = if self.spreads() { ", channels spread" } else { "" };
        words.join(", ") + spread
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(&self.describe(), inputs, self.inputs())?;
        let output = inputs[self.even_input()];
        for (shape, spread) in inputs.iter().zip(self.spread) {
            let row = shape.channels() == output.channels()
                && (shape.rows() == 1 || shape.rows() == output.dims()[0]);
            if if spread { !row } else { *shape != output } {
                let how = if spread { "does not fit" } else { "must be the same as" };
                return Err(Error::shape(self.describe(), format!("{shape} {how} {output}")));
            }
        }
        Ok(output.clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let dy = rule.dy();
        let [instruction] = self.chain[..] else {
            return Err(Error::shape(rule.name(), "differentiate before fusing"));
        };
        let one = Elementwise::one;
        Ok(match instruction {
            Instruction::Relu => {
                let mask = one(Instruction::WherePositive);
                vec![Some(rule.add("relu_gradient", mask, &[dy, rule.output()])?)]
            }
            Instruction::Relu6 => {
                let mask = one(Instruction::WhereInside6);
                vec![Some(rule.add("relu6_gradient", mask, &[dy, rule.output()])?)]
            }
            Instruction::Scale(k) => {
                vec![Some(rule.add("scale_gradient", one(Instruction::Scale(k)), &[dy])?)]
            }
            Instruction::Add => vec![Some(dy), Some(dy)],
            Instruction::Multiply => {
                let mut by = |wanted: usize, other: usize| {
                    let inputs = [dy, rule.input(other)];
                    rule.wants(wanted)
                        .then(|| rule.add("multiply_gradient", Elementwise::multiply(), &inputs))
                        .transpose()
                };
                vec![by(0, 1)?, by(1, 0)?]
            }
            Instruction::Offset(_) => vec![Some(dy)],
            Instruction::Subtract => {
                let minus = one(Instruction::Scale(-1.0));
                let second = rule.wants(1).then(|| rule.add("minus_gradient", minus, &[dy]));
                vec![Some(dy), second.transpose()?]
            }
            // The gradient goes to the one that was taken, of two equal ones to the first.
            Instruction::Maximum | Instruction::Minimum => {
                let mut ahead = [rule.input(0), rule.input(1)];
                if instruction == Instruction::Minimum {
                    ahead.reverse();
                }
                let ahead = rule.add("ahead", one(Instruction::Subtract), &ahead)?;
                let mut by = |wanted: usize, mask: Instruction| {
                    let mask = one(mask);
                    rule.wants(wanted)
                        .then(|| rule.add("taken_gradient", mask, &[dy, ahead]))
                        .transpose()
                };
                vec![by(0, Instruction::WhereNotNegative)?, by(1, Instruction::WhereNegative)?]
            }
            // Piecewise constant in x, linear in a.
            Instruction::WherePositive
            | Instruction::WhereInside6
            | Instruction::WhereNotNegative
            | Instruction::WhereNegative => {
                let mask = rule.input(1);
                vec![Some(rule.add("mask_gradient", one(instruction), &[dy, mask])?), None]
            }
        })
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let shape = inputs[self.even_input()].shape();
        let (rows, channels) = (shape.rows(), shape.channels());
        let read = |input: usize, index: usize| {
            let every = rows / inputs[input].shape().rows();
            inputs[input].data()[index / channels / every * channels + index % channels]
        };
        vec![Tensor::from_fn(shape.clone(), |index| {
            let mut value = read(0, index);
            let mut next = 1;
            for instruction in &self.chain {
                let x = if instruction.reads_input() {
                    next += 1;
                    read(next - 1, index)
                } else {
                    0.0
                };
                value = instruction.apply(value, x);
            }
            value
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(Elementwise:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, Way::NAIVE),
                },
                {
                    name: "fours",
                    fits: rows::in_fours,
                    price: |_, at| at.on(2.0, 1.0),
                    lower: |this, at| this.dispatches(at, Way::FOURS),
                },
                {
                    name: "strip",
                    fits: rows::in_fours,
                    // Without gaps there are no rows to be told apart.
                    price: |this, at| if this.is_dense(at) { 3.0 } else { at.on(1.0, 3.0) },
                    lower: |this, at| this.dispatches(at, Way::STRIP),
                },
            )
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x0", "x1", "x2", "x3", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (output.elements() * self.chain.len()) as u64
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        let next = downcast::<Elementwise>(next)?;
        // The value so far is `a` of the next chain, or `x` of a first step that does not mind.
        let fits = position == 0 || (position == 1 && next.commutes());
        // What is spread is computed once a row of it, and then read at every pixel.
        if differentiable || !fits || next.spread[position] {
            return None;
        }
        let chain = [&self.chain[..], &next.chain[..]].concat();
        let mut both = Self::even(chain);
        if both.chain.len() > LONGEST || both.inputs() > MOST_INPUTS {
            return None;
        }
        let own = self.inputs();
        both.spread[..own].copy_from_slice(&self.spread[..own]);
        let others = (0..next.inputs()).filter(|&index| index != position);
        others.enumerate().for_each(|(at, index)| both.spread[own + at] = next.spread[index]);
        Some(Arc::new(both))
    }
}

impl Elementwise {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        const OPS: [&str; LONGEST] = ["OP0", "OP1", "OP2", "OP3", "OP4", "OP5", "OP6", "OP7"];
        const ARGS: [&str; LONGEST] =
            ["ARG0", "ARG1", "ARG2", "ARG3", "ARG4", "ARG5", "ARG6", "ARG7"];
        const FACTORS: [&str; LONGEST] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
        const IMAGES: [&str; MOST_INPUTS] = ["x0_image", "x1_image", "x2_image", "x3_image"];
        const ROWS: [&str; MOST_INPUTS] = ["x0_row", "x1_row", "x2_row", "x3_row"];
        const TENSORS: [&str; MOST_INPUTS] = ["x0", "x1", "x2", "x3"];

        let shape = lowering.output;
        let dense = self.is_dense(lowering) && !way.along;
        // Images are told apart where something has a row for each.
        let apart = lowering.inputs.iter().zip(self.spread).any(|(x, one)| one && x.rows() > 1);
        let images = if apart { shape.dims()[0] } else { 1 };
        let one = Shape::from([shape.rows() / images.max(1), 1, 1, shape.channels()]);
        let walk = Walk::each(way, &one);
        let most = lowering.capabilities.max_workgroups;
        let mut dispatch = Dispatch::new("elementwise", way.entry(["naive", "fours"]))
            .constant("INPUTS", self.inputs() as u32)
            .constant("DENSE", u32::from(dense))
            .param("images", images)
            .bind("y", Operand::Output);
        if dense {
            let count = shape.elements() / way.width;
            dispatch = walk
                .describe(dispatch, shape.channels() / way.width)
                .param("count", count)
                .workgroups(grid(count.div_ceil(64), most));
        } else {
            dispatch = walk.apply(dispatch, lowering).layers(images.min(most as usize) as u32);
        }
        let mut next = 0u32;
        for (index, instruction) in self.chain.iter().enumerate() {
            if instruction.reads_input() {
                next += 1;
            }
            let factor = match instruction {
                Instruction::Scale(k) | Instruction::Offset(k) => *k,
                _ => 0.0,
            };
            dispatch = dispatch
                .constant(OPS[index], instruction.code())
                .constant(ARGS[index], next)
                .param(FACTORS[index], factor);
        }
        for (index, name) in TENSORS.iter().enumerate() {
            let x = lowering.inputs.get(index).map(|x| (self.spread[index], x.rows()));
            let (image, row) = match x {
                Some((false, _)) => (one.rows(), 1),
                Some((true, rows)) if rows > 1 => (1, 0),
                _ => (0, 0),
            };
            dispatch = dispatch.param(IMAGES[index], image).param(ROWS[index], row);
            if x.is_some() {
                dispatch = dispatch.bind(name, Operand::Input(index));
            }
        }
        Ok(dispatch.into())
    }
}

/// All instructions, on sizes that do and do not divide by four.
pub fn cases() -> Vec<Case> {
    use Instruction::*;
    let signed = |dims: [usize; 4]| (Shape::from(dims), Fill::Signed);
    let mut cases = Vec::new();
    let all = [
        Relu,
        Relu6,
        Add,
        Multiply,
        WherePositive,
        WhereInside6,
        Scale(-0.5),
        Subtract,
        Maximum,
        Minimum,
        WhereNotNegative,
        WhereNegative,
        Offset(0.75),
    ];
    for instruction in all {
        let operation = Elementwise::one(instruction);
        let differentiate: &[usize] = match instruction {
            Add | Multiply | Subtract | Maximum | Minimum => &[0, 1],
            _ => &[0],
        };
        for dims in [[2, 3, 5, 7], [1, 1, 1, 1], [3, 5, 2, 12]] {
            let inputs: Vec<_> =
                (0..operation.inputs()).map(|_| (dims.into(), Fill::Uniform(-8.0, 8.0))).collect();
            let name = format!("{} {}", operation.describe(), Shape::from(dims));
            cases.push(Case::new(name, operation.clone(), inputs).differentiate(differentiate));
        }
    }
    let chain = Elementwise::even(vec![Add, Relu, Multiply, Scale(0.25), WherePositive]);
    for dims in [[2, 3, 5, 7], [2, 4, 4, 8]] {
        cases.push(Case::new(
            format!("chain {}", Shape::from(dims)),
            chain.clone(),
            vec![signed(dims); 4],
        ));
    }
    // A row for each image, and one for all; as input 0 and after it; several rows an invocation.
    let spread = [true, false, false, true];
    let some = Elementwise { chain: vec![Multiply, Relu, Subtract, Add], spread };
    let only = Elementwise { chain: vec![Multiply], spread: [true, false, false, false] };
    for dims in [[2, 3, 5, 7], [3, 4, 4, 8], [2, 1, 1, 4], [1, 3, 3, 5], rows::SEVERAL_ROWS] {
        let (row, all) = ([dims[0], 1, 1, dims[3]], [1, 1, 1, dims[3]]);
        let name = |what: &str| format!("{what} {}", Shape::from(dims));
        let inputs = [signed(row), signed(dims), signed(dims), signed(all)];
        cases.push(Case::new(name("spread"), some.clone(), inputs));
        for from in [row, all] {
            let name = format!("{} times {}", Shape::from(dims), Shape::from(from));
            cases.push(Case::new(name, only.clone(), [signed(from), signed(dims)]));
        }
    }
    let inputs = [signed([32, 1, 1, 96]), signed([32, 56, 56, 96])];
    cases.push(Case::new("32 images of 56x56x96 times rows", only, inputs).bench_only());
    for (name, instruction) in [("relu, large", Relu), ("add, large", Add)] {
        let operation = Elementwise::one(instruction);
        let inputs = vec![signed([32, 48, 48, 128]); operation.inputs()];
        cases.push(Case::new(name, operation, inputs).bench_only());
    }
    cases
}
