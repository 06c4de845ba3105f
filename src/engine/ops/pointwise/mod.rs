//! What is computed number by number: activations, arithmetic, noise.

pub(super) mod activate;
pub(super) mod activation;
pub(super) mod blend;
pub(super) mod dropout;
pub(super) mod elementwise;
pub(super) mod expand;
pub(super) mod sigmoid;
pub(super) mod stretch;

/// PCG-RXS-M-XS with 32 bits (O'Neill 2014), as the shaders of noise and dropout have it.
fn hash(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}
