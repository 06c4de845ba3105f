//! Whether a JPEG holds all of its picture. Decoders fill up what is missing with grey and say nothing, so
//! the entropy-coded data is walked once before: every block of every scan must be there.
//!
//! Sequential and progressive Huffman coding (ITU-T T.81) are walked, which is all that is decoded. What
//! follows the end of the image, such as a second picture of a phone, does not count.

use image::metadata::Orientation;

/// What is known of a JPEG before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Channels, 1 to 4.
    pub channels: usize,
    /// Whether it is coded in scans of the whole picture, for which a decoder holds all coefficients.
    pub progressive: bool,
    /// How it is to be turned, by its EXIF data.
    pub orientation: Orientation,
}

/// What is wrong with a JPEG, as the end of a sentence that begins with its name.
pub type Wrong = String;

/// More scans than any encoder makes; each costs a walk over all blocks.
const MOST_SCANS: usize = 100;
/// So many bytes behind the last block of a scan are padding; more are blocks that the size leaves out.
const MOST_PADDING: usize = 64;

/// Reads the segments up to the frame's.
///
/// # Errors
/// That there is no frame before the first scan, or before the bytes end.
pub fn header(bytes: &[u8]) -> Result<Header, Wrong> {
    let mut at = 2;
    let mut orientation = Orientation::NoTransforms;
    loop {
        let (marker, segment, next) = segment(bytes, at)?;
        match marker {
            FRAME_FIRST..=FRAME_LAST if !matches!(marker, DHT | 0xc8 | 0xcc) => {
                let [_, h1, h0, w1, w0, channels, ..] = *segment else { return Err(truncated()) };
                return Ok(Header {
                    width: u32::from(u16::from_be_bytes([w1, w0])),
                    height: u32::from(u16::from_be_bytes([h1, h0])),
                    channels: usize::from(channels),
                    progressive: marker == PROGRESSIVE,
                    orientation,
                });
            }
            0xe1 => {
                let exif = segment.strip_prefix(b"Exif\0\0");
                if let Some(found) = exif.and_then(Orientation::from_exif_chunk) {
                    orientation = found;
                }
            }
            SOS | EOI => return Err("is a JPEG without a frame".to_owned()),
            _ => {}
        }
        at = next;
    }
}

/// Walks all scans.
///
/// # Errors
/// What is missing or damaged.
pub fn check(bytes: &[u8]) -> Result<(), Wrong> {
    let mut walk = Walk::default();
    let mut at = 2;
    loop {
        let (marker, segment, next) = segment(bytes, at)?;
        at = next;
        match marker {
            0xc0..=PROGRESSIVE => walk.frame = Some(Frame::new(marker, segment, bytes.len())?),
            // Lossless, hierarchical or arithmetic: the decoder says that it reads none of these.
            FRAME_FIRST..=FRAME_LAST if !matches!(marker, DHT | 0xc8 | 0xcc) => return Ok(()),
            DHT => walk.tables(segment)?,
            0xdd => {
                let [high, low, ..] = *segment else { return Err(truncated()) };
                walk.interval = usize::from(u16::from_be_bytes([high, low]));
            }
            SOS => at = walk.scan(bytes, segment, at)?,
            EOI => return walk.end(),
            _ => {}
        }
    }
}

const FRAME_FIRST: u8 = 0xc0;
const PROGRESSIVE: u8 = 0xc2;
const FRAME_LAST: u8 = 0xcf;
const DHT: u8 = 0xc4;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

fn truncated() -> Wrong {
    "is a truncated JPEG".to_owned()
}

fn damaged(what: &str) -> Wrong {
    format!("is a damaged JPEG ({what})")
}

/// The next marker from `at`, its segment without the length, and where that ends.
fn segment(bytes: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), Wrong> {
    loop {
        // Decoders look for the next marker too where bytes stand between segments.
        at += bytes
            .get(at..)
            .and_then(|rest| rest.iter().position(|b| *b == 0xff))
            .ok_or_else(truncated)?;
        let marker = *bytes.get(at + 1).ok_or_else(truncated)?;
        match marker {
            // Stuffing, filling, and markers without a segment.
            0xff => at += 1,
            0 | 1 | 0xd0..=0xd8 => at += 2,
            EOI => return Ok((EOI, &[], at + 2)),
            _ => {
                let length = bytes.get(at + 2..at + 4).ok_or_else(truncated)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let end = at + 2 + length.max(2);
                return Ok((marker, bytes.get(at + 4..end).ok_or_else(truncated)?, end));
            }
        }
    }
}

