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
    /// Its pictures that contradict others, each with the first few of those; and all whose pixels are equal
    /// to such a picture's, with the same.
    pub contradictions: BTreeMap<usize, Vec<usize>>,
}

/// So many pictures that contradict one are named: of thousands nobody reads the names.
const NAMED: usize = 3;

/// All groups, by their first pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups(pub Vec<Group>);

impl Groups {
    /// The connected components of `pairs` among pictures, of each of which `kinds` has the number of what it
    /// is called. `contradict` says whether two pictures of these kinds that show one scan contradict each
    /// other; its last argument is whether their pixels are equal.
    pub fn of(
        kinds: &[usize],
        pairs: &[Pair],
        contradict: impl Fn(usize, usize, bool) -> bool,
    ) -> Self {
        let (mut sets, mut equals) = (Sets::new(kinds.len()), Sets::new(kinds.len()));
        for pair in pairs {
            sets.join(pair.first, pair.second);
            if pair.equal {
                equals.join(pair.first, pair.second);
            }
        }
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        let empty =
            || Group { members: Vec::new(), correlation: 1.0, contradictions: BTreeMap::new() };
        let mut copies: BTreeMap<usize, Copies> = BTreeMap::new();
        for (index, kind) in kinds.iter().enumerate() {
            groups.entry(sets.first(index)).or_insert_with(empty).members.push(index);
            copies.entry(equals.first(index)).or_default().entry(*kind).or_default().push(index);
        }
        // What one picture is told, every equal one is: a pair stands for all copies of both.
        let itself = copies.iter().filter(|(_, one)| one.len() > 1).map(|(&at, _)| (at, at));
        let mut against: BTreeSet<(usize, usize)> = itself.collect();
        for pair in pairs {
            if let Some(group) = groups.get_mut(&sets.first(pair.first)) {
                group.correlation = group.correlation.min(pair.correlation);
            }
            let [first, second] = [pair.first, pair.second].map(|index| equals.first(index));
            against.extend([(first, second), (second, first)]);
        }
        for (one, other) in against {
            let Some(group) = groups.get_mut(&sets.first(one)) else { continue };
            let (one, other, equal) = (&copies[&one], &copies[&other], one == other);
            let opposed = |kind: usize| -> Vec<usize> {
                let kinds = other.iter().filter(|(other, _)| contradict(kind, **other, equal));
                kinds.flat_map(|(_, members)| members).copied().take(NAMED).collect()
            };
            let told: Vec<Vec<usize>> = one.keys().map(|&kind| opposed(kind)).collect();
            // A picture that contradicts nobody itself is no better known than its copy that does.
            let Some(any) = told.iter().find(|told| !told.is_empty()) else { continue };
            for (members, told) in one.values().zip(&told) {
                let told = if told.is_empty() { any } else { told };
                for member in members {
                    let named = group.contradictions.entry(*member).or_default();
                    let new =
                        told.iter().filter(|other| *other != member && !named.contains(other));
                    let new: Vec<usize> = new.take(NAMED - named.len()).copied().collect();
                    named.extend(new);
                }
            }
        }
        Groups(groups.into_values().filter(|group| group.members.len() > 1).collect())
    }
}

/// Pictures with equal pixels, by their kinds.
type Copies = BTreeMap<usize, Vec<usize>>;

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

    fn pair(first: usize, second: usize, correlation: f32) -> Pair {
        Pair { first, second, correlation, equal: correlation == 1.0 }
    }

    fn against(group: &Group) -> Vec<(usize, &[usize])> {
        group.contradictions.iter().map(|(&index, others)| (index, &others[..])).collect()
    }

    #[test]
    fn chains_are_one_group_and_contradictions_are_of_pairs() {
        let pairs = [pair(0, 3, 0.98), pair(2, 5, 0.97), pair(3, 4, 0.99)];
        let groups = Groups::of(&[0, 0, 1, 0, 1, 1], &pairs, |a, b, _| a != b).0;
        let [first, second] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((&first.members[..], first.correlation), (&[0, 3, 4][..], 0.98));
        assert_eq!(against(first), [(3, &[4][..]), (4, &[3])], "0 and 4 are no pair");
        assert_eq!((&second.members[..], second.contradictions.len()), (&[2, 5][..], 0));
    }

    #[test]
    fn what_contradicts_a_picture_contradicts_all_with_its_pixels() {
        // Equal pictures are paired with the first of them alone.
        let pairs = [pair(0, 1, 1.0), pair(0, 2, 1.0)];
        let groups = Groups::of(&[0, 0, 1], &pairs, |a, b, _| a != b).0;
        assert_eq!(against(&groups[0]), [(0, &[2][..]), (1, &[2]), (2, &[0, 1])]);
        // A near duplicate of the first of two equal ones.
        let pairs = [pair(0, 1, 1.0), pair(0, 2, 0.98)];
        let groups = Groups::of(&[0, 0, 1], &pairs, |a, b, _| a != b).0;
        assert_eq!(against(&groups[0]), [(0, &[2][..]), (1, &[2]), (2, &[0, 1])]);
        // Kind 2 is in no contradiction by itself, as a picture without a label.
        let pairs = [pair(0, 1, 1.0), pair(0, 2, 1.0)];
        let groups = Groups::of(&[0, 2, 1], &pairs, |a, b, _| a + b == 1).0;
        assert_eq!(groups[0].contradictions.len(), 3);
        // Near duplicates of other kinds need not contradict each other where equal ones do.
        let groups = Groups::of(&[0, 1], &[pair(0, 1, 0.9)], |_, _, equal| equal).0;
        assert_eq!(groups[0].contradictions.len(), 0);
        // A thousand copies are not a million pairs.
        let pairs: Vec<Pair> = (1..1000).map(|other| pair(0, other, 1.0)).collect();
        let kinds: Vec<usize> = (0..1000).map(|index| index % 2).collect();
        let groups = Groups::of(&kinds, &pairs, |a, b, _| a != b).0;
        assert_eq!(groups[0].contradictions.len(), 1000);
        assert!(groups[0].contradictions.values().all(|named| named.len() == NAMED));
    }
}
