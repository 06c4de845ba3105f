//! The entropy coding of a JPEG scan: bits out of bytes with stuffing, and Huffman codes of up to
//! 16 bits (ITU-T T.81, annexes C and F.2.2).

use super::unusable::Unusable;

/// Codes up to this length are found by one look into a table; films have few longer ones.
const LOOK: u32 = 11;

/// A Huffman table of categories 0 to 16.
pub struct Table {
    /// By the next [`LOOK`] bits: length << 8 | category, or 0 where the code is longer or none.
    short: Vec<u16>,
    /// For each length: one past the last code, its first code, and where that is in `values`.
    long: [(u32, u32, usize); 17],
    values: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length, 1 to 16, and their categories in order.
    pub fn new(counts: &[u8; 16], values: &[u8]) -> Result<Self, Unusable> {
        if values.iter().any(|&category| category > 16) {
            return Err(Unusable::damaged("its Huffman table has a category above 16"));
        }
        let mut short = vec![0; 1 << LOOK];
        let mut long = [(0, 0, 0); 17];
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            if code + count > 1 << length {
                return Err(Unusable::damaged("its Huffman table has more codes than fit"));
            }
            long[length as usize] = (code + count, code, index);
            for _ in 0..count {
                if length <= LOOK {
                    let entry = (length as u16) << 8 | u16::from(values[index]);
                    let from = (code << (LOOK - length)) as usize;
                    short[from..from + (1 << (LOOK - length))].fill(entry);
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        Ok(Table { short, long, values: values.to_vec() })
    }

    /// The next difference of a lossless scan (T.81, H.1.2.2); category 16 is 32768, without further
    /// bits. None when the bits are no code.
    #[inline]
    pub fn difference(&self, bits: &mut Bits) -> Option<i32> {
        bits.fill();
        let entry = self.short[bits.peek(LOOK) as usize];
        let (length, category) = match entry {
            0 => self.long_code(bits)?,
            _ => (u32::from(entry >> 8), u32::from(entry & 0xff)),
        };
        bits.skip(length);
        Some(match category {
            0 => 0,
            16 => 32768,
            _ => {
                let value = bits.peek(category) as i32;
                bits.skip(category);
                // The lower half of each category is negative.
                if value >> (category - 1) == 0 { value - (1 << category) + 1 } else { value }
            }
        })
    }

    fn long_code(&self, bits: &Bits) -> Option<(u32, u32)> {
        (LOOK + 1..=16).find_map(|length| {
            let code = bits.peek(length);
            let (end, first, index) = self.long[length as usize];
            let at = index + code.checked_sub(first)? as usize;
            (code < end).then(|| (length, u32::from(self.values[at])))
        })
    }
}

/// The bits of one entropy-coded segment, up to the next marker.
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    window: u64,
    /// How many of them there are, and how many of those lie behind the end and are 0.
    held: u32,
    missing: u32,
}

impl<'a> Bits<'a> {
    /// The segment that begins at `data[at]`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        Bits { data, at, window: 0, held: 0, missing: 0 }
    }

    /// Makes at least 32 bits ready: a code and the bits behind it.
    #[inline]
    fn fill(&mut self) {
        if self.held >= 32 {
            return;
        }
        while self.held <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.missing += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.window |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    /// The next `n` bits, 1 to 32 of them.
    #[inline]
    fn peek(&self, n: u32) -> u32 {
        (self.window >> (64 - n)) as u32
    }

    #[inline]
    fn skip(&mut self, n: u32) {
        self.window <<= n;
        self.held -= n;
    }

    /// Whether bits were taken that the segment does not have. Asked after every row.
    pub fn overrun(&self) -> bool {
        self.held < self.missing
    }

    /// Whether nothing is left in the segment but what is held.
    pub fn exhausted(&self) -> bool {
        self.missing > 0
    }

    /// Ends the segment: where the marker behind it begins.
    pub fn end(self) -> Result<usize, Unusable> {
        let rest = &self.data[self.at..];
        // 0xff 0 is one byte of data.
        let marker = rest.windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0);
        let unread = marker.unwrap_or(rest.len());
        let left = self.held.saturating_sub(self.missing) as usize + 8 * unread;
        if self.overrun() {
            Err(Unusable::truncated())
        } else if left >= 16 {
            // Up to seven bits fill the last byte; a little more is nothing to refuse a film for.
            Err(Unusable::damaged("it holds more data than its pixels need"))
        } else {
            Ok(self.at + unread)
        }
    }
}
