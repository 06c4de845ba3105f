//! DDSM.

#[cfg(test)]
pub(crate) mod encoder;
mod huffman;
pub mod ljpeg;
