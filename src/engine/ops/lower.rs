//! What an operation becomes on the GPU: dispatches, as plain data.

use crate::engine::shape::Shape;

/// What an adapter can do, as far as kernels and plans care.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Bytes that one storage binding may span.
    pub max_binding: u64,
    /// Bytes of the largest buffer.
    pub max_buffer: u64,
    /// Bytes of memory in all, where that is known: of a processor that of the machine. Of a GPU nobody
    /// says it, and it is `u64::MAX`.
    pub memory: u64,
    /// Workgroups along one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Invocations of one workgroup.
    pub max_invocations: u32,
    /// Bytes to which the offset of a storage binding must be aligned.
    pub storage_alignment: u64,
    /// Bytes to which the offset of a uniform binding must be aligned.
    pub uniform_alignment: u64,
    /// The smallest and largest subgroup, where subgroup operations can be used.
    pub subgroup: Option<(u32, u32)>,
    /// Whether the adapter is a processor, where work is vectorised along a subgroup and a load
    /// costs as much as several multiply-adds.
    pub software: bool,
    /// How many tensors a kernel can read through textures; 0 where that does not pay. It does on
    /// Mesa's software drivers, where a load from a storage buffer takes up to thirty times as long
    /// (`benches/NOTES.md`).
    pub texels: u32,
    /// Whether shaders may compute and store numbers of 16 bits.
    pub f16: bool,
    /// Whether kernels may round what they multiply to 16 bits: only where the user asked for it.
    pub rounding: bool,
    /// The side of the square matrices of 16-bit numbers that a subgroup multiplies into 32-bit sums: 16
    /// or 8, where the adapter has such an instruction and [`Self::rounding`] allows it.
    pub cooperative: Option<u32>,
    /// How many rounds all loops of one invocation may take together. Mesa's software drivers leave
    /// them after 65,535, without an error: LP_MAX_TGSI_LOOP_ITERATIONS in their source.
    pub longest_loop: u64,
}

impl Default for Capabilities {
    /// WebGPU's default limits, without optional features: what every adapter has.
    fn default() -> Self {
        Capabilities {
            max_binding: 128 << 20,
            max_buffer: 256 << 20,
            memory: u64::MAX,
            max_workgroups: 65535,
            workgroup_memory: 16 << 10,
            max_invocations: 256,
            storage_alignment: 256,
            uniform_alignment: 256,
            subgroup: None,
            software: false,
            texels: 0,
            f16: false,
            rounding: false,
            cooperative: None,
            longest_loop: u64::MAX,
        }
    }
}

/// Bytes of workgroup memory that matrices of `size` x `size` take at most: two
/// steps of 8 x 4 matrices with what is between them, what is written down of the sums, and some to spare.
fn cooperative_bytes(size: u32) -> u32 {
    let (rows, columns, steps, between) = (8 * size, 4 * size, 2 * size, 8);
    let rights = steps * (columns + between) + columns * between;
    2 * (rows * (steps + between) + rights) + 4 * (4 * size * steps) + 256
}

/// What a variant asks of an adapter beyond WebGPU's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the baseline.
    Nothing,
    /// Subgroup operations.
    Subgroup,
    /// Products of matrices of 16-bit numbers by subgroups of one size, and leave to round to them.
    Cooperative,
}

impl Needs {
    /// Whether an adapter offers it.
    pub fn met_by(self, capabilities: &Capabilities) -> bool {
        match self {
            Needs::Nothing => true,
            Needs::Subgroup => capabilities.subgroup.is_some(),
            Needs::Cooperative => {
                capabilities.f16
                    && capabilities.rounding
                    && capabilities.subgroup.is_some_and(|(least, most)| {
                        least == most && 4 * most <= capabilities.max_invocations
                    })
                    && capabilities.cooperative.is_some_and(|size| {
                        cooperative_bytes(size) <= capabilities.workgroup_memory
                    })
            }
        }
    }

