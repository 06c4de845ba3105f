//! The metrics of heatmaps and classifiers against scikit-learn and NumPy: `tests/reference/metrics.py` and
//! `classifier.py` wrote the numbers; the similarity of maps against scikit-image and SciPy, by `trust.py`; the
//! rank test of the bench against SciPy, by `rank_test.py`; distances between borders against DeepMind's
//! surface-distance, by `surface.py`.

use parula::lab::metrics::average_precision::average_precision;
use parula::lab::metrics::classifier::{Answer, Judgement};
use parula::lab::metrics::deletion::area;
use parula::lab::metrics::energy::energy;
use parula::lab::metrics::gini::gini;
use parula::lab::metrics::iou::iou;
use parula::lab::metrics::lesions::{Against, Segmented};
use parula::lab::metrics::mann_whitney::mann_whitney;
use parula::lab::metrics::rank::Ranks;
use parula::lab::metrics::sobel;
use parula::lab::metrics::ssim::Windowed;
use parula::lab::metrics::surface::Surfaces;
use parula::lab::metrics::{otsu, road};
use parula::nets::cam::dice;
use parula::nets::cam::levels::Levels;

#[derive(serde::Deserialize)]
struct Case {
    height: usize,
    width: usize,
    levels: usize,
    share: f64,
    average_precision: f64,
    energy: f64,
    otsu: u8,
    cuts: Vec<u8>,
    dice: Vec<f64>,
    iou: Vec<f64>,
    area: f64,
    imputed: Vec<f64>,
}

/// Numbers of [0, 1) as `tests/reference/seeded.py` draws them.
fn chance(name: &str, count: usize) -> Vec<f64> {
    let state = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let one = |index: u64| {
        let mut z = state.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count as u64).map(one).collect()
}

#[test]
fn metrics_equal_those_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("reference/metrics.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for (number, case) in cases.iter().enumerate() {
        let pixels = case.height * case.width;
        let chance = |what: &str| chance(&format!("{number}/{what}"), pixels);
        let mask: Vec<u8> = chance("mask").iter().map(|&c| u8::from(c < case.share)).collect();
        let step = (255 / (case.levels - 1).max(1)) as f64;
        let level = |(&heat, &inside): (&f64, &u8)| {
            let heat = (0.6 * heat + 0.4 * f64::from(inside)).clamp(0.0, 0.999999);
            ((heat * case.levels as f64).floor() * step) as u8
        };
        let heatmap: Vec<u8> = chance("heat").iter().zip(&mask).map(level).collect();
        let levels = Levels::count(&mask, &heatmap).unwrap();
        let near = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-9, "case {number}, {what}: {found} {expected}");
        };
        near(average_precision(&levels), case.average_precision, "average precision");
        near(energy(&levels), case.energy, "energy");
        assert_eq!(otsu::threshold(&levels), case.otsu, "case {number}");
        let curve = dice::score(&mask, &heatmap).unwrap().dice;
        for (index, &cut) in case.cuts.iter().enumerate() {
            near(curve[usize::from(cut)], case.dice[index], "Dice");
            near(iou(&levels, cut), case.iou[index], "IoU");
        }
        near(area(&chance("curve")[..11]), case.area, "area");

        // Solved to a tolerance, and with noise: deviation 2.55, 9 to 25 numbers.
        let image: Vec<f32> = chance("image").iter().map(|c| (c * 256.0).floor() as f32).collect();
        let taken: Vec<usize> =
            chance("taken").iter().enumerate().filter(|(_, c)| **c < 0.7).map(|(i, _)| i).collect();
        let mean = |expected: &[f64], seeds: u64| -> f64 {
            let own = (0..seeds)
                .map(|seed| road::imputed(&image, [case.height, case.width], &taken, seed));
            let mut mean = vec![0.0; expected.len()];
            for found in own {
                for (sum, &pixel) in mean.iter_mut().zip(taken.iter().step_by(7)) {
                    *sum += f64::from(found[pixel]) / seeds as f64;
                }
            }
            mean.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        // The noise's mean over 400 draws has a deviation of 0.13.
        let most = mean(&case.imputed, 400);
        assert!(most < 0.6, "case {number}: {most}");
    }
}

#[derive(serde::Deserialize)]
struct Classified {
    images: usize,
    share: f64,
    steps: f64,
    auc: f64,
    average_precision: f64,
    balanced_accuracy: f64,
    brier: f64,
    confusion: Vec<Vec<usize>>,
    calibration_error: f64,
    false_positive_rate: Vec<f64>,
    sensitivity: Vec<f64>,
    three: Three,
}

#[derive(serde::Deserialize)]
struct Three {
    confusion: Vec<Vec<usize>>,
    balanced_accuracy: f64,
    auc: Vec<f64>,
}

