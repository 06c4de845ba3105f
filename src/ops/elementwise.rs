//! Elementwise operations, one or a chain of them in a single pass over memory.

use std::sync::Arc;

use super::{
    Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Rule, Variant, downcast,
    expect_inputs, grid,
};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::Shape;
use crate::tensor::Tensor;

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
/// that reads takes the next input.
#[derive(Clone, Debug, PartialEq)]
pub struct Elementwise {
    chain: Vec<Instruction>,
}

impl Elementwise {
    /// One instruction.
    pub fn one(instruction: Instruction) -> Self {
        Elementwise { chain: vec![instruction] }
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

    /// The instructions, in order.
    pub fn chain(&self) -> &[Instruction] {
        &self.chain
    }

    fn inputs(&self) -> usize {
        1 + self.chain.iter().filter(|instruction| instruction.reads_input()).count()
    }
}

const VARIANTS: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    Variant { name: "quad", needs: Needs::Nothing },
];

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
        words.join(", ")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(&self.describe(), inputs, self.inputs())?;
        match inputs.iter().find(|shape| **shape != inputs[0]) {
            Some(other) => Err(Error::shape(
                self.describe(),
                format!("{} and {other} must be the same", inputs[0]),
            )),
            None => Ok(inputs[0].clone()),
        }
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
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let mut value = inputs[0].data()[index];
            let mut next = 1;
            for instruction in &self.chain {
                let x = if instruction.reads_input() {
                    next += 1;
                    inputs[next - 1].data()[index]
                } else {
                    0.0
                };
                value = instruction.apply(value, x);
            }
            value
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        let views = lowering.views.iter().zip(lowering.inputs);
        let aligned = lowering.output_view.is_vec4(lowering.output)
            && views.into_iter().all(|(view, shape)| view.is_vec4(shape));
        match aligned {
            true => "quad",
            false => "naive",
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x0", "x1", "x2", "x3", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        const OPS: [&str; LONGEST] = ["OP0", "OP1", "OP2", "OP3", "OP4", "OP5", "OP6", "OP7"];
        const ARGS: [&str; LONGEST] =
            ["ARG0", "ARG1", "ARG2", "ARG3", "ARG4", "ARG5", "ARG6", "ARG7"];
        const FACTORS: [&str; LONGEST] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
        const TENSORS: [&str; MOST_INPUTS] = ["x0", "x1", "x2", "x3"];

        let shape = lowering.output;
        let (entry, width) = match lowering.variant {
            "quad" if self.choose(lowering) == "naive" => {
                let problem = format!("{} takes channels in fours", lowering.variant);
                return Err(Error::shape("elementwise", problem));
            }
            "quad" => ("quad", 4),
            _ => ("naive", 1),
        };
        let dense = lowering.views.iter().all(|view| view.is_dense(shape))
            && lowering.output_view.is_dense(shape);
        let count = shape.elements() / width;
        let mut dispatch = Dispatch::new("elementwise", entry)
            .constant("INPUTS", self.inputs() as u32)
            .constant("DENSE", u32::from(dense))
            .param("count", count)
            .param("channels", shape.channels() / width)
            .bind("y", Operand::Output)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups));
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
        for (index, name) in TENSORS.iter().enumerate().take(self.inputs()) {
            dispatch = dispatch.bind(name, Operand::Input(index));
        }
        Ok(dispatch.into())
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
        let commutes = matches!(next.chain[0], Instruction::Add | Instruction::Multiply);
        let fits = position == 0 || (position == 1 && commutes);
        let both = Elementwise { chain: [&self.chain[..], &next.chain[..]].concat() };
        (!differentiable && fits && both.chain.len() <= LONGEST && both.inputs() <= MOST_INPUTS)
            .then(|| Arc::new(both) as Arc<dyn Operation>)
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
    let chain = Elementwise { chain: vec![Add, Relu, Multiply, Scale(0.25), WherePositive] };
    for dims in [[2, 3, 5, 7], [2, 4, 4, 8]] {
        cases.push(Case::new(
            format!("chain {}", Shape::from(dims)),
            chain.clone(),
            vec![signed(dims); 4],
        ));
    }
    for (name, instruction) in [("relu, large", Relu), ("add, large", Add)] {
        let operation = Elementwise::one(instruction);
        let inputs = vec![signed([32, 48, 48, 128]); operation.inputs()];
        cases.push(Case::new(name, operation, inputs).bench_only());
    }
    cases
}
