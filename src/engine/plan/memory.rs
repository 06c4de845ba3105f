//! Memory by lifetime: tensors that are not alive together share bytes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Memory;

/// A tensor to be placed.
#[derive(Clone, Debug)]
pub struct Lifetime {
    /// Its size in bytes.
    pub bytes: u64,
    /// The first dispatch that touches it.
    pub first: usize,
    /// The last one.
    pub last: usize,
    /// Lifetimes that must be in other buffers: WebGPU refuses a dispatch that reads one range of a
    /// buffer and writes another.
    pub apart: Vec<usize>,
}

impl Lifetime {
    fn alive_with(&self, other: &Lifetime) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where each lifetime went, and the size of each buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packing {
    /// Buffer and byte offset of each lifetime.
    pub places: Vec<(usize, u64)>,
    /// Bytes of each buffer.
    pub buffers: Vec<u64>,
}

impl Packing {
    /// From a slot that a lifetime has to itself to the buffer and the byte where it went.
    pub fn apply(&self, memory: &mut Memory, start: &mut u64) {
        if let Memory::Slot(slot) = memory {
            let (buffer, offset) = self.places[*slot];
            *slot = buffer;
            *start += offset;
        }
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().sum()
    }
}

/// The largest sum of sizes alive at one dispatch, with the bytes that it has `staged`.
pub fn live_bytes(lifetimes: &[Lifetime], staged: &[u64]) -> u64 {
    let steps =
        lifetimes.iter().map(|lifetime| lifetime.last + 1).max().unwrap_or(0).max(staged.len());
    let mut change = vec![0i64; steps + 1];
    for lifetime in lifetimes {
        change[lifetime.first] += lifetime.bytes as i64;
        change[lifetime.last + 1] -= lifetime.bytes as i64;
    }
    let mut alive = 0;
    let mut most = 0;
    for (step, delta) in change.into_iter().enumerate() {
        alive += delta;
        most = most.max(alive + staged.get(step).map_or(0, |&bytes| bytes as i64));
    }
    most as u64
}

/// Places all lifetimes, trying several greedy orders and keeping the smallest result. `largest` is
/// the largest buffer allowed, `alignment` that of offsets.
pub fn pack(lifetimes: &[Lifetime], largest: u64, alignment: u64) -> Packing {
    let order = |key: &dyn Fn(&Lifetime) -> u64| {
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(key(&lifetimes[index])), index));
        order
    };
    let length = |lifetime: &Lifetime| (lifetime.last - lifetime.first + 1) as u64;
    let orders = [
        order(&|lifetime| lifetime.bytes),
        order(&|lifetime| lifetime.bytes.saturating_mul(length(lifetime))),
        order(&|lifetime| u64::MAX - lifetime.first as u64),
        order(&|lifetime| length(lifetime)),
    ];
    let mut best: Option<(Packing, &[usize])> = None;
    let attempt = |order: &[usize]| {
        // Buffers that may grow pack tighter as a rule; fixed ones sometimes do.
        let both = [true, false].map(|g| pack_in_order(lifetimes, order, largest, alignment, g));
        both.into_iter().min_by_key(Packing::bytes).unwrap_or_default()
    };
    for order in &orders {
        let packing = attempt(order);
        if best.as_ref().is_none_or(|(least, _)| packing.bytes() < least.bytes()) {
            best = Some((packing, order));
        }
    }
    let Some((mut best, order)) = best else { return Packing::default() };
    // Then move single lifetimes to other places in the order, as long as that is quickly tried.
    let mut order = order.to_vec();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let least = live_bytes(lifetimes, &[]);
    let attempts = if order.len() < 2 { 0 } else { (30_000 / order.len()).min(400) };
    for _ in 0..attempts {
        if best.bytes() <= least + least / 50 {
            break;
        }
        let mut moved = order.clone();
        let lifetime = moved.remove(random.random_range(0..moved.len()));
        moved.insert(random.random_range(0..=moved.len()), lifetime);
        let packing = attempt(&moved);
        if packing.bytes() <= best.bytes() {
            (best, order) = (packing, moved);
        }
    }
    best
}

