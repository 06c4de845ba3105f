//! The look of every picture: colours, and how text is set.

use crate::lab::report::text::{Align, Weight};

/// sRGB.
pub type Colour = [u8; 3];

/// Text and the best lines.
pub const INK: Colour = [28, 31, 38];
/// Text of second rank.
pub const MUTED: Colour = [107, 114, 128];
/// Thin lines that part things.
pub const HAIRLINE: Colour = [226, 229, 234];
/// The paper.
pub const WHITE: Colour = [255, 255, 255];

/// The colours of lines, in order of use; told apart by people with any colour vision.
pub const LINES: [Colour; 8] = [
    [28, 94, 189],   // blue
    [222, 107, 16],  // orange
    [0, 143, 112],   // green
    [176, 42, 118],  // magenta
    [70, 160, 214],  // sky
    [138, 104, 32],  // ochre
    [105, 76, 180],  // violet
    [120, 128, 140], // grey
];

/// How text is set.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Height of the em, in units of the canvas.
    pub size: f32,
    /// Regular or bold.
    pub weight: Weight,
    /// Its colour.
    pub colour: Colour,
    /// Where the given point is on the line.
    pub align: Align,
}

impl Style {
    /// Regular text from the left.
    pub const fn regular(size: f32, colour: Colour) -> Self {
        Style { size, weight: Weight::Regular, colour, align: Align::Left }
    }

    /// Bold text from the left.
    pub const fn bold(size: f32, colour: Colour) -> Self {
        Style { size, weight: Weight::Bold, colour, align: Align::Left }
    }

    /// The same, aligned otherwise.
    pub const fn aligned(self, align: Align) -> Self {
        Style { align, ..self }
    }

    /// How wide `line` is.
    pub fn width(&self, line: &str) -> f32 {
        self.weight.width(self.size, line)
    }

    /// `line`, cut to fit into `room`.
    pub fn fit(&self, line: &str, room: f32) -> String {
        self.weight.fit(self.size, line, room)
    }

    /// How far the line starts to the left of its point.
    pub fn start(&self, line: &str) -> f32 {
        match self.align {
            Align::Left => 0.0,
            Align::Centre => self.width(line) / 2.0,
            Align::Right => self.width(line),
        }
    }
}

/// `share` of `over` on top of `under`; shares outside 0 to 1 are clipped.
pub fn mix(under: Colour, over: Colour, share: f32) -> Colour {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|c| {
        (f32::from(under[c]) * (1.0 - share) + f32::from(over[c]) * share).round() as u8
    })
}