#[test]
fn what_a_classifier_is_worth_is_what_scikit_learn_says() {
    let cases: Vec<Classified> =
        serde_json::from_str(include_str!("reference/classifier.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for (number, case) in cases.iter().enumerate() {
        let near = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-9, "case {number}, {what}: {found} {expected}");
        };
        let chance = |what: &str| chance(&format!("classifier {number}/{what}"), case.images);
        let names: Vec<String> = (0..case.images).map(|index| index.to_string()).collect();
        let truth: Vec<usize> =
            chance("truth").iter().map(|&c| usize::from(c < case.share)).collect();
        let one = |(&drawn, &class): (&f64, &usize)| {
            let sum = (0.65 * drawn + 0.35 * class as f64).clamp(0.0, 0.999999);
            [(sum * case.steps).floor() / case.steps]
        };
        let shares: Vec<[f64; 1]> = chance("probability").iter().zip(&truth).map(one).collect();
        let answers = |classes: &[usize], shares: &[&[f64]], count: usize| {
            let all = names.iter().zip(classes).zip(shares);
            let answers: Vec<Answer> = all
                .map(|((patient, &class), probabilities)| Answer { patient, class, probabilities })
                .collect();
            Judgement::new(&answers, count, None)
        };
        let rows: Vec<&[f64]> = shares.iter().map(|row| &row[..]).collect();
        let found = answers(&truth, &rows, 2);
        let positive = found.positive.unwrap();
        assert_eq!(found.confusion, case.confusion);
        near(positive.binary.auc.unwrap().value, case.auc, "area");
        near(positive.binary.brier.unwrap().value, case.brier, "Brier");
        near(positive.average_precision.unwrap(), case.average_precision, "average precision");
        near(found.balanced_accuracy.unwrap(), case.balanced_accuracy, "balanced accuracy");
        near(found.calibration_error, case.calibration_error, "calibration");
        assert_eq!(positive.roc.len(), case.sensitivity.len());
        let expected = case.sensitivity.iter().zip(&case.false_positive_rate);
        for (point, (&sensitivity, &rate)) in positive.roc.iter().zip(expected) {
            near(point.sensitivity, sensitivity, "sensitivity");
            near(point.false_positive_rate, rate, "false positives");
        }
        let kinds: Vec<usize> = chance("kind").iter().map(|c| (c * 3.0).floor() as usize).collect();
        let drawn = [0, 1, 2].map(|class| chance(&format!("class {class}")));
        let shares: Vec<Vec<f64>> = (0..case.images)
            .map(|index| {
                let row = [0, 1, 2].map(|class| drawn[class][index]);
                row.iter().map(|one| one / row.iter().sum::<f64>()).collect()
            })
            .collect();
        let rows: Vec<&[f64]> = shares.iter().map(|row| &row[..]).collect();
        let found = answers(&kinds, &rows, 3);
        assert_eq!(found.confusion, case.three.confusion);
        near(found.balanced_accuracy.unwrap(), case.three.balanced_accuracy, "of three");
        for (class, &area) in found.classes.iter().zip(&case.three.auc) {
            near(class.auc.unwrap().value, area, "one against the others");
        }
    }
}

#[derive(serde::Deserialize)]
struct Alike {
    height: usize,
    width: usize,
    steps: f64,
    share: f64,
    ssim: f64,
    ssim_signed: f64,
    rank: f64,
    rank_signed: f64,
    gini: f64,
    edges: Vec<f64>,
}

#[test]
fn how_alike_two_maps_are_is_what_scikit_image_and_scipy_say() {
    let cases: Vec<Alike> = serde_json::from_str(include_str!("reference/trust.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for (number, case) in cases.iter().enumerate() {
        let size = [case.height, case.width];
        let drawn = |what: &str| -> Vec<f64> {
            let name = format!("trust {number}/{what}");
            chance(&name, size[0] * size[1]).iter().map(|c| 2.0 * c - 1.0).collect()
        };
        // Halves go to the even number, as in NumPy.
        let in_steps =
            |v: f64| ((v * case.steps).round_ties_even() / case.steps).clamp(-1.0, 1.0) as f32;
        let first: Vec<f32> = drawn("a").into_iter().map(in_steps).collect();
        let mixed = drawn("a").into_iter().zip(drawn("b"));
        let second: Vec<f32> =
            mixed.map(|(a, b)| in_steps(case.share * a + (1.0 - case.share.abs()) * b)).collect();
        let near = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-6, "case {number}, {what}: {found} {expected}");
        };
        let absolute = |map: &[f32]| -> Vec<f32> { map.iter().map(|value| value.abs()).collect() };
        let ssim = |a: &[f32], b: &[f32], range| {
            let [a, b] = [a, b].map(|map| Windowed::new(map, size).unwrap());
            a.similarity(&b, range).unwrap()
        };
        let rank = |a: &[f32], b: &[f32]| {
            let [a, b] = [a, b].map(|map| Ranks::new(map.iter().map(|&v| f64::from(v))));
            a.correlation(&b).unwrap()
        };
        near(ssim(&absolute(&first), &absolute(&second), 1.0), case.ssim, "SSIM");
        near(ssim(&first, &second, 2.0), case.ssim_signed, "SSIM of signed maps");
        near(rank(&absolute(&first), &absolute(&second)), case.rank, "rank");
        near(rank(&first, &second), case.rank_signed, "rank of signed maps");
        near(gini(&first).unwrap(), case.gini, "Gini");
        for (found, expected) in sobel::edges(&first, size).iter().step_by(37).zip(&case.edges) {
            near(f64::from(*found), *expected, "edges");
        }
    }
}

