//! What stands over a picture: its title and, under it, as many lines as its subtitle takes.

use super::draw::Canvas;
use super::style::{INK, MUTED, Style};

/// From one line of a subtitle to the next, in sizes of its letters.
const LEADING: f32 = 1.35;

/// A title of one line, and a subtitle that is broken between words.
#[derive(Clone, Debug)]
pub struct Heading {
    title: (String, Style),
    lines: Vec<String>,
    small: Style,
}

impl Heading {
    /// In letters of these `sizes`, in `room` from left to right.
    pub fn new(title: &str, subtitle: &str, sizes: [f32; 2], room: f32) -> Self {
        let (large, small) = (Style::bold(sizes[0], INK), Style::regular(sizes[1], MUTED));
        let mut lines: Vec<String> = Vec::new();
        for word in subtitle.split_whitespace() {
            match lines.last_mut() {
                Some(line) if small.width(&format!("{line} {word}")) <= room => {
                    *line += " ";
                    *line += word;
                }
                // A word that is wider than the picture is cut.
                _ => lines.push(small.fit(word, room)),
            }
        }
        Heading { title: (large.fit(title, room), large), lines, small }
    }

    /// By how much the second line and those after it move down what is below.
    pub fn extra(&self) -> f32 {
        self.lines.len().saturating_sub(1) as f32 * self.small.size * LEADING
    }

    /// Draws it from `x` on, with these baselines of its title and of its subtitle's first line.
    pub fn draw(&self, canvas: &mut Canvas, x: f32, baselines: [f32; 2]) {
        canvas.text(&self.title.0, (x, baselines[0]), self.title.1);
        for (index, line) in self.lines.iter().enumerate() {
            let y = baselines[1] + index as f32 * self.small.size * LEADING;
            canvas.text(line, (x, y), self.small);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_subtitle_is_broken_between_words_and_not_cut() {
        let text = "means over three seeds with their intervals";
        let one = Heading::new("title", text, [20.0, 12.0], 900.0);
        assert_eq!((one.lines.len(), one.extra()), (1, 0.0));
        let narrow = Heading::new("title", text, [20.0, 12.0], 90.0);
        assert!(narrow.lines.len() > 2 && narrow.extra() > 20.0);
        assert_eq!(narrow.lines.join(" "), text);
        assert!(narrow.lines.iter().all(|line| narrow.small.width(line) <= 90.0));
        assert_eq!(Heading::new("title", "", [20.0, 12.0], 90.0).extra(), 0.0);
    }
}
