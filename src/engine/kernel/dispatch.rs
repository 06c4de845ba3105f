//! One run of a kernel, as plain data.

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
    /// the shape beyond what [`Capabilities::longest_loop`](super::Capabilities::longest_loop) may be; else 0.
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
