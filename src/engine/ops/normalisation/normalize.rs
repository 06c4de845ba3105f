//! Groups of numbers made comparable: free of mean and deviation, of unit length, or a softmax.

use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// What becomes of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// `(x - mean) / sqrt(variance + epsilon)`.
    Moments {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `x / sqrt(max(sum of squares, epsilon))`.
    Length {
        /// The least that the sum is taken for.
        epsilon: f32,
    },
    /// `exp(x - max) / sum of exp(x - max)`.
    Softmax,
}

/// x -> x with each group normalised by itself. A group is one of `groups` equal parts of the channels:
/// of one row, or with `whole` of all pixels of an image (N, H, W, C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalize {
    /// What becomes of a group.
    pub norm: Norm,
    /// Groups of channels.
    pub groups: usize,
    /// Whether a group spans the pixels of an image.
    pub whole: bool,
}

impl Normalize {
    /// Rows of scores to probabilities.
    pub fn softmax() -> Self {
        Normalize { norm: Norm::Softmax, groups: 1, whole: false }
    }

    /// Rows by themselves, over all channels.
    pub fn rows(norm: Norm) -> Self {
        Normalize { norm, groups: 1, whole: false }
    }

    /// Groups in all, pixels of one and its channels.
    fn sizes(&self, x: &Shape) -> Result<[usize; 3]> {
        let problem = |text: String| Err(Error::shape("normalisation", text));
        let channels = x.channels();
        if self.groups == 0 || channels == 0 || !channels.is_multiple_of(self.groups) {
            return problem(format!("{channels} channels in {} groups", self.groups));
        }
        let pixels = match (self.whole, x.nhwc()) {
            (false, _) => 1,
            (true, Some([_, h, w, _])) => h * w,
            (true, None) => return problem(format!("takes a tensor (N, H, W, C), was given {x}")),
        };
        if pixels == 0 {
            return problem(format!("{x} has no pixels"));
        }
        Ok([x.rows() / pixels * self.groups, pixels, channels / self.groups])
    }

    /// The numbers of each group, by their flat indices.
    fn members(&self, x: &Shape) -> Vec<Vec<usize>> {
        let Ok([count, pixels, width]) = self.sizes(x) else { return Vec::new() };
        let channels = x.channels();
        let of = |index: usize| {
            let (first, start) = (index / self.groups * pixels, index % self.groups * width);
            let member = |i: usize| (first + i / width) * channels + start + i % width;
            (0..pixels * width).map(member).collect()
        };
        (0..count).map(of).collect()
    }

    fn values(&self, x: &[f64]) -> (Vec<f64>, f64, bool) {
        let count = x.len() as f64;
        match self.norm {
            Norm::Moments { epsilon } => {
                let mean = x.iter().sum::<f64>() / count;
                let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                let factor = 1.0 / (variance + f64::from(epsilon)).sqrt();
                (x.iter().map(|v| (v - mean) * factor).collect(), factor, true)
            }
            Norm::Length { epsilon } => {
                let sum: f64 = x.iter().map(|v| v * v).sum();
                let factor = 1.0 / sum.max(f64::from(epsilon)).sqrt();
                (x.iter().map(|v| v * factor).collect(), factor, sum > f64::from(epsilon))
            }
            Norm::Softmax => {
                let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = x.iter().map(|v| (v - most).exp()).collect();
                let sum: f64 = powers.iter().sum();
                (powers.iter().map(|power| power / sum).collect(), 1.0, true)
            }
        }
    }

