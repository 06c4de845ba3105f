//! Random draws that do not disturb each other: every image, ROI or epoch has a stream of its own,
//! so that adding an image to a data set leaves the draws for all the others as they were.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::digest::fnv;

/// The stream of random numbers that belongs to `key` under `seed`.
pub fn stream(seed: u64, key: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(hash(key));
    random
}

/// A number that orders things at random under `seed`, and independently of what else there is.
pub fn rank(seed: u64, key: &str) -> u64 {
    mix(hash(key) ^ mix(seed))
}

/// `std`'s hasher may change between Rust versions, and draws must not.
fn hash(key: &str) -> u64 {
    fnv(key.bytes())
}

/// The finaliser of splitmix64: every bit of the result depends on every bit of `state`.
pub(crate) fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_stream_depends_on_seed_and_key_alone() {
        let first = |seed, key| stream(seed, key).random::<u64>();
        assert_eq!(first(7, "a"), first(7, "a"));
        assert_ne!(first(7, "a"), first(7, "b"));
        assert_ne!(first(7, "a"), first(8, "a"));
        assert_ne!(rank(7, "a"), rank(8, "a"));
    }
}
