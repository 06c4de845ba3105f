//! Pairs joined to groups, and groups whose pictures contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use super::Pair;

/// Pictures that show the same scan, or that are joined by others that do.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its pictures, ascending: at least two.
    pub members: Vec<usize>,
    /// The lowest correlation of the pairs that it was found by.
    pub correlation: f32,
    /// Its pairs that contradict each other.
    pub contradictions: Vec<(usize, usize)>,
}

impl Group {
    /// Its pictures that stand in such a pair, ascending.
    pub fn contradicting(&self) -> BTreeSet<usize> {
        self.contradictions.iter().flat_map(|&(first, second)| [first, second]).collect()
    }

    /// Those that contradict picture `index`, ascending.
    pub fn against(&self, index: usize) -> BTreeSet<usize> {
        let other = |&(first, second): &(usize, usize)| match index {
            _ if index == first => Some(second),
            _ if index == second => Some(first),
            _ => None,
        };
        self.contradictions.iter().filter_map(other).collect()
    }
}

/// All groups, by their first pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups(pub Vec<Group>);

impl Groups {
    /// The connected components of `pairs` among `count` pictures; `contradict` says whether the two pictures
    /// of a pair are called different things.
    pub fn of(count: usize, pairs: &[Pair], contradict: impl Fn(&Pair) -> bool) -> Self {
        let mut sets = Sets::new(count);
        pairs.iter().for_each(|pair| sets.join(pair.first, pair.second));
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        let empty = || Group { members: Vec::new(), correlation: 1.0, contradictions: Vec::new() };
        for index in 0..count {
            groups.entry(sets.first(index)).or_insert_with(empty).members.push(index);
        }
        for pair in pairs {
            let Some(group) = groups.get_mut(&sets.first(pair.first)) else { continue };
            group.correlation = group.correlation.min(pair.correlation);
            if contradict(pair) {
                group.contradictions.push((pair.first, pair.second));
            }
        }
        Groups(groups.into_values().filter(|group| group.members.len() > 1).collect())
    }
}

/// Disjoint sets of numbers, each called by its smallest.
pub struct Sets(Vec<usize>);

impl Sets {
    /// Every number below `count` by itself.
    pub fn new(count: usize) -> Self {
        Sets((0..count).collect())
    }

    /// The smallest number of the set of `index`.
    pub fn first(&mut self, index: usize) -> usize {
        let mut root = index;
        while self.0[root] != root {
            root = self.0[root];
        }
        let mut at = index;
        while self.0[at] != root {
            at = std::mem::replace(&mut self.0[at], root);
        }
        root
    }

    /// Makes one set of those of `a` and `b`.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_one_group_and_contradictions_are_of_pairs() {
        let pair = |first, second, correlation| Pair { first, second, correlation, equal: false };
        let pairs = [pair(0, 3, 0.98), pair(2, 5, 0.97), pair(3, 4, 0.99)];
        let label = ["a", "a", "b", "a", "b", "b"];
        let groups = Groups::of(6, &pairs, |pair| label[pair.first] != label[pair.second]).0;
        let [first, second] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((&first.members[..], first.correlation), (&[0, 3, 4][..], 0.98));
        assert_eq!(first.contradictions, [(3, 4)], "0 and 4 are no pair");
        assert_eq!((first.against(4), first.against(0)), ([3].into(), [].into()));
        assert_eq!((&second.members[..], second.contradictions.len()), (&[2, 5][..], 0));
    }
}