struct Component {
    id: u8,
    across: usize,
    down: usize,
    /// Blocks of its own grid, where it is scanned alone: columns and rows.
    blocks: [usize; 2],
    /// Blocks of a row of its grid in whole units.
    stride: usize,
    /// For each block, which coefficients are not 0, while a progressive picture is refined.
    nonzero: Vec<u64>,
    /// For each coefficient, how many of its last bits are missing yet; none where it was in no scan.
    missing: [Option<u8>; 64],
}

struct Frame {
    progressive: bool,
    components: Vec<Component>,
    /// Columns and rows of units in which all components are interleaved.
    units: [usize; 2],
}

impl Frame {
    fn new(marker: u8, segment: &[u8], length: usize) -> Result<Self, Wrong> {
        let [_, h1, h0, w1, w0, count, ref rest @ ..] = *segment else { return Err(truncated()) };
        let size = [[w1, w0], [h1, h0]].map(|pair| usize::from(u16::from_be_bytes(pair)));
        let mut components = Vec::new();
        for part in rest.chunks_exact(3).take(usize::from(count)) {
            let (across, down) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(damaged("sampling factors out of range"));
            }
            components.push(Component {
                id: part[0],
                across,
                down,
                blocks: [0; 2],
                stride: 0,
                nonzero: Vec::new(),
                missing: [None; 64],
            });
        }
        let largest = |of: fn(&Component) -> usize| components.iter().map(of).max();
        let (Some(across), Some(down)) = (largest(|c| c.across), largest(|c| c.down)) else {
            return Err(damaged("no components"));
        };
        let units = [size[0].div_ceil(8 * across), size[1].div_ceil(8 * down)];
        let mut all: usize = 0;
        for part in &mut components {
            let own = |length: usize, factor: usize, most: usize| {
                (length * factor).div_ceil(most).div_ceil(8)
            };
            part.blocks = [own(size[0], part.across, across), own(size[1], part.down, down)];
            part.stride = units[0] * part.across;
            all += part.blocks[0] * part.blocks[1];
        }
        // The first scan of a component spends a bit or more on each of its blocks.
        if all > 8 * length {
            return Err(format!(
                "claims {} x {} pixels, which its {length} bytes cannot hold",
                size[0], size[1]
            ));
        }
        Ok(Frame { progressive: marker == PROGRESSIVE, components, units })
    }
}

