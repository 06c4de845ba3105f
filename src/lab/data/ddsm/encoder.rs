//! A lossless JPEG encoder by PVRG's rule, so that the tests have films. It knows nothing of the
//! decoder, and uses the standard library alone, so that any test can take it in.

/// How a film is encoded.
#[derive(Clone, Copy)]
pub struct Encoder {
    /// Bits of a value.
    pub precision: u32,
    /// 1 to 7.
    pub predictor: u8,
    /// A restart after every so many rows; 0 for none.
    pub restart_rows: usize,
    /// Values are divided by 2 to this power.
    pub transform: u32,
    /// Whether the frame header has 0 for the rows, and a DNL segment follows the scan.
    pub rows_behind_scan: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder {
            precision: 16,
            predictor: 1,
            restart_rows: 0,
            transform: 0,
            rows_behind_scan: false,
        }
    }
}

impl Encoder {
    /// `pixels` under a header of `rows` x `columns`.
    pub fn encode(&self, pixels: &[u16], rows: usize, columns: usize) -> Vec<u8> {
        let pixels: Vec<i32> =
            pixels.iter().map(|value| i32::from(value >> self.transform)).collect();
        let middle = 1 << (self.precision - self.transform - 1);
        let differences: Vec<i32> = (0..pixels.len())
            .map(|i| {
                let (x, y) = (i % columns, i / columns);
                let first = y == 0 || self.restart_rows > 0 && y % self.restart_rows == 0;
                let above = |x: usize| if first { middle } else { pixels[(y - 1) * columns + x] };
                let guess = if x == 0 {
                    above(0)
                } else {
                    let (a, b, c) = (pixels[i - 1], above(x), above(x - 1));
                    match self.predictor {
                        1 => a,
                        2 => b,
                        3 => c,
                        4 => a + b - c,
                        5 => a + (b - c).div_euclid(2),
                        6 => b + (a - c).div_euclid(2),
                        _ => (a + b).div_euclid(2),
                    }
                };
                // -32767 ..= 32768, the same modulo 65536.
                match (pixels[i] - guess).rem_euclid(65536) {
                    value @ 0..=32768 => value,
                    value => value - 65536,
                }
            })
            .collect();
        self.encode_differences(&differences, rows, columns)
    }

    /// A file with these differences, each -32767 to 32768.
    pub fn encode_differences(&self, differences: &[i32], rows: usize, columns: usize) -> Vec<u8> {
        let category = |difference: i32| 32 - difference.unsigned_abs().leading_zeros();
        // The more frequent a category, the shorter its code: 2, 2, 3, 3, 4, 5 to 16 bits.
        let mut order: Vec<u32> = (0..=16).collect();
        let frequency = |of: u32| differences.iter().filter(|d| category(**d) == of).count();
        order.sort_by_key(|&of| std::cmp::Reverse(frequency(of)));
        let lengths: Vec<u32> = [2, 2, 3, 3].into_iter().chain(4..=16).collect();
        let (mut codes, mut code) = ([(0, 0); 17], 0u32);
        for (index, (&of, &length)) in order.iter().zip(&lengths).enumerate() {
            if index > 0 {
                code = (code + 1) << (length - lengths[index - 1]);
            }
            codes[of as usize] = (code, length);
        }

        let mut bytes = vec![0xff, 0xd8];
        let [high, low] = (if self.rows_behind_scan { 0 } else { rows as u16 }).to_be_bytes();
        let [left, right] = (columns as u16).to_be_bytes();
        let precision = self.precision as u8;
        bytes.extend([0xff, 0xc3, 0, 11, precision, high, low, left, right, 1, 1, 0x11, 0]);
        bytes.extend([0xff, 0xc4, 0, 2 + 17 + 17, 0, 0, 2, 2]);
        bytes.extend([1; 13]);
        bytes.extend(order.iter().map(|&of| of as u8));
        if self.restart_rows > 0 {
            let [high, low] = ((self.restart_rows * columns) as u16).to_be_bytes();
            bytes.extend([0xff, 0xdd, 0, 4, high, low]);
        }
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, self.predictor, 0, self.transform as u8]);
        let interval = if self.restart_rows > 0 { self.restart_rows * columns } else { usize::MAX };
        for (number, part) in differences.chunks(interval.min(differences.len())).enumerate() {
            if number > 0 {
                bytes.extend([0xff, 0xd0 + ((number - 1) % 8) as u8]);
            }
            let mut bits = Vec::new();
            let mut put = |value: u32, length: u32| {
                bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
            };
            for &difference in part {
                let of = category(difference);
                let (code, length) = codes[of as usize];
                put(code, length);
                if of < 16 {
                    let below = if difference < 0 { difference - 1 } else { difference };
                    put(below as u32, of);
                }
            }
            for eight in bits.chunks(8) {
                let padded = (0..8).map(|bit| eight.get(bit).copied().unwrap_or(true));
                let byte = padded.fold(0, |byte, bit| byte << 1 | u8::from(bit));
                bytes.push(byte);
                if byte == 0xff {
                    bytes.push(0);
                }
            }
        }
        if self.rows_behind_scan {
            let [high, low] = (rows as u16).to_be_bytes();
            bytes.extend([0xff, 0xdc, 0, 4, high, low]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }
}
