//! Damage: what is done to a valid file before a parser gets it. The same seed does the same.

use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

/// Numbers that stand at the edge of something.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// The same in text.
const WORDS: [&str; 18] = [
    "0",
    "-1",
    "1e15",
    "1e5",
    "-1e308",
    "1e999",
    "NaN",
    "inf",
    "null",
    "[]",
    "{}",
    "\"\"",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999",
    "0.0000000000000000000001",
    "../../x",
    "true",
];

/// Longer files are cut: the loop is after damage, not after size.
const LONGEST: usize = 1 << 18;

/// `bytes` with one to six kinds of damage; `other` is a file of the same kind.
pub fn mutate(bytes: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let times = if random.random_ratio(1, 2) { 1 } else { random.random_range(2..=6) };
    for _ in 0..times {
        once(&mut bytes, other, random);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = place(bytes.len(), random);
    match random.random_range(0..11) {
        0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 => bytes[at] = random.next_u32() as u8,
        2 => bytes.truncate(at),
        3 => number(bytes, at, random),
        4 => word(bytes, at, random),
        5 => {
            let end = (at + length(random)).min(bytes.len());
            bytes.drain(at..end);
        }
        6 => repeat(bytes, at, random),
        7 => splice(bytes, at, other, random),
        8 => {
            let end = (at + length(random)).min(bytes.len());
            let value = *[0, 0xff, b' ', b'0', b'9'].choose(random).unwrap_or(&0);
            bytes[at..end].fill(value);
        }
        9 => {
            // Two places of one length change places.
            let size = length(random).min(bytes.len() / 2);
            let to = random.random_range(0..=bytes.len() - size);
            let from = at.min(bytes.len() - size);
            let part = bytes[from..from + size].to_vec();
            bytes[to..to + size].copy_from_slice(&part);
        }
        _ => {
            let mut noise = vec![0; length(random).min(64)];
            random.fill_bytes(&mut noise);
            bytes.splice(at..at, noise);
        }
    }
}

/// Anywhere, and as often near the beginning, where headers are.
fn place(length: usize, random: &mut ChaCha8Rng) -> usize {
    let near = random.random_ratio(1, 2);
    random.random_range(0..if near { length.min(256) } else { length })
}

fn length(random: &mut ChaCha8Rng) -> usize {
    1 << random.random_range(0..10)
}

/// Overwrites an aligned number of 2, 4 or 8 bytes.
fn number(bytes: &mut [u8], at: usize, random: &mut ChaCha8Rng) {
    let size = *[1, 2, 4, 8].choose(random).unwrap_or(&4);
    let at = at / size * size;
    let Some(place) = bytes.get_mut(at..at + size) else { return };
    let value = match random.random_range(0..3) {
        0 => random.next_u64() >> random.random_range(0..64),
        _ => *NUMBERS.choose(random).unwrap_or(&0),
    };
    if random.random_ratio(2, 3) {
        place.copy_from_slice(&value.to_le_bytes()[..size]);
    } else {
        place.copy_from_slice(&value.to_be_bytes()[8 - size..]);
    }
}

/// Replaces the number in text at or behind `at`, or inserts a word there.
fn word(bytes: &mut Vec<u8>, at: usize, random: &mut ChaCha8Rng) {
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.' || *byte == b'-';
    let from = bytes[at..].iter().position(digit).map_or(at, |ahead| at + ahead);
    let to = from + bytes[from..].iter().take_while(|byte| digit(byte)).count();
    let word = WORDS.choose(random).copied().unwrap_or_default();
    bytes.splice(from..to, word.bytes());
}

/// A part stands there many times.
fn repeat(bytes: &mut Vec<u8>, at: usize, random: &mut ChaCha8Rng) {
    let end = (at + length(random)).min(bytes.len());
    let part = bytes[at..end].to_vec();
    let most = (LONGEST / part.len().max(1)).clamp(1, 4096);
    let times = random.random_range(1..=most).min(1 << random.random_range(0..12));
    bytes.splice(end..end, part.repeat(times));
}

/// A part of another file in place of a part of this one.
fn splice(bytes: &mut Vec<u8>, at: usize, other: &[u8], random: &mut ChaCha8Rng) {
    if other.is_empty() {
        return;
    }
    let from = random.random_range(0..other.len());
    let to = (from + length(random)).min(other.len());
    let end = (at + length(random)).min(bytes.len());
    bytes.splice(at..end, other[from..to].iter().copied());
}
