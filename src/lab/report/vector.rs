//! What is drawn on a canvas, once more as SVG: lines, discs and words stay what they are, and pasted pictures are
//! pictures inside.

use std::fmt::Write;

use super::html::page::escape;
use super::style::{Colour, Style};
use super::text::{Align, Weight};

/// The font of the PNGs first; where a machine lacks it, one that is about as wide.
const FONT: &str = "'Noto Sans', 'Open Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";

/// The elements of a drawing, in the order they were drawn in.
#[derive(Clone, Debug, Default)]
pub struct Vector {
    elements: Vec<Element>,
}

#[derive(Clone, Debug)]
enum Element {
    Shape(String),
    /// Left, top, width, height.
    Picture([f32; 4]),
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

impl Vector {
    /// A filled rectangle.
    pub fn rectangle(&mut self, [x, y, width, height]: [f32; 4], colour: Colour) {
        if [x, y, width, height].iter().all(|value| value.is_finite()) {
            let fill = hex(colour);
            self.shape(format!(
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{fill}\"/>"
            ));
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, (x, y): (f32, f32), radius: f32, colour: Colour) {
        if x.is_finite() && y.is_finite() {
            let fill = hex(colour);
            self.shape(format!(
                "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" fill=\"{fill}\"/>"
            ));
        }
    }

    /// A line through finite `points`; with `dashes`, of so much drawn and so much left out.
    pub fn line(
        &mut self,
        points: &[(f32, f32)],
        width: f32,
        colour: Colour,
        dashes: Option<(f32, f32)>,
    ) {
        let mut places = String::new();
        for (x, y) in points {
            // Writing to a String cannot fail.
            let _ = write!(places, "{x:.2},{y:.2} ");
        }
        let dashes =
            dashes.map_or(String::new(), |(on, off)| format!(" stroke-dasharray=\"{on} {off}\""));
        let (places, stroke) = (places.trim_end(), hex(colour));
        self.shape(format!(
            "<polyline points=\"{places}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width:.2}\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\"{dashes}/>"
        ));
    }

    /// One line of text with its baseline at `y`; `upwards` it runs from below to above.
    pub fn text(&mut self, line: &str, (x, y): (f32, f32), style: Style, upwards: bool) {
        if line.is_empty() || !(x.is_finite() && y.is_finite()) {
            return;
        }
        let weight = if style.weight == Weight::Bold { " font-weight=\"bold\"" } else { "" };
        let anchor = match style.align {
            Align::Left => "",
            Align::Centre => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        let turned = if upwards {
            format!(" transform=\"rotate(-90 {x:.2} {y:.2})\"")
        } else {
            String::new()
        };
        let (size, fill) = (style.size, hex(style.colour));
        self.shape(format!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" fill=\"{fill}\"{weight}{anchor}{turned}>{}</text>",
            escape(line)
        ));
    }

    /// A picture that was pasted at (x, y), in units.
    pub fn picture(&mut self, place: [f32; 4]) {
        self.elements.push(Element::Picture(place));
    }

    fn shape(&mut self, element: String) {
        self.elements.push(Element::Shape(element));
    }

    /// The file: `width` x `height` units on white, `millimetres` wide; `picture` gives the data URI of what is in a
    /// rectangle.
    ///
    /// # Errors
    /// Those of `picture`.
    pub fn svg<E>(
        &self,
        (width, height): (f32, f32),
        millimetres: f32,
        picture: impl Fn([f32; 4]) -> Result<String, E>,
    ) -> Result<String, E> {
        let high = millimetres * height / width;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{millimetres:.2}mm\" height=\"{high:.2}mm\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#ffffff\"/>\n"
        );
        for element in &self.elements {
            match element {
                Element::Shape(shape) => text += shape,
                Element::Picture(place @ [x, y, width, height]) => {
                    let uri = picture(*place)?;
                    text += &format!(
                        "<image x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" href=\"{uri}\"/>"
                    );
                }
            }
            text.push('\n');
        }
        Ok(text + "</svg>\n")
    }
}
