//! What every operation can say of itself: its shape, its derivative, its truth, and the versions of its kernel.
//!
//! A version, or variant, is a row: a name, what it asks of the adapter, whether it can do a case, what it is expected
//! to cost there, and the dispatches that it becomes. Nothing outside of its row knows it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Graph, Value};
use crate::engine::kernel::{Lowered, Lowering, Needs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// One operation: what it computes, how it is differentiated, and how it runs.
pub trait Operation: Any + fmt::Debug + Send + Sync {
    /// Its name, which is also its shader's, in snake case.
    fn name(&self) -> &'static str;

    /// Its name and parameters in words, for `parula explain`.
    fn describe(&self) -> String {
        self.name().to_owned()
    }

    /// The shape of the output for these inputs.
    ///
    /// # Errors
    /// [`Error::Shape`] with both shapes and the rule they break.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape>;

    /// Its derivative: for each input the gradient, as more graph, given that of the output.
    /// An entry is `None` where the input has no gradient (labels, say) or none is wanted.
    ///
    /// # Errors
    /// [`Error::Shape`] for an operation that has none.
    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        Err(Error::shape(rule.name(), format!("{} has no gradient", self.name())))
    }

    /// The truth: plain loops, sums in double precision. One tensor, or one for each of
    /// [`Self::updates`].
    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>>;

    /// The inputs that it changes in place instead of having an output: an optimiser's parameters.
    fn updates(&self) -> &'static [usize] {
        &[]
    }

    /// Where the output is only another way to look at memory, how.
    fn alias(&self, _inputs: &[&Shape]) -> Alias {
        Alias::None
    }

    /// The versions of its kernel, from naive to fast: rows of [`Variant`]. By default there is one, [`Self::lower`].
    fn variants(&self) -> &'static [Variant] {
        ONLY
    }

    /// The dispatches of an operation with one version, as plain data. One with several has a table.
    ///
    /// # Errors
    /// [`Error::Shape`] where it cannot do this shape.
    fn lower(&self, _lowering: &Lowering) -> Result<Lowered> {
        Err(Error::shape(self.name(), "it is lowered by the rows of its table"))
    }

    /// The bindings of its kernels that may be stored in 16 bits: activations and their gradients, each
    /// element of which is read for itself or written once. None by default.
    fn halves(&self) -> &'static [&'static str] {
        &[]
    }

    /// Floating point operations, a multiply-add counted as two.
    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        output.elements() as u64
    }

    /// Whether it computes nothing and repeats what it reads, so that several readers may each absorb it.
    fn only_repeats(&self) -> bool {
        false
    }

    /// The operation that does this one and then `next`, which reads this one's output as its input
    /// number `position`. Its inputs are this one's, then the other inputs of `next` in order.
    /// `differentiable`: only if the result still has a gradient.
    fn absorb(
        &self,
        _next: &dyn Operation,
        _position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        None
    }
}

/// `operation` as the concrete type `T`, if it is one.
pub fn downcast<T: Operation>(operation: &dyn Operation) -> Option<&T> {
    (operation as &dyn Any).downcast_ref()
}

/// How an output shares memory with inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Alias {
    /// It does not.
    None,
    /// The output lies within input 0, `offset` elements in. `keeps_stride`: rows stay as far apart
    /// as they are in the input (a slice of channels); otherwise the output is dense.
    Within {
        /// In elements.
        offset: usize,
        /// Whether the rows keep their distance.
        keeps_stride: bool,
    },
    /// The inputs lie within the output at these offsets. `keeps_stride`: each input's rows are as
    /// far apart as the output's (concatenated channels); otherwise each input is dense.
    Gather {
        /// In elements, one for each input.
        offsets: Vec<usize>,
        /// Whether inputs take the stride of the output.
        keeps_stride: bool,
    },
}

/// What a gradient rule sees, and the graph that it adds to.
pub struct Rule<'a> {
    graph: &'a mut Graph,
    node: Value,
    dy: Value,
    wanted: Vec<bool>,
}

impl<'a> Rule<'a> {
    pub(crate) fn new(graph: &'a mut Graph, node: Value, dy: Value, wanted: Vec<bool>) -> Self {
        Rule { graph, node, dy, wanted }
    }

    /// The gradient of the score with respect to this operation's output.
    pub fn dy(&self) -> Value {
        self.dy
    }

    /// This operation's output.
    pub fn output(&self) -> Value {
        self.node
    }

    /// This operation's input number `index`.
    pub fn input(&self, index: usize) -> Value {
        self.graph.node(self.node).inputs[index]
    }

    /// How many inputs this operation has.
    pub fn inputs(&self) -> usize {
        self.wanted.len()
    }

    /// Whether the gradient of input `index` is asked for.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted[index]
    }

    /// The shape behind a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.graph.shape(value).clone()
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.graph.node(self.node).name
    }

    /// Adds `operation` under the layer's name with `/suffix`.
    ///
    /// # Errors
    /// Those of [`Graph::add`].
    pub fn add(
        &mut self,
        suffix: &str,
        operation: impl Operation,
        inputs: &[Value],
    ) -> Result<Value> {
        let name = self.graph.unique(&format!("{}/{suffix}", self.name()));
        self.graph.add(name, operation, inputs)
    }
}

/// One version of an operation's kernel. `variants!` makes them for a type.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// `naive`, `tiled_32x64`, `subgroup` and so on.
    pub name: &'static str,
    /// The name that rows share which are sizes of one kernel: where one is far too slow, so are the others.
    pub family: &'static str,
    /// What it asks of the adapter.
    pub needs: Needs,
    /// Whether it can do the case; the error says what it takes.
    pub fits: fn(&dyn Operation, &Lowering) -> Result<()>,
    /// What it is expected to take, in a unit that the rows of an operation share; infinity where it is only taken if
    /// nothing else fits. Asked only where it fits.
    pub price: fn(&dyn Operation, &Lowering) -> f64,
    /// The dispatches, as plain data. Asked only where it fits.
    pub lower: fn(&dyn Operation, &Lowering) -> Result<Lowered>,
}

/// The row of an operation with one version: [`Operation::lower`].
const ONLY: &[Variant] = &[Variant {
    name: "naive",
    family: "naive",
    needs: Needs::Nothing,
    fits: |_, _| Ok(()),
    price: |_, _| 1.0,
    lower: |operation, lowering| operation.lower(lowering),
}];

impl Variant {
    /// The dispatches of `operation` by this row.
    ///
    /// # Errors
    /// [`Error::Shape`] where it cannot do this shape.
    pub fn lowered(&self, operation: &dyn Operation, lowering: &Lowering) -> Result<Lowered> {
        (self.fits)(operation, lowering)?;
        (self.lower)(operation, lowering)
    }
}
