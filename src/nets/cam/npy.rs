//! NumPy's file format, version 1.0: a header that says type and shape, then the numbers.

use crate::engine::tensor::Tensor;

/// `tensor` as the content of a `.npy` file of little-endian 32-bit floating point numbers.
pub fn npy(tensor: &Tensor) -> Vec<u8> {
    let dims: Vec<String> = tensor.dims().iter().map(|size| format!("{size},")).collect();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", dims.join(" "));
    // Magic, version and length are 10 bytes; the whole head is a multiple of 64 and ends a line.
    let padded = (10 + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(padded - 10 - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(tensor.data().iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_aligned_and_the_numbers_follow() {
        let bytes = npy(&Tensor::from_fn([2, 3], |index| index as f32));
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let head = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert!(head.contains("'shape': (2, 3,)") && head.ends_with('\n'), "{head}");
        assert_eq!(bytes[10 + length..].len(), 24);
        assert_eq!(bytes[bytes.len() - 4..], 5f32.to_le_bytes());
    }
}