    /// What is missing where it is not met, in words, on an adapter that has matrices of side
    /// `cooperative`, be it that they may be used or not.
    pub fn lacking(self, capabilities: &Capabilities, cooperative: Option<u32>) -> &'static str {
        let there = capabilities.f16 && cooperative.is_some();
        match self {
            Needs::Cooperative if there && !capabilities.rounding => {
                "it rounds to 16 bits, which --precision f16 allows"
            }
            Needs::Cooperative => "it needs cooperative matrices, which the adapter lacks",
            Needs::Subgroup => "it needs subgroup operations, which the adapter lacks",
            Needs::Nothing => "it needs nothing",
        }
    }

    /// How far a result may be from that in 32 bits, over the largest magnitude: factors of 11 bits, in
    /// sums that cancel.
    pub fn rounding(self) -> f64 {
        match self {
            Needs::Nothing | Needs::Subgroup => 0.0,
            Needs::Cooperative => 1.0 / 256.0,
        }
    }
}

/// The name that a variant has now, for one that it had in an earlier version: results and habits are older.
pub fn current_name(name: &str) -> &str {
    match name {
        "quad" => "fours",
        other => other,
    }
}

/// How a tensor's numbers are stored. Kernels compute with 32 bits either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16: 11 bits of precision, up to 65504, below 6.1e-5 with fewer bits.
    F16,
}

impl Element {
    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            Element::F32 => 4,
            Element::F16 => 2,
        }
    }
}

/// Where a tensor lies in its buffer, in elements: element (row, channel) stands at
/// `offset + row * stride + channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Of the first element.
    pub offset: usize,
    /// From one row to the next; the number of channels where the tensor is dense.
    pub stride: usize,
}

impl View {
    /// A tensor on its own.
    pub fn dense(shape: &Shape) -> Self {
        View { offset: 0, stride: shape.channels() }
    }

    /// Whether rows of `shape` follow each other without gaps.
    pub fn is_dense(&self, shape: &Shape) -> bool {
        self.stride == shape.channels() || shape.rows() <= 1
    }

    /// Whether every row of `shape` starts and ends on a multiple of four elements.
    pub fn is_vec4(&self, shape: &Shape) -> bool {
        self.offset.is_multiple_of(4)
            && self.stride.is_multiple_of(4)
            && shape.channels().is_multiple_of(4)
    }
}

/// What [`lower`](super::Operation::lower) and the rows of a table are told.
pub struct Lowering<'a> {
    /// The shapes of the inputs.
    pub inputs: &'a [&'a Shape],
    /// Where the inputs lie.
    pub views: &'a [View],
    /// The shape of the output.
    pub output: &'a Shape,
    /// Where the output lies.
    pub output_view: View,
    /// What the adapter can do.
    pub capabilities: &'a Capabilities,
}

impl Lowering<'_> {
    /// Whether every row of every tensor starts and ends on a multiple of four elements.
    pub fn is_vec4(&self) -> bool {
        let mut inputs = self.views.iter().zip(self.inputs);
        self.output_view.is_vec4(self.output) && inputs.all(|(view, shape)| view.is_vec4(shape))
    }

    /// One of two prices.
    pub(in crate::engine::ops) fn on(&self, processor: f64, gpu: f64) -> f64 {
        if self.capabilities.software { processor } else { gpu }
    }
}

/// Which tensor a binding stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Input number i of the operation.
    Input(usize),
    /// `count` images of input number `input`, from image `first` on.
    Images {
        /// The input's number.
        input: usize,
        /// The first image.
        first: usize,
        /// How many.
        count: usize,
    },
    /// Its output.
    Output,
    /// Scratch memory number i, alive during this operation only.
    Scratch(usize),
}

/// A 32-bit scalar of the uniform block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// `u32`.
    U32(u32),
    /// `i32`.
    I32(i32),
    /// `f32`.
    F32(f32),
}

impl Word {
    /// As it stands in memory.
    pub fn bytes(self) -> [u8; 4] {
        match self {
            Word::U32(value) => value.to_le_bytes(),
            Word::I32(value) => value.to_le_bytes(),
            Word::F32(value) => value.to_le_bytes(),
        }
    }
}

