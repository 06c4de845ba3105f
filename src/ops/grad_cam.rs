//! The heatmap of Grad-CAM (Selvaraju and others 2017) from an activation and its gradient.

use super::{
    Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Variant, expect_inputs,
    expect_nhwc, grid,
};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// (A (N, H, W, C), dA (N, H, W, C)) -> (N, H, W, 1):
/// max(0, sign * sum_c mean_hw(dA)_c * A_c), what speaks for a class, or against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCam {
    /// 1 for what raises the score whose gradient dA is, -1 for what lowers it.
    pub sign: f32,
}

const VARIANTS: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    Variant { name: "quad", needs: Needs::Nothing },
    Variant { name: "workgroup", needs: Needs::Nothing },
];

impl Operation for GradCam {
    fn name(&self) -> &'static str {
        "grad_cam"
    }

    fn describe(&self) -> String {
        format!("grad-cam, {}", if self.sign < 0.0 { "against the class" } else { "for the class" })
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("grad_cam", inputs, 2)?;
        let [n, h, w, _] = expect_nhwc("grad_cam", inputs[0])?;
        if inputs[0] != inputs[1] {
            return Err(Error::shape(
                "grad_cam",
                format!("activation {} and gradient {} must be the same", inputs[0], inputs[1]),
            ));
        }
        Ok([n, h, w, 1].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut weights = vec![0.0; n * c];
        for (index, gradient) in inputs[1].data().iter().enumerate() {
            weights[index / (h * w * c) * c + index % c] += gradient / (h * w) as f64;
        }
        vec![Tensor::from_fn([n, h, w, 1], |pixel| {
            let activation = &inputs[0].data()[pixel * c..(pixel + 1) * c];
            let weights = &weights[pixel / (h * w) * c..][..c];
            let sum: f64 = activation.iter().zip(weights).map(|(a, w)| a * w).sum();
            (f64::from(self.sign) * sum).max(0.0)
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        let aligned = lowering.views.iter().zip(lowering.inputs).all(|(v, shape)| v.is_vec4(shape));
        match aligned {
            false => "naive",
            // Barriers cost more there than they save.
            true if lowering.capabilities.software => "quad",
            true => "workgroup",
        }
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc("grad_cam", lowering.inputs[0])?;
        let pixels = n * h * w;
        // Entry points, channels an invocation takes at once, and pixels a workgroup does.
        let (mean, sum, width, pixels_each) = match lowering.variant {
            "quad" | "workgroup" if self.choose(lowering) == "naive" => {
                let problem = format!("{} takes channels in fours", lowering.variant);
                return Err(Error::shape("grad_cam", problem));
            }
            "quad" => ("mean_quad", "sum_quad", 4, 64),
            "workgroup" => ("mean_quad", "sum_workgroup", 4, 1),
            _ => ("mean_naive", "sum_naive", 1, 64),
        };
        let dispatch = |entry, workgroups: usize| {
            Dispatch::new("grad_cam", entry)
                .rounds((h * w).max(c / width))
                .param("images", n)
                .param("area", h * w)
                .param("channels", c / width)
                .param("sign", self.sign)
                .workgroups(grid(workgroups, lowering.capabilities.max_workgroups))
        };
        let mean = dispatch(mean, (n * c / width).div_ceil(64))
            .bind("da", Operand::Input(1))
            .bind("mean", Operand::Scratch(0));
        let sum = dispatch(sum, pixels.div_ceil(pixels_each))
            .bind("a", Operand::Input(0))
            .bind("weights", Operand::Scratch(0))
            .bind("cam", Operand::Output);
        Ok(Lowered { dispatches: vec![mean, sum], scratch: vec![n * c] })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        3 * inputs[0].elements() as u64
    }
}

/// Odd sizes, one image, one channel, more channels than lanes.
pub fn cases() -> Vec<Case> {
    let case = |dims: [usize; 4], sign: f32| {
        let inputs = [(dims.into(), Fill::Signed), (dims.into(), Fill::Signed)];
        Case::new(format!("{}, sign {sign}", Shape::from(dims)), GradCam { sign }, inputs)
    };
    let mut cases: Vec<Case> = [[2, 3, 5, 7], [1, 1, 1, 1], [1, 6, 6, 256], [3, 5, 4, 36]]
        .into_iter()
        .flat_map(|dims| [case(dims, 1.0), case(dims, -1.0)])
        .collect();
    cases.push(case([2, 3, 3, 516], 1.0));
    cases.push(case([64, 6, 6, 256], 1.0).bench_only());
    cases.push(case([32, 10, 10, 2048], 1.0).bench_only());
    cases
}
