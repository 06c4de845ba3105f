//! Memory by lifetime: tensors that are not alive together share bytes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Memory;

/// A tensor to be placed.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its size in bytes.
    pub bytes: u64,
    /// The first dispatch that touches it.
    pub first: usize,
    /// The last one.
    pub last: usize,
    /// Tenants that must be in other buffers: WebGPU refuses a dispatch that reads one range of a
    /// buffer and writes another.
    pub apart: Vec<usize>,
}

impl Tenant {
    fn alive_with(&self, other: &Tenant) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where each tenant went, and the size of each buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packing {
    /// Buffer and byte offset of each tenant.
    pub places: Vec<(usize, u64)>,
    /// Bytes of each buffer.
    pub buffers: Vec<u64>,
}

impl Packing {
    /// From a slot that a tenant has to itself to the buffer and the byte where it went.
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
pub fn live_bytes(tenants: &[Tenant], staged: &[u64]) -> u64 {
    let steps = tenants.iter().map(|tenant| tenant.last + 1).max().unwrap_or(0).max(staged.len());
    let mut change = vec![0i64; steps + 1];
    for tenant in tenants {
        change[tenant.first] += tenant.bytes as i64;
        change[tenant.last + 1] -= tenant.bytes as i64;
    }
    let mut alive = 0;
    let mut most = 0;
    for (step, delta) in change.into_iter().enumerate() {
        alive += delta;
        most = most.max(alive + staged.get(step).map_or(0, |&bytes| bytes as i64));
    }
    most as u64
}

/// Places all tenants, trying several greedy orders and keeping the smallest result. `largest` is
/// the largest buffer allowed, `alignment` that of offsets.
pub fn pack(tenants: &[Tenant], largest: u64, alignment: u64) -> Packing {
    let order = |key: &dyn Fn(&Tenant) -> u64| {
        let mut order: Vec<usize> = (0..tenants.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(key(&tenants[index])), index));
        order
    };
    let length = |tenant: &Tenant| (tenant.last - tenant.first + 1) as u64;
    let orders = [
        order(&|tenant| tenant.bytes),
        order(&|tenant| tenant.bytes.saturating_mul(length(tenant))),
        order(&|tenant| u64::MAX - tenant.first as u64),
        order(&|tenant| length(tenant)),
    ];
    let mut best: Option<(Packing, &[usize])> = None;
    let attempt = |order: &[usize]| {
        // Buffers that may grow pack tighter as a rule; fixed ones sometimes do.
        let both = [true, false].map(|g| pack_in_order(tenants, order, largest, alignment, g));
        both.into_iter().min_by_key(Packing::bytes).unwrap_or_default()
    };
    for order in &orders {
        let packing = attempt(order);
        if best.as_ref().is_none_or(|(least, _)| packing.bytes() < least.bytes()) {
            best = Some((packing, order));
        }
    }
    let Some((mut best, order)) = best else { return Packing::default() };
    // Then move single tenants to other places in the order, as long as that is quickly tried.
    let mut order = order.to_vec();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let least = live_bytes(tenants, &[]);
    let attempts = if order.len() < 2 { 0 } else { (30_000 / order.len()).min(400) };
    for _ in 0..attempts {
        if best.bytes() <= least + least / 50 {
            break;
        }
        let mut moved = order.clone();
        let tenant = moved.remove(random.random_range(0..moved.len()));
        moved.insert(random.random_range(0..=moved.len()), tenant);
        let packing = attempt(&moved);
        if packing.bytes() <= best.bytes() {
            (best, order) = (packing, moved);
        }
    }
    best
}

fn pack_in_order(
    tenants: &[Tenant],
    order: &[usize],
    largest: u64,
    alignment: u64,
    grow: bool,
) -> Packing {
    let mut places: Vec<Option<(usize, u64)>> = vec![None; tenants.len()];
    let mut buffers: Vec<u64> = Vec::new();
    let mut residents: Vec<Vec<usize>> = Vec::new();
    for &index in order {
        let tenant = &tenants[index];
        // (growth, gap left over, buffer, offset): the smallest wins.
        let mut best: Option<(u64, u64, usize, u64)> = None;
        for (buffer, size) in buffers.iter().enumerate() {
            if residents[buffer].iter().any(|other| tenant.apart.contains(other)) {
                continue;
            }
            let mut taken: Vec<(u64, u64)> = residents[buffer]
                .iter()
                .filter(|&&other| tenants[other].alive_with(tenant))
                .filter_map(|&other| {
                    places[other].map(|(_, at)| {
                        (at, (at + tenants[other].bytes).next_multiple_of(alignment))
                    })
                })
                .collect();
            taken.sort_unstable();
            let mut at = 0;
            let mut offer = |start: u64, end: u64| {
                let growth = (start + tenant.bytes).saturating_sub(*size);
                let waste = end.saturating_sub(start + tenant.bytes);
                let fits = end - start >= tenant.bytes
                    && (growth == 0 || (grow && start + tenant.bytes <= largest));
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
            offer(at, at.max(*size).max(at + tenant.bytes));
        }
        let (buffer, offset) = match best {
            Some((growth, _, buffer, offset)) if growth < tenant.bytes || growth == 0 => {
                (buffer, offset)
            }
            _ => {
                buffers.push(0);
                residents.push(Vec::new());
                (buffers.len() - 1, 0)
            }
        };
        buffers[buffer] = buffers[buffer].max(offset + tenant.bytes);
        residents[buffer].push(index);
        places[index] = Some((buffer, offset));
    }
    Packing { places: places.into_iter().flatten().collect(), buffers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(tenants: &[Tenant], packing: &Packing) {
        for (i, a) in tenants.iter().enumerate() {
            let (buffer, at) = packing.places[i];
            assert!(at % 256 == 0 && at + a.bytes <= packing.buffers[buffer]);
            for (j, b) in tenants.iter().enumerate().skip(i + 1) {
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
            let mut tenants: Vec<Tenant> = seeds
                .iter()
                .map(|&(bytes, first, length)| Tenant {
                    bytes: bytes * 4, first, last: first + length, apart: Vec::new(),
                })
                .collect();
            for index in 1..tenants.len() {
                tenants[index].apart.push(index - 1);
                tenants[index - 1].apart.push(index);
            }
            let packing = pack(&tenants, 1 << 20, 256);
            check(&tenants, &packing);
            prop_assert!(packing.bytes() >= live_bytes(&tenants, &[]));
        }
    }

    #[test]
    fn a_chain_needs_two_tensors_at_a_time() {
        let tenants: Vec<Tenant> = (0..10)
            .map(|i| Tenant {
                bytes: 1024,
                first: i,
                last: i + 1,
                apart: [i.wrapping_sub(1), i + 1].into_iter().filter(|&j| j < 10).collect(),
            })
            .collect();
        let packing = pack(&tenants, 1 << 20, 256);
        check(&tenants, &packing);
        assert_eq!(packing.bytes(), 2048);
        assert_eq!(live_bytes(&tenants, &[]), 2048);
    }
}