/// Two samples, and SciPy's probability that they are of one distribution.
#[derive(serde::Deserialize)]
struct RankTest {
    first: Vec<f64>,
    second: Vec<f64>,
    p: f64,
}

#[test]
fn the_rank_test_of_the_bench_equals_scipy_s() {
    let cases: Vec<RankTest> =
        serde_json::from_str(include_str!("reference/rank_test.json")).unwrap();
    assert_eq!(cases.len(), 12);
    for (number, RankTest { first, second, p }) in cases.iter().enumerate() {
        for found in [mann_whitney(first, second), mann_whitney(second, first)] {
            assert!((found - p).abs() < 1e-9 * p.max(1e-3), "case {number}: {found} {p}");
        }
    }
}

#[derive(serde::Deserialize)]
struct Bordered {
    shares: Vec<f64>,
    tolerances: Vec<f64>,
    cases: Vec<BorderedCase>,
}

#[derive(serde::Deserialize)]
struct BorderedCase {
    name: String,
    truth: Vec<String>,
    mask: Vec<String>,
    #[serde(flatten)]
    whole: Borders,
    lesion_count: usize,
    false_areas: usize,
    lesions: Vec<OfLesion>,
}

/// Null where there is none.
#[derive(serde::Deserialize)]
struct Borders {
    hausdorff: Vec<Option<f64>>,
    averages: [Option<f64>; 2],
    average: Option<f64>,
    dice: Vec<Option<f64>>,
}

#[derive(serde::Deserialize)]
struct OfLesion {
    pixels: usize,
    coverage: f64,
    overlap: f64,
    #[serde(flatten)]
    borders: Borders,
}

#[test]
fn borders_are_as_far_apart_as_surface_distance_says() {
    let Bordered { shares, tolerances, cases } =
        serde_json::from_str(include_str!("reference/surface.json")).unwrap();
    assert_eq!(cases.len(), 23);
    for case in &cases {
        let pixels = |rows: &[String]| -> Vec<bool> {
            rows.iter().flat_map(|row| row.chars()).map(|c| c == '#').collect()
        };
        let (truth, mask) = (pixels(&case.truth), pixels(&case.mask));
        let size = [case.truth.len(), case.truth[0].len()];
        let near = |found: Option<f64>, expected: Option<f64>, what: &str| {
            let equal = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                // The average over two contours of which one is empty: that of the other is infinite.
                (found, expected) => found == expected,
            };
            assert!(equal, "{}, {what}: {found:?} {expected:?}", case.name);
        };
        let surfaces = Surfaces::new(&truth, &mask, size).unwrap();
        for (share, &expected) in shares.iter().zip(&case.whole.hausdorff) {
            near(surfaces.hausdorff(share / 100.0), expected, "Hausdorff");
        }
        for (tolerance, &expected) in tolerances.iter().zip(&case.whole.dice) {
            near(surfaces.dice(*tolerance), expected, "surface Dice");
        }
        near(surfaces.average(), case.whole.average, "average");
        for (side, &expected) in case.whole.averages.iter().enumerate() {
            near(surfaces.averages().map(|both| both[side]), expected, "average of one contour");
        }
        for (index, &tolerance) in tolerances.iter().enumerate() {
            let found = Segmented::new(&truth, &mask, size, tolerance).unwrap();
            assert_eq!(found.lesion_count, case.lesion_count, "{}", case.name);
            assert_eq!(found.false_areas, case.false_areas, "{}", case.name);
            assert_eq!(found.lesions.len(), case.lesions.len(), "{}", case.name);
            for (lesion, expected) in found.lesions.iter().zip(&case.lesions) {
                let Against { dice, iou, surface } = lesion.against;
                assert_eq!(lesion.pixels, expected.pixels, "{}", case.name);
                near(Some(lesion.coverage), Some(expected.coverage), "coverage");
                near(Some(dice), Some(expected.overlap), "Dice of a lesion");
                near(Some(iou), Some(dice / (2.0 - dice)), "IoU of a lesion");
                let Borders { hausdorff, average, dice, .. } = &expected.borders;
                near(surface.hausdorff_95, hausdorff[2], "Hausdorff of a lesion");
                near(surface.average_surface_distance, *average, "average of a lesion");
                near(surface.surface_dice, dice[index], "surface Dice of a lesion");
            }
        }
    }
}