    /// `together`: whether a workgroup takes a group.
    fn dispatches(
        &self,
        lowering: &Lowering,
        entry: &'static str,
        together: bool,
        backward: bool,
    ) -> Result<Lowered> {
        let [count, pixels, width] = self.sizes(lowering.output)?;
        let (kind, epsilon) = match self.norm {
            Norm::Moments { epsilon } => (0u32, epsilon),
            Norm::Length { epsilon } => (1, epsilon),
            Norm::Softmax => (2, 0.0),
        };
        let (groups, each) = match together {
            true => (count, (pixels * width).div_ceil(64)),
            false => (count.div_ceil(64), pixels * width),
        };
        let passes = if backward { 4 } else { 3 };
        let mut dispatch = Dispatch::new("normalize", entry)
            .constant("KIND", kind)
            .param("count", count)
            .param("groups", self.groups)
            .param("pixels", pixels)
            .param("width", width)
            .param("epsilon", epsilon)
            .rounds(passes * each + 32)
            .bind("y", Operand::Output)
            .workgroups(grid(groups, lowering.capabilities.max_workgroups));
        let names: &[&'static str] = if backward { &["dy", "x"] } else { &["x"] };
        for (index, name) in names.iter().enumerate() {
            dispatch = dispatch.bind(name, Operand::Input(index));
        }
        Ok(dispatch.into())
    }

    /// Whether a workgroup pays: where a group is long, and on a GPU where there are few of them.
    fn is_long(&self, lowering: &Lowering) -> bool {
        self.sizes(lowering.output).is_ok_and(|[count, pixels, width]| {
            pixels * width > 1024 || (!lowering.capabilities.software && count < 4096)
        })
    }

    fn expect_fours(&self, lowering: &Lowering) -> Result<()> {
        match self.in_fours(lowering) {
            true => Ok(()),
            false => {
                let problem = "rows takes channels in fours, one row a group, and no softmax";
                Err(Error::shape("normalisation", problem))
            }
        }
    }

    /// Whether each group is a part of one row that is read four channels at a time.
    fn in_fours(&self, lowering: &Lowering) -> bool {
        let width = lowering.output.channels() / self.groups.max(1);
        !self.whole && self.norm != Norm::Softmax && lowering.is_vec4() && width.is_multiple_of(4)
    }
}

impl Operation for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn describe(&self) -> String {
        let what = match self.norm {
            Norm::Moments { .. } => "mean and deviation taken out",
            Norm::Length { .. } => "unit length",
            Norm::Softmax => "softmax",
        };
        if self.groups == 1 { what.to_owned() } else { format!("{what}, {} groups", self.groups) }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("normalisation", inputs, 1)?;
        self.sizes(inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let inputs = [rule.dy(), rule.input(0)];
        Ok(vec![Some(rule.add("normalize_gradient", NormalizeGradient(*self), &inputs)?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let x = inputs[0];
        let mut y = Tensor::zeros(x.shape().clone());
        for members in self.members(x.shape()) {
            let own: Vec<f64> = members.iter().map(|&at| x.data()[at]).collect();
            let (values, ..) = self.values(&own);
            members.iter().zip(values).for_each(|(&at, value)| y.data_mut()[at] = value);
        }
        vec![y]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(Normalize:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, "forward_naive", false, false),
                },
                {
                    name: "rows",
                    fits: |this, at| this.expect_fours(at),
                    price: |_, _| 2.0,
                    lower: |this, at| this.dispatches(at, "forward_rows", false, false),
                },
                {
                    name: "group",
                    price: |this, at| if this.is_long(at) { 1.0 } else { 8.0 },
                    lower: |this, at| this.dispatches(at, "forward_group", true, false),
                },
            )
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        6 * output.elements() as u64
    }
}

/// (dy, x) -> dx, the gradient of [`Normalize`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalizeGradient(pub Normalize);

impl Operation for NormalizeGradient {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn describe(&self) -> String {
        format!("gradient of {}", self.0.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("gradient of normalisation", inputs, 2)?;
        self.0.sizes(inputs[0])?;
        if inputs[0] != inputs[1] {
            let problem = format!("{} and {} must be the same", inputs[0], inputs[1]);
            return Err(Error::shape("gradient of normalisation", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (dy, x) = (inputs[0], inputs[1]);
        let mut dx = Tensor::zeros(x.shape().clone());
        for members in self.0.members(x.shape()) {
            let pick = |from: &Tensor<f64>| -> Vec<f64> {
                members.iter().map(|&at| from.data()[at]).collect()
            };
            let (d, own) = (pick(dy), pick(x));
            let (y, factor, free) = self.0.values(&own);
            let count = d.len() as f64;
            let sum: f64 = d.iter().sum();
            let product: f64 = d.iter().zip(&y).map(|(d, y)| d * y).sum();
            for (at, (d, y)) in members.iter().zip(d.iter().zip(&y)) {
                dx.data_mut()[*at] = match self.0.norm {
                    Norm::Moments { .. } => factor * (d - sum / count - y * product / count),
                    Norm::Length { .. } if free => factor * (d - y * product),
                    Norm::Length { .. } => factor * d,
                    Norm::Softmax => y * (d - product),
                };
            }
        }
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(NormalizeGradient:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.0.dispatches(at, "backward_naive", false, true),
                },
                {
                    name: "rows",
                    fits: |this, at| this.0.expect_fours(at),
                    price: |_, _| 2.0,
                    lower: |this, at| this.0.dispatches(at, "backward_rows", false, true),
                },
                {
                    name: "group",
                    price: |this, at| if this.0.is_long(at) { 1.0 } else { 8.0 },
                    lower: |this, at| this.0.dispatches(at, "backward_group", true, true),
                },
            )
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        10 * output.elements() as u64
    }
}

/// Every norm, of rows and of images, in one and several groups; what has no length.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let norms = [
        Norm::Moments { epsilon: 1e-3 },
        Norm::Moments { epsilon: 1e-6 },
        Norm::Length { epsilon: 1e-12 },
        Norm::Softmax,
    ];
    for norm in norms {
        for (groups, whole) in [(1, false), (1, true), (3, true), (12, true), (4, false)] {
            if norm == Norm::Softmax && (whole || groups > 1) {
                continue;
            }
            let operation = Normalize { norm, groups, whole };
            for dims in [[2, 3, 5, 12], [1, 9, 7, 24], [2, 2, 3, 16]] {
                if dims[3] % groups != 0 {
                    continue;
                }
                let shape = Shape::from(dims);
                let name = format!("{norm:?}, {groups} groups, whole {whole}, {shape}");
                let x = (shape.clone(), Fill::Uniform(-2.0, 3.0));
                let case = Case::new(name.clone(), operation, [x.clone()]);
                cases.push(case.differentiate(&[0]).tolerance(2e-5));
                let inputs = [(shape, Fill::Signed), x];
                let case =
                    Case::new(format!("gradient, {name}"), NormalizeGradient(operation), inputs);
                cases.push(case.tolerance(2e-5));
            }
        }
    }
    let far = [([2, 5].into(), Fill::Values(&[-90.0, 3.0, 88.0, 88.5, 0.0]))];
    cases.push(Case::new("softmax, far out", Normalize::softmax(), far));
    let none = [([3, 4].into(), Fill::Values(&[0.0]))];
    let length = Normalize::rows(Norm::Length { epsilon: 1e-12 });
    cases.push(Case::new("no length", length, none.clone()));
    let inputs = [([3, 4].into(), Fill::Signed), none[0].clone()];
    cases.push(Case::new("gradient of no length", NormalizeGradient(length), inputs));
    let long = [([1, 90, 91, 32].into(), Fill::Signed)];
    let moments = Norm::Moments { epsilon: 1e-5 };
    let image = Normalize { norm: moments, groups: 2, whole: true };
    cases.push(Case::new("a large image", image, long.clone()).tolerance(1e-4));
    let rows = Normalize::rows(moments);
    cases.push(Case::new("rows of a large image", rows, long).tolerance(2e-5));
    let inputs = [([32, 56, 56, 96].into(), Fill::Signed)];
    cases.push(Case::new("rows of 32 images of 56x56x96", rows, inputs).bench_only());
    cases
}
