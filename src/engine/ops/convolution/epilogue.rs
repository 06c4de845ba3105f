//! What a convolution does to its sums before it stores them.

use crate::engine::graph::{Operation, downcast};
use crate::engine::kernel::{Dispatch, Lowering, Operand};
use crate::engine::ops::{Activation, ChannelAffine, Curve, Elementwise, Instruction};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// Steps in this order, each with an input of its own after the convolution's x and w.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// + bias(C).
    pub bias: bool,
    /// * affine(0, C) + affine(1, C): batch normalisation by known statistics.
    pub affine: bool,
    /// + residual, a tensor like the output.
    pub residual: bool,
    /// The activation.
    pub activation: Activation,
}

const FIRST: usize = 2;

impl Epilogue {
    /// How many inputs it takes.
    pub(in crate::engine::ops) fn inputs(&self) -> usize {
        usize::from(self.bias) + usize::from(self.affine) + usize::from(self.residual)
    }

    /// Whether there is nothing but a bias, so that the gradient rules hold.
    pub(in crate::engine::ops) fn is_plain(&self) -> bool {
        !self.affine && !self.residual && self.activation == Activation::None
    }

    /// Checks the shapes of its inputs against that of the output.
    pub(in crate::engine::ops) fn check(
        &self,
        name: &str,
        inputs: &[&Shape],
        output: &Shape,
    ) -> Result<()> {
        let channels = output.channels();
        let mut expected = Vec::new();
        if self.bias {
            expected.push(("bias", Shape::from([channels])));
        }
        if self.affine {
            expected.push(("affine", Shape::from([2, channels])));
        }
        if self.residual {
            expected.push(("residual", output.clone()));
        }
        for ((what, expected), found) in expected.into_iter().zip(&inputs[FIRST..]) {
            if expected != **found {
                let problem = format!("{what} is {found}, the output {output} takes {expected}");
                return Err(Error::shape(name, problem));
            }
        }
        Ok(())
    }

    /// The value of output element `index`, given its sum.
    pub(in crate::engine::ops) fn apply(
        &self,
        sum: f64,
        index: usize,
        inputs: &[&Tensor<f64>],
    ) -> f64 {
        let mut value = sum;
        let mut next = FIRST;
        if self.bias {
            let bias = inputs[next].data();
            value += bias[index % bias.len()];
            next += 1;
        }
        if self.affine {
            let affine = inputs[next].data();
            let channels = affine.len() / 2;
            value = value * affine[index % channels] + affine[channels + index % channels];
            next += 1;
        }
        if self.residual {
            value += inputs[next].data()[index];
        }
        self.activation.apply(value)
    }

    /// Sets the kernel's overrides and binds its inputs.
    pub(in crate::engine::ops) fn bind(&self, mut dispatch: Dispatch) -> Dispatch {
        let mut next = FIRST;
        let inputs = [
            ("EPILOGUE_BIAS", "bias", self.bias),
            ("EPILOGUE_AFFINE", "affine", self.affine),
            ("EPILOGUE_RESIDUAL", "residual", self.residual),
        ];
        for (constant, name, present) in inputs {
            dispatch = dispatch.constant(constant, u32::from(present));
            if present {
                dispatch = dispatch.bind(name, Operand::Input(next));
                next += 1;
            }
        }
        self.activation.bind(dispatch)
    }

    /// Whether all of its inputs can be read four channels at a time.
    pub(in crate::engine::ops) fn is_vec4(&self, lowering: &Lowering) -> bool {
        (FIRST..FIRST + self.inputs()).all(|i| lowering.views[i].is_vec4(lowering.inputs[i]))
    }

    /// This followed by `next`, which reads the output as its input number `position`.
    pub(in crate::engine::ops) fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
    ) -> Option<Self> {
        if self.activation != Activation::None {
            return None;
        }
        if let Some(activation) = Activation::of(next) {
            return Some(Epilogue { activation, ..*self });
        }
        if let Some(ChannelAffine { activation }) = downcast(next) {
            let free = position == 0 && !self.affine && !self.residual;
            return free.then_some(Epilogue { affine: true, activation: *activation, ..*self });
        }
        let (first, rest) = downcast::<Elementwise>(next)?.chain()?.split_first()?;
        let activation = match rest {
            [] => Activation::None,
            [Instruction::Relu] => Activation::Relu,
            [Instruction::Relu6] => Activation::Relu6,
            _ => return None,
        };
        // Either side of an addition will do.
        let adds = *first == Instruction::Add && position <= 1 && !self.residual;
        adds.then_some(Epilogue { residual: true, activation, ..*self })
    }

    /// In words, after the convolution.
    pub(in crate::engine::ops) fn describe(&self) -> String {
        let mut text = String::new();
        for (present, word) in
            [(self.bias, ", bias"), (self.affine, ", affine"), (self.residual, ", add")]
        {
            if present {
                text += word;
            }
        }
        text + &self.activation.suffix()
    }

    /// Some of every kind, for cases.
    pub(in crate::engine::ops) fn all() -> Vec<Self> {
        let of =
            |bias, affine, residual, activation| Epilogue { bias, affine, residual, activation };
        vec![
            of(true, false, false, Activation::None),
            of(false, true, false, Activation::Relu6),
            of(true, true, true, Activation::Relu),
            of(false, false, true, Activation::None),
            of(false, true, false, Activation::Curve(Curve::Silu)),
            of(
                true,
                false,
                true,
                Activation::Curve(Curve::Relu { slope: 0.25, threshold: -0.5, ceiling: 1.0 }),
            ),
        ]
    }

    /// The inputs of its cases for an output of `shape`.
    pub(in crate::engine::ops) fn case_shapes(&self, shape: &Shape) -> Vec<Shape> {
        let channels = shape.channels();
        let all = [
            (self.bias, Shape::from([channels])),
            (self.affine, Shape::from([2, channels])),
            (self.residual, shape.clone()),
        ];
        all.into_iter().filter_map(|(present, shape)| present.then_some(shape)).collect()
    }
}
