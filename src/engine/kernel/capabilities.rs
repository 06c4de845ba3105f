//! What an adapter can do, and what a kernel asks of it.

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
    /// Storage buffers that one kernel may bind.
    pub storage_buffers: u32,
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
            storage_buffers: 8,
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

impl Capabilities {
    /// Why no network runs on such an adapter, where none does: kernels keep to WebGPU's default limits, and there are
    /// adapters that are below.
    pub fn lacking(&self) -> Option<String> {
        let least = Capabilities::default();
        let needs = [
            ("bind up to", least.storage_buffers, self.storage_buffers, "buffers"),
            (
                "have up to",
                least.max_invocations,
                self.max_invocations,
                "invocations in a workgroup",
            ),
            (
                "take up to",
                least.workgroup_memory,
                self.workgroup_memory,
                "bytes of workgroup memory",
            ),
            ("dispatch up to", least.max_workgroups, self.max_workgroups, "workgroups in a row"),
        ];
        let missing = needs.into_iter().find(|(_, least, allows, _)| allows < least)?;
        let (do_what, least, allows, of_what) = missing;
        Some(format!("kernels {do_what} {least} {of_what}, it allows {allows}"))
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
