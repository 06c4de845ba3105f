//! ROIs that tests are made from.

use super::{Class, Roi};
use crate::nets::images::{Grey, Rect};

/// An ROI of 8 x 8 pixels with nothing in it.
pub fn roi(name: &str, class: Class, source: &str) -> Roi {
    Roi {
        name: name.to_owned(),
        class,
        label: class.name().to_owned(),
        source: source.to_owned(),
        rect: Rect { x: 0, y: 0, width: 8, height: 8 },
        padding: [0.0; 4],
        image: Grey::filled(8, 8, 0),
        mask: None,
        circle: false,
        view: None,
        file: format!("{name}.png").into(),
    }
}
