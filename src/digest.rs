//! A number that stands for a text: FNV-1a in 64 bits, the same on every machine and in every release.

/// Of all `parts`, with their borders, as 16 hexadecimal digits.
///
/// It tells texts apart that differ by accident; it is no defence against anyone.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    // No UTF-8 text has a byte 0xff, so it marks the end of a part.
    digest_bytes(parts.into_iter().flat_map(|part| part.bytes().chain([0xff])))
}

/// Of bytes, as 16 hexadecimal digits.
pub fn digest_bytes(bytes: impl Iterator<Item = u8>) -> String {
    format!("{:016x}", fnv(bytes))
}

/// The same as a number.
pub(crate) fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.fold(START, |state, byte| (state ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn texts_and_their_borders_count() {
        assert_eq!(digest([]), "cbf29ce484222325", "the offset basis of FNV-1a");
        assert_eq!(digest(["ab", "c"]), digest(["ab", "c"]));
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(digest(["abc"]), digest(["abd"]));
        assert_ne!(digest(["a"]), digest(["a", ""]));
    }
}
