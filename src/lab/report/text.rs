//! Anti-aliased text in Noto Sans, whose regular and bold faces are part of the binary: no font
//! of the system is looked for, and pictures are the same everywhere.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| face(ttf_noto_sans::REGULAR));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| face(ttf_noto_sans::BOLD));

fn face(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the face inside the binary is a font")
}

/// Which face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Noto Sans Regular.
    Regular,
    /// Noto Sans Bold.
    Bold,
}

/// Which point of a line of text lies at the given place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Its start.
    Left,
    /// Its middle.
    Centre,
    /// Its end.
    Right,
}

impl Weight {
    fn font(self) -> &'static FontRef<'static> {
        match self {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        }
    }

    /// ab_glyph scales by ascent minus descent; sizes here are those of the em, as in CSS.
    fn scale(self, size: f32) -> PxScale {
        let font = self.font();
        PxScale::from(size * font.height_unscaled() / font.units_per_em().unwrap_or(1000.0))
    }

    /// The width of one line at `size` (height of the em).
    pub fn width(self, size: f32, line: &str) -> f32 {
        self.lay_out(size, line).1
    }

    /// `line`, cut and ended with an ellipsis where it would be wider than `room`.
    pub fn fit(self, size: f32, line: &str, room: f32) -> String {
        if self.width(size, line) <= room {
            return line.to_owned();
        }
        let mut kept: Vec<char> = line.chars().collect();
        while kept.pop().is_some() {
            let short = format!("{}…", kept.iter().collect::<String>().trim_end());
            if self.width(size, &short) <= room {
                return short;
            }
        }
        String::new()
    }

    /// Calls `paint(x, y, coverage)` for every pixel that `line` touches, its baseline starting at
    /// (0, 0), y downwards.
    pub fn rasterise(self, size: f32, line: &str, mut paint: impl FnMut(i32, i32, f32)) {
        for glyph in self.lay_out(size, line).0 {
            let Some(outline) = self.font().outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
            outline.draw(|x, y, coverage| paint(left + x as i32, top + y as i32, coverage));
        }
    }

    /// The glyphs of one line with their places, and its width.
    fn lay_out(self, size: f32, line: &str) -> (Vec<Glyph>, f32) {
        let scale = self.scale(size);
        let font = self.font().as_scaled(scale);
        let (mut glyphs, mut pen, mut previous) = (Vec::new(), 0.0, None);
        for character in line.chars() {
            let id = font.glyph_id(character);
            if let Some(before) = previous {
                pen += font.kern(before, id);
            }
            glyphs.push(id.with_scale_and_position(scale, point(pen, 0.0)));
            pen += font.h_advance(id);
            previous = Some(id);
        }
        (glyphs, pen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_grows_with_size_and_text() {
        let one = Weight::Regular.width(10.0, "parula");
        assert!(one > 20.0 && one < 45.0, "{one}");
        assert!((Weight::Regular.width(20.0, "parula") - 2.0 * one).abs() < 1e-3);
        assert!(Weight::Bold.width(10.0, "parula") > one);
        assert_eq!(Weight::Bold.width(10.0, ""), 0.0);
    }

    #[test]
    fn long_lines_end_in_an_ellipsis_inside_the_room() {
        let line = "malignant (117), a long caption";
        let short = Weight::Regular.fit(12.0, line, 90.0);
        assert!(short.ends_with('…') && Weight::Regular.width(12.0, &short) <= 90.0, "{short}");
        assert_eq!(Weight::Regular.fit(12.0, line, 900.0), line);
        assert_eq!(Weight::Regular.fit(12.0, line, 1.0), "");
    }

    #[test]
    fn the_signs_that_reports_use_are_in_both_faces() {
        for weight in [Weight::Regular, Weight::Bold] {
            for sign in "Aa0·×–…≥−%()[]<>=/é".chars() {
                assert_ne!(weight.font().glyph_id(sign).0, 0, "{sign} is missing");
            }
        }
    }

    #[test]
    fn text_stands_on_its_baseline() {
        let (mut top, mut bottom) = (0, i32::MIN);
        Weight::Regular.rasterise(100.0, "H", |_, y, coverage| {
            if coverage > 0.5 {
                top = top.min(y);
                bottom = bottom.max(y);
            }
        });
        assert!((-1..=0).contains(&bottom) && (-75..=-65).contains(&top), "{top} {bottom}");
    }
}
