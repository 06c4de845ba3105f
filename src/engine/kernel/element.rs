//! How numbers are stored.

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