fn pack_in_order(
    lifetimes: &[Lifetime],
    order: &[usize],
    largest: u64,
    alignment: u64,
    grow: bool,
) -> Packing {
    let mut places: Vec<Option<(usize, u64)>> = vec![None; lifetimes.len()];
    let mut buffers: Vec<u64> = Vec::new();
    let mut residents: Vec<Vec<usize>> = Vec::new();
    for &index in order {
        let lifetime = &lifetimes[index];
        // (growth, gap left over, buffer, offset): the smallest wins.
        let mut best: Option<(u64, u64, usize, u64)> = None;
        for (buffer, size) in buffers.iter().enumerate() {
            if residents[buffer].iter().any(|other| lifetime.apart.contains(other)) {
                continue;
            }
            let mut taken: Vec<(u64, u64)> = residents[buffer]
                .iter()
                .filter(|&&other| lifetimes[other].alive_with(lifetime))
                .filter_map(|&other| {
                    places[other].map(|(_, at)| {
                        (at, (at + lifetimes[other].bytes).next_multiple_of(alignment))
                    })
                })
                .collect();
            taken.sort_unstable();
            let mut at = 0;
            let mut offer = |start: u64, end: u64| {
                let growth = (start + lifetime.bytes).saturating_sub(*size);
                let waste = end.saturating_sub(start + lifetime.bytes);
                let fits = end - start >= lifetime.bytes
                    && (growth == 0 || (grow && start + lifetime.bytes <= largest));
                if fits && best.is_none_or(|(g, w, _, _)| (growth, waste) < (g, w)) {
                    best = Some((growth, waste, buffer, start));
                }
            };
            for (start, end) in taken {
                if start > at {
                    offer(at, start);
                }
                at = at.max(end);
            }
            offer(at, at.max(*size).max(at + lifetime.bytes));
        }
        let (buffer, offset) = match best {
            Some((growth, _, buffer, offset)) if growth < lifetime.bytes || growth == 0 => {
                (buffer, offset)
            }
            _ => {
                buffers.push(0);
                residents.push(Vec::new());
                (buffers.len() - 1, 0)
            }
        };
        buffers[buffer] = buffers[buffer].max(offset + lifetime.bytes);
        residents[buffer].push(index);
        places[index] = Some((buffer, offset));
    }
    Packing { places: places.into_iter().flatten().collect(), buffers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(lifetimes: &[Lifetime], packing: &Packing) {
        for (i, a) in lifetimes.iter().enumerate() {
            let (buffer, at) = packing.places[i];
            assert!(at % 256 == 0 && at + a.bytes <= packing.buffers[buffer]);
            for (j, b) in lifetimes.iter().enumerate().skip(i + 1) {
                let (other, start) = packing.places[j];
                if buffer == other {
                    assert!(!a.apart.contains(&j), "{i} and {j} must be apart");
                    let overlap = at < start + b.bytes && start < at + a.bytes;
                    assert!(!(overlap && a.alive_with(b)), "{i} and {j} share live bytes");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn tenants_alive_together_never_share_bytes(
            seeds in prop::collection::vec((1u64..5000, 0usize..30, 0usize..8), 1..40)
        ) {
            let mut lifetimes: Vec<Lifetime> = seeds
                .iter()
                .map(|&(bytes, first, length)| Lifetime {
                    bytes: bytes * 4, first, last: first + length, apart: Vec::new(),
                })
                .collect();
            for index in 1..lifetimes.len() {
                lifetimes[index].apart.push(index - 1);
                lifetimes[index - 1].apart.push(index);
            }
            let packing = pack(&lifetimes, 1 << 20, 256);
            check(&lifetimes, &packing);
            prop_assert!(packing.bytes() >= live_bytes(&lifetimes, &[]));
        }
    }

    #[test]
    fn a_chain_needs_two_tensors_at_a_time() {
        let lifetimes: Vec<Lifetime> = (0..10)
            .map(|i| Lifetime {
                bytes: 1024,
                first: i,
                last: i + 1,
                apart: [i.wrapping_sub(1), i + 1].into_iter().filter(|&j| j < 10).collect(),
            })
            .collect();
        let packing = pack(&lifetimes, 1 << 20, 256);
        check(&lifetimes, &packing);
        assert_eq!(packing.bytes(), 2048);
        assert_eq!(live_bytes(&lifetimes, &[]), 2048);
    }
}