/// A Huffman table in canonical order.
#[derive(Clone)]
struct Table {
    /// By the next eight bits: length and symbol of the code that they begin with, or a length of 0.
    short: [(u8, u8); 256],
    /// By length: the first code, and where its symbol stands.
    first: [(u32, usize); 17],
    /// By length, how many codes there are.
    count: [usize; 17],
    symbols: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8], symbols: &[u8]) -> Self {
        let mut table = Table {
            short: [(0, 0); 256],
            first: [(0, 0); 17],
            count: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0);
        for length in 1..=16 {
            table.first[length] = (code, index);
            table.count[length] = usize::from(counts[length - 1]);
            for _ in 0..table.count[length] {
                if length <= 8 {
                    let from = (code as usize) << (8 - length);
                    let entries = table.short.iter_mut().skip(from).take(1 << (8 - length));
                    entries.for_each(|entry| *entry = (length as u8, symbols[index]));
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        table
    }
}

/// Entropy-coded data, bit by bit, up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => return,
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    fn take(&mut self, length: u32) -> Result<u32, End> {
        if self.count < length {
            self.fill();
            if self.count < length {
                return Err(End::Missing);
            }
        }
        self.count -= length;
        Ok((self.buffer >> self.count) as u32 & ((1 << length) - 1))
    }

    fn code(&mut self, table: &Table) -> Result<u8, End> {
        if self.count < 16 {
            self.fill();
        }
        let window = match self.count {
            16.. => (self.buffer >> (self.count - 16)) as u32 & 0xffff,
            count => (self.buffer << (16 - count)) as u32 & 0xffff,
        };
        let (length, symbol) = table.short[(window >> 8) as usize];
        let found = match length {
            0 => (9..=16).find_map(|length| {
                let (first, index) = table.first[length];
                let offset = (window >> (16 - length)).checked_sub(first)? as usize;
                let symbol =
                    (offset < table.count[length]).then(|| table.symbols[index + offset])?;
                Some((length as u32, symbol))
            }),
            _ => Some((u32::from(length), symbol)),
        };
        match found {
            Some((length, _)) if length > self.count => Err(End::Missing),
            Some((length, symbol)) => {
                self.count -= length;
                Ok(symbol)
            }
            // What stands in for the missing bits may be no code.
            None if self.count < 16 => Err(End::Missing),
            None => Err(End::NoCode),
        }
    }

    /// Whole bytes before the next marker that nothing has asked for.
    fn left(&self) -> usize {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let marker = |pair: &[u8]| pair[0] == 0xff && pair[1] != 0;
        (self.count / 8) as usize + rest.windows(2).position(marker).unwrap_or(rest.len())
    }

    /// Goes on behind the restart marker that must come next.
    fn restart(&mut self, number: usize) -> Result<(), End> {
        self.count = 0;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marker =
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let marker = marker.ok_or(End::Missing)?;
        if usize::from(rest[marker + 1]) != 0xd0 + number % 8 {
            return Err(End::Missing);
        }
        self.at += marker + 2;
        Ok(())
    }
}

/// Why a scan ends before its last block.
enum End {
    Missing,
    NoCode,
    TooMany,
}

/// The parameters of a scan.
#[derive(Clone, Copy)]
struct Scan {
    first: usize,
    last: usize,
    refines: bool,
    progressive: bool,
}

#[derive(Default)]
struct Walk {
    frame: Option<Frame>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    interval: usize,
    scans: usize,
}

impl Walk {
    fn tables(&mut self, mut segment: &[u8]) -> Result<(), Wrong> {
        while let [kind, rest @ ..] = segment {
            let counts = rest.get(..16).ok_or_else(truncated)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(16..16 + total).ok_or_else(truncated)?;
            let kinds = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            kinds[usize::from(kind & 3)] = Some(Table::new(counts, symbols));
            segment = &rest[16 + total..];
        }
        Ok(())
    }

    /// Walks the scan that begins at `at`; returns where it ends.
    fn scan(&mut self, bytes: &[u8], segment: &[u8], at: usize) -> Result<usize, Wrong> {
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(damaged("too many scans"));
        }
        let frame = self.frame.as_mut().ok_or_else(|| damaged("a scan before its frame"))?;
        let count = usize::from(*segment.first().ok_or_else(truncated)?);
        let [ref parts @ .., first, last, bits] =
            *segment.get(1..2 * count + 4).ok_or_else(truncated)?
        else {
            return Err(truncated());
        };
        let progressive = frame.progressive;
        let (first, last) = if progressive { (first.into(), last.into()) } else { (0, 63) };
        let scan = Scan { first, last, refines: bits >> 4 != 0, progressive };
        if first > last || last > 63 || count == 0 || (progressive && first > 0 && count > 1) {
            return Err(damaged("a scan of no such coefficients"));
        }
        let mut chosen = Vec::new();
        for part in parts.chunks_exact(2) {
            let index = frame.components.iter().position(|component| component.id == part[0]);
            let index = index.ok_or_else(|| damaged("a scan of no component"))?;
            let component = &mut frame.components[index];
            let bits = if progressive { bits & 15 } else { 0 };
            component.missing[first..=last].fill(Some(bits));
            if progressive && component.nonzero.is_empty() {
                component.nonzero = vec![0; component.stride * frame.units[1] * component.down];
            }
            chosen.push((index, usize::from(part[1] >> 4) & 3, usize::from(part[1]) & 3));
        }
        let mut bits = Bits { bytes, at, buffer: 0, count: 0 };
        let tables = (&self.dc, &self.ac);
        match blocks(frame, &chosen, tables, scan, self.interval, &mut bits) {
            Ok(()) if bits.left() > MOST_PADDING => {
                let left = bits.left();
                Err(damaged(&format!("{left} bytes of its scan are of no block that its size has")))
            }
            // The markers of restarts, where no more than padding follows them, are passed over.
            Ok(()) => Ok(bits.at),
            Err((End::Missing, share)) => {
                Err(format!("is a truncated JPEG: a scan of it ends at {share} % of the picture"))
            }
            Err((End::NoCode, share)) => Err(damaged(&format!("no code at {share} % of a scan"))),
            Err((End::TooMany, share)) => {
                Err(damaged(&format!("more than 64 coefficients at {share} % of a scan")))
            }
        }
    }

    /// At the end of the image everything has been there.
    fn end(self) -> Result<(), Wrong> {
        let Some(frame) = self.frame else { return Err(truncated()) };
        let whole = |component: &Component| component.missing.iter().all(|bits| *bits == Some(0));
        match frame.components.iter().all(whole) {
            true => Ok(()),
            false => Err("is a truncated JPEG: it lacks scans".to_owned()),
        }
    }
}