impl From<usize> for Word {
    fn from(value: usize) -> Self {
        Word::U32(value as u32)
    }
}

impl From<u32> for Word {
    fn from(value: u32) -> Self {
        Word::U32(value)
    }
}

impl From<i32> for Word {
    fn from(value: i32) -> Self {
        Word::I32(value)
    }
}

impl From<f32> for Word {
    fn from(value: f32) -> Self {
        Word::F32(value)
    }
}

/// One run of one entry point. Bindings and uniform fields are by name; `t_offset` and `t_stride` of
/// a bound tensor `t` are filled in from its place in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The shader's file stem.
    pub shader: &'static str,
    /// The entry point.
    pub entry: &'static str,
    /// `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// `const` register tiles, replaced in the text.
    pub tiles: Vec<(&'static str, u32)>,
    /// Which tensor stands behind each storage binding. A binding that the entry point declares and
    /// this list omits gets a small buffer of its own, and must not be used.
    pub bindings: Vec<(&'static str, Operand)>,
    /// Uniform fields.
    pub params: Vec<(&'static str, Word)>,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
    /// At least as many rounds as the loops of one invocation take together, where that grows with
    /// the shape beyond what [`Capabilities::longest_loop`] may be; else 0.
    pub rounds: u64,
}

impl Dispatch {
    /// A run of `entry` in `shader`, with nothing set.
    pub fn new(shader: &'static str, entry: &'static str) -> Self {
        Dispatch {
            shader,
            entry,
            constants: Vec::new(),
            tiles: Vec::new(),
            bindings: Vec::new(),
            params: Vec::new(),
            workgroups: [1, 1, 1],
            rounds: 0,
        }
    }

    /// Sets an `override` constant.
    pub fn constant(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// Sets a `const` register tile.
    pub fn tile(mut self, name: &'static str, value: u32) -> Self {
        self.tiles.push((name, value));
        self
    }

    /// Binds a tensor.
    pub fn bind(mut self, name: &'static str, operand: Operand) -> Self {
        self.bindings.push((name, operand));
        self
    }

    /// Sets a uniform field.
    pub fn param(mut self, name: &'static str, value: impl Into<Word>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// Declares how many rounds the loops of an invocation take.
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds as u64;
        self
    }

    /// Sets the grid.
    pub fn workgroups(mut self, workgroups: [u32; 3]) -> Self {
        self.workgroups = workgroups;
        self
    }

    /// Repeats the grid along its third axis.
    pub fn layers(mut self, layers: u32) -> Self {
        self.workgroups[2] = layers;
        self
    }
}

/// All of an operation's dispatches, in order, and the scratch memory they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    /// In order of execution.
    pub dispatches: Vec<Dispatch>,
    /// Elements (f32) of each scratch tensor.
    pub scratch: Vec<usize>,
}

impl From<Dispatch> for Lowered {
    fn from(dispatch: Dispatch) -> Self {
        Lowered { dispatches: vec![dispatch], scratch: Vec::new() }
    }
}

/// `count` workgroups as x and y, neither over `limit`. Kernels rebuild the number as
/// `workgroup.y * num_workgroups.x + workgroup.x` and leave when it is `count` or more.
pub fn grid(count: usize, limit: u32) -> [u32; 3] {
    let limit = limit as usize;
    if count <= limit {
        return [count.max(1) as u32, 1, 1];
    }
    let rows = count.div_ceil(limit);
    [count.div_ceil(rows) as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_the_adapter_s_or_the_user_s() {
        let (without, with) =
            (Capabilities::default(), Capabilities { f16: true, ..Capabilities::default() });
        let needs = Needs::Cooperative;
        assert!(needs.lacking(&without, None).contains("which the adapter lacks"));
        assert!(needs.lacking(&with, None).contains("which the adapter lacks"));
        assert!(needs.lacking(&with, Some(8)).contains("--precision f16"));
    }
}
