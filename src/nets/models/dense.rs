//! Hidden dense layers: what may stand between a classifier's pooling and its class scores.
//!
//! ```text
//! global average pool -> dense -> dense_1 -> ... -> predictions
//! ```
//! Each is Keras's `Dense(units, activation="relu")`, with a bias and Glorot's uniform initial values.

use std::sync::{Mutex, PoisonError};

use super::{Build, NETWORKS, Network};
use crate::error::{Error, Result};

/// The most hidden dense layers of a head.
pub const MOST_LAYERS: usize = 8;

/// The most units of one: two layers of so many have a matrix of 64 MiB between them.
pub const MOST_UNITS: usize = 4096;

/// The networks with hidden layers that were asked for so far: each is made once, however often it is asked for.
static MADE: Mutex<Vec<&'static Network>> = Mutex::new(Vec::new());

impl Network {
    /// The units of its hidden dense layers, from the pooling on; none of them by itself, and none where a file
    /// describes the network.
    pub fn dense(&self) -> &'static [usize] {
        match self.build {
            Build::Deeper(_, units) => units,
            Build::Figure(_) | Build::Described(_) => &[],
        }
    }

    /// This network with hidden dense layers of these `units`, from the pooling on, in place of those that it has.
    ///
    /// # Errors
    /// [`Error::Usage`] for more than [`MOST_LAYERS`], a layer without units or with more than [`MOST_UNITS`], and
    /// any for a network that gives masks or that a file describes.
    pub fn with_dense(&'static self, units: &[usize]) -> Result<&'static Network> {
        check(units)?;
        if self.dense() == units {
            return Ok(self);
        }
        let figure = match self.build {
            Build::Figure(figure) | Build::Deeper(figure, _) if !self.segments() => figure,
            Build::Described(_) => {
                return Err(Error::usage(
                    format!("{} has a head of its own", self.name),
                    "leave out --dense, or give the model another head before it is saved",
                ));
            }
            _ => {
                return Err(Error::usage(
                    format!("{} gives masks, and has no dense layers", self.name),
                    "leave out --dense",
                ));
            }
        };
        let by_itself = || NETWORKS.iter().find(|network| network.name == self.name);
        if let Some(network) = by_itself().filter(|_| units.is_empty()) {
            return Ok(network);
        }
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&&'static Network| one.name == self.name && one.dense() == units;
        if let Some(network) = made.iter().find(same) {
            return Ok(network);
        }
        // A network lives as long as the program, as those of the registry do.
        let build = Build::Deeper(figure, Box::leak(units.into()));
        let network: &'static Network = Box::leak(Box::new(Network { build, ..*self }));
        made.push(network);
        Ok(network)
    }
}

/// Refuses numbers of units that no head here has.
fn check(units: &[usize]) -> Result<()> {
    if units.len() > MOST_LAYERS {
        return Err(Error::usage(
            format!("{} hidden dense layers are too many", units.len()),
            format!("give at most {MOST_LAYERS}"),
        ));
    }
    match units.iter().find(|&units| !(1..=MOST_UNITS).contains(units)) {
        Some(units) => Err(Error::usage(
            format!("a hidden dense layer of {units} units"),
            format!("give 1 to {MOST_UNITS}"),
        )),
        None => Ok(()),
    }
}

/// Numbers of units in words: `dense layers of 128 and 64 units`.
pub fn in_words(units: &[usize]) -> String {
    let numbers: Vec<String> = units.iter().map(usize::to_string).collect();
    match &numbers[..] {
        [] => "no hidden dense layer".to_owned(),
        [one] => format!("a hidden dense layer of {one}"),
        [first @ .., last] => {
            format!("hidden dense layers of {} and {last}", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::models::{Mode, SEGMENTERS, find};

    #[test]
    fn every_network_takes_hidden_layers_between_its_pooling_and_its_scores() {
        for plain in NETWORKS {
            let deeper = plain.with_dense(&[24, 6]).unwrap();
            let [model, alone] = [deeper, plain]
                .map(|network| network.build(Mode::Inference, 1, network.input, 3).unwrap());
            let shape = |name: &str| {
                let value = model.graph.find(name).unwrap_or_else(|| panic!("{name}"));
                model.graph.shape(value).dims().to_vec()
            };
            let channels = alone.graph.shape(alone.heads.cam).channels();
            assert_eq!(shape("dense/kernel"), [channels, 24], "{}", plain.name);
            assert_eq!(shape("dense_1/kernel"), [24, 6], "{}", plain.name);
            assert_eq!(shape("predictions/kernel"), [6, 3], "{}", plain.name);
            let more = channels * 24 + 24 + 24 * 6 + 6 + 6 * 3 + 3 - (channels * 3 + 3);
            assert_eq!(model.parameters(), alone.parameters() + more, "{}", plain.name);
            // Keras's names, once each, in its order.
            let names: Vec<&str> =
                model.layers.iter().rev().take(3).map(|layer| layer.name.as_str()).collect();
            assert_eq!(names, ["predictions", "dense_1", "dense"], "{}", plain.name);
            assert_eq!(model.heads.cam, alone.heads.cam, "{}", plain.name);
        }
    }

    #[test]
    fn a_network_is_made_once_and_goes_back_to_the_plain_one() {
        let plain = find("compact-resnet").unwrap();
        let deeper = plain.with_dense(&[16]).unwrap();
        assert!(std::ptr::eq(deeper, plain.with_dense(&[16]).unwrap()));
        assert!(std::ptr::eq(deeper, deeper.with_dense(&[16]).unwrap()));
        assert!(std::ptr::eq(plain, deeper.with_dense(&[]).unwrap()));
        assert_eq!(plain.with_dense(&[]).unwrap().dense(), [0usize; 0]);
        let other = deeper.with_dense(&[16, 4]).unwrap();
        assert_eq!((other.dense(), deeper.dense()), (&[16, 4][..], &[16][..]));
        assert_eq!(other.name, plain.name);
    }

    #[test]
    fn what_no_head_has_is_refused() {
        let plain = find("compact-resnet").unwrap();
        for (units, wanted) in [
            (&[0][..], "of 0 units"),
            (&[128, 0], "of 0 units"),
            (&[MOST_UNITS + 1], "4097 units"),
            (&[usize::MAX], "units"),
            (&[1; MOST_LAYERS + 1], "9 hidden dense layers"),
        ] {
            let error = plain.with_dense(units).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(plain.with_dense(&[MOST_UNITS; MOST_LAYERS]).is_ok());
        let error = SEGMENTERS[0].with_dense(&[8]).unwrap_err().to_string();
        assert!(error.contains("gives masks"), "{error}");
        assert!(SEGMENTERS[0].with_dense(&[]).is_ok());
    }

    #[test]
    fn units_are_said_in_words() {
        assert_eq!(in_words(&[]), "no hidden dense layer");
        assert_eq!(in_words(&[128]), "a hidden dense layer of 128");
        assert_eq!(in_words(&[128, 64, 8]), "hidden dense layers of 128, 64 and 8");
    }
}