/// Walks all blocks of a scan. On failure, also how many percent of it were there.
fn blocks(
    frame: &mut Frame,
    chosen: &[(usize, usize, usize)],
    (dc, ac): (&[Option<Table>; 4], &[Option<Table>; 4]),
    scan: Scan,
    interval: usize,
    bits: &mut Bits,
) -> Result<(), (End, usize)> {
    let alone = chosen.len() == 1;
    let [columns, rows] = match alone {
        true => frame.components[chosen[0].0].blocks,
        false => frame.units,
    };
    let (mut run, mut restarts) = (0u32, 0);
    for unit in 0..columns * rows {
        let failed = |end| (end, 100 * unit / (columns * rows));
        if interval > 0 && unit > 0 && unit % interval == 0 {
            bits.restart(restarts).map_err(failed)?;
            restarts += 1;
            run = 0;
        }
        let (x, y) = (unit % columns, unit / columns);
        for &(index, dc_table, ac_table) in chosen {
            let component = &mut frame.components[index];
            let (across, down) = if alone { (1, 1) } else { (component.across, component.down) };
            for part in 0..across * down {
                let at = (y * down + part / across) * component.stride + x * across + part % across;
                let (dc, ac) = (dc[dc_table].as_ref(), ac[ac_table].as_ref());
                let nonzero = component.nonzero.get_mut(at);
                block(bits, dc, ac, scan, &mut run, nonzero).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Walks a block.
fn block(
    bits: &mut Bits,
    dc: Option<&Table>,
    ac: Option<&Table>,
    scan: Scan,
    run: &mut u32,
    nonzero: Option<&mut u64>,
) -> Result<(), End> {
    if scan.first == 0 {
        if scan.refines {
            bits.take(1)?;
        } else {
            let length = u32::from(bits.code(dc.ok_or(End::NoCode)?)?);
            if length > 16 {
                return Err(End::NoCode);
            }
            bits.take(length)?;
        }
        if scan.progressive {
            return Ok(());
        }
    }
    let mut unused = 0;
    let nonzero = nonzero.unwrap_or(&mut unused);
    let refines = scan.refines && scan.progressive;
    let mut at = scan.first.max(1);
    while *run == 0 && at <= scan.last {
        let symbol = bits.code(ac.ok_or(End::NoCode)?)?;
        let (mut zeros, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if length == 0 && zeros < 15 {
            *run = 1;
            if scan.progressive {
                *run = (1 << zeros) + bits.take(zeros as u32)?;
            }
            break;
        }
        if length > 0 {
            bits.take(length)?;
        }
        if !refines {
            at += zeros;
            if length > 0 {
                if at > 63 {
                    return Err(End::TooMany);
                }
                *nonzero |= 1 << at;
            }
            at += 1;
            continue;
        }
        // Coefficients that are known to be something get a bit each, and do not count as zeros.
        while at <= scan.last {
            if *nonzero >> at & 1 == 1 {
                bits.take(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            at += 1;
        }
        if length > 0 && at <= scan.last {
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *run > 0 {
        while refines && at <= scan.last {
            if *nonzero >> at & 1 == 1 {
                bits.take(1)?;
            }
            at += 1;
        }
        *run -= 1;
    }
    Ok(())
}
