//! Which ROIs are compared with which, and what many numbers say together.

use super::PAIRS;
use crate::draw;
use crate::lab::data::Roi;

/// At most [`PAIRS`] pairs of the ROIs `full`, at random. Two ROIs of one patient or picture are no pair, unless there
/// are no others.
pub fn drawn(full: &[usize], rois: &[&Roi], seed: u64) -> Vec<[usize; 2]> {
    let all =
        full.iter().enumerate().flat_map(|(at, &a)| full[at + 1..].iter().map(move |&b| [a, b]));
    let apart = |pair: &[usize; 2]| rois[pair[0]].source != rois[pair[1]].source;
    let mut pairs: Vec<[usize; 2]> = all.clone().filter(apart).collect();
    if pairs.is_empty() {
        pairs = all.collect();
    }
    let key = |[a, b]: &[usize; 2]| {
        draw::rank(seed, &format!("pair {} {}", rois[*a].name, rois[*b].name))
    };
    pairs.sort_by_cached_key(key);
    pairs.truncate(PAIRS);
    pairs
}

/// At most `count` of the ROIs `full`, at random.
pub fn some(full: &[usize], rois: &[&Roi], seed: u64, count: usize) -> Vec<usize> {
    let mut some = full.to_vec();
    some.sort_by_cached_key(|&index| draw::rank(seed, &format!("changed {}", rois[index].name)));
    some.truncate(count);
    some
}

/// The mean; none of none.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The middle one, or the mean of the two in the middle; none of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[low] + sorted[high]) / 2.0)
}

/// The standard deviation of a sample, 0 of fewer than two.
pub fn deviation(values: &[f64]) -> f64 {
    let Some(mean) = mean(values).filter(|_| values.len() > 1) else { return 0.0 };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::data::Class;
    use crate::nets::images::{Grey, Rect};

    fn roi(name: &str, source: &str) -> Roi {
        Roi {
            name: name.into(),
            class: Class::Abnormal,
            label: String::new(),
            source: source.into(),
            rect: Rect { x: 0, y: 0, width: 1, height: 1 },
            padding: [0.0; 4],
            image: Grey::filled(1, 1, 0),
            mask: None,
            circle: false,
            view: None,
            file: std::path::PathBuf::new(),
        }
    }

    #[test]
    fn pairs_are_of_two_patients_and_each_is_drawn_once() {
        let all: Vec<Roi> = (0..40).map(|n| roi(&n.to_string(), &(n / 2).to_string())).collect();
        let rois: Vec<&Roi> = all.iter().collect();
        let full: Vec<usize> = (0..40).filter(|n| n % 5 != 0).collect();
        let found = drawn(&full, &rois, 1);
        assert_eq!(found.len(), PAIRS);
        assert!(found.iter().all(|[a, b]| a < b && a / 2 != b / 2));
        assert!(found.iter().flatten().all(|index| full.contains(index)));
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), PAIRS);
        assert_ne!(found, drawn(&full, &rois, 2));
        assert_eq!(drawn(&[2, 3], &rois, 1), [[2, 3]], "there are no others");
        assert!(drawn(&[2], &rois, 1).is_empty());
    }

    #[test]
    fn the_middle_of_numbers() {
        assert_eq!(
            (median(&[]), median(&[3.0, 1.0]), median(&[5.0, 1.0, 2.0])),
            (None, Some(2.0), Some(2.0))
        );
        assert_eq!((mean(&[]), deviation(&[4.0])), (None, 0.0));
        assert!((deviation(&[1.0, 3.0]) - 2f64.sqrt()).abs() < 1e-12);
    }
}
