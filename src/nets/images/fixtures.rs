//! Pictures that tests are made from.

use std::path::Path;

use image::ImageEncoder;

use crate::nets::images::{Grey, Rect};

/// An image whose values differ everywhere, so that a wrong crop shows.
pub fn textured(width: usize, height: usize) -> Grey {
    let pixels = (0..width * height).map(|i| ((i % width * 7 + i / width * 13) % 251) as u8);
    Grey { width, height, pixels: pixels.collect() }
}

/// A mask with `lesion` at 255.
pub fn mask(width: usize, height: usize, lesion: Rect) -> Grey {
    let mut mask = Grey::filled(width, height, 0);
    for y in lesion.y..lesion.y + lesion.height {
        mask.pixels[y * width + lesion.x..][..lesion.width].fill(255);
    }
    mask
}

/// Writes `grey` to `root/path`, making the folders.
pub fn put(root: &Path, path: &str, grey: &Grey) {
    put_bytes(root, path, &grey.encode(Path::new(path)).unwrap());
}

/// Writes `bytes` to `root/path`, making the folders.
pub fn put_bytes(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The bytes of an 8-bit PGM, as MIAS was published.
pub fn pgm(grey: &Grey) -> Vec<u8> {
    let mut bytes = format!("P5\n{} {}\n255\n", grey.width, grey.height).into_bytes();
    bytes.extend(&grey.pixels);
    bytes
}

/// The bytes of an 8-bit grey TIFF.
pub fn tiff(grey: &Grey) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let encoder = image::codecs::tiff::TiffEncoder::new(&mut bytes);
    let (width, height) = (grey.width as u32, grey.height as u32);
    encoder.write_image(&grey.pixels, width, height, image::ExtendedColorType::L8).unwrap();
    bytes.into_inner()
}

/// The bytes of an 8-bit grey TIFF with an orientation.
pub fn tiff_turned(grey: &Grey, orientation: u16) -> Vec<u8> {
    let (width, height) = (grey.width as u32, grey.height as u32);
    // Width, height, bits, no compression, 0 is black, offset, orientation, rows, bytes.
    let entries = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (274, u32::from(orientation)),
        (278, height),
        (279, width * height),
    ];
    let mut bytes = b"II\x2a\0".to_vec();
    bytes.extend((8 + width * height).to_le_bytes());
    bytes.extend(&grey.pixels);
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend([3, 0, 1, 0, 0, 0]);
        bytes.extend(u32::to_le_bytes(value));
    }
    bytes.extend([0; 4]);
    bytes
}

/// A PNG with one more chunk, after its header.
pub fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = png[..33].to_vec();
    chunk(&mut bytes, name, data);
    bytes.extend(&png[33..]);
    bytes
}

/// A PNG made by hand, in any colour type and depth: `rows` are the packed bytes of each row.
///
/// Colour types: 0 grey, 2 RGB, 3 palette (two entries, black and white), 4 grey and alpha, 6 RGBA.
pub fn png(width: u32, depth: u8, colour: u8, rows: &[Vec<u8>]) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend((rows.len() as u32).to_be_bytes());
    header.extend([depth, colour, 0, 0, 0]);
    let raw: Vec<u8> =
        rows.iter().flat_map(|row| std::iter::once(0).chain(row.iter().copied())).collect();
    // One stored block of zlib: its length, the complement of that, the bytes, Adler-32.
    let length = u16::try_from(raw.len()).unwrap();
    let mut zlib = vec![0x78, 0x01, 1];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(&raw);
    let (a, b) = raw.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    zlib.extend((b << 16 | a).to_be_bytes());
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut bytes, b"IHDR", &header);
    if colour == 3 {
        chunk(&mut bytes, b"PLTE", &[0, 0, 0, 255, 255, 255]);
    }
    chunk(&mut bytes, b"IDAT", &zlib);
    chunk(&mut bytes, b"IEND", &[]);
    bytes
}

/// A PNG of 8 bits whose pixels are numbers of `colours`.
pub fn png_of_palette(colours: &[[u8; 3]], rows: &[Vec<u8>]) -> Vec<u8> {
    let plain = png(rows[0].len() as u32, 8, 3, rows);
    // Behind the header stands the palette of black and white: 12 bytes and 6.
    let mut bytes = plain[..33].to_vec();
    chunk(&mut bytes, b"PLTE", colours.as_flattened());
    bytes.extend(&plain[33 + 18..]);
    bytes
}

/// A grey PNG of a few bytes whose header says that it has `width` x `height` pixels.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let small = png(4, 8, 0, &vec![vec![1; 4]; 4]);
    let mut bytes = small[..8].to_vec();
    let [width, height] = [width, height].map(u32::to_be_bytes);
    chunk(&mut bytes, b"IHDR", &[&width[..], &height, &[8, 0, 0, 0, 0]].concat());
    bytes.extend(&small[bytes.len()..]);
    bytes
}

fn chunk(bytes: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    bytes.extend((data.len() as u32).to_be_bytes());
    let start = bytes.len();
    bytes.extend(name);
    bytes.extend(data);
    let crc = bytes[start..].iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    bytes.extend((!crc).to_be_bytes());
}
