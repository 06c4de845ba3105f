//! A table of numbers in groups, each under a line that says what they are of: long names of kernels, shapes and
//! models stand there, so that the rows fit a terminal.

use crate::lab::report::table::Table;

/// Columns of a terminal.
pub const COLUMNS: usize = 100;

/// A table under construction.
#[derive(Debug)]
pub struct Grouped {
    table: Table,
    /// Of each row.
    heads: Vec<String>,
}

impl Grouped {
    /// A table without rows.
    pub fn new(header: &[&str]) -> Self {
        Grouped { table: Table::new(header), heads: Vec::new() }
    }

    /// A row of the group `head`: neighbours of one group stand under one line.
    pub fn row(&mut self, head: &str, mut cells: Vec<String>) {
        if let Some(first) = cells.first_mut() {
            *first = format!("  {first}");
        }
        self.heads.push(head.to_owned());
        self.table.row(cells);
    }

    /// For a terminal; no line is longer than [`COLUMNS`].
    pub fn to_text(&self) -> String {
        let text = self.table.to_text();
        let mut lines = text.lines();
        let mut out: Vec<String> = lines.by_ref().take(2).map(cut).collect();
        let mut last = None;
        for (line, head) in lines.zip(&self.heads) {
            if last != Some(head) {
                out.push(cut(head));
            }
            last = Some(head);
            out.push(cut(line));
        }
        out.push(String::new());
        out.join("\n")
    }
}

fn cut(line: &str) -> String {
    let line = line.trim_end();
    match line.char_indices().nth(COLUMNS) {
        None => line.to_owned(),
        Some(_) => line.chars().take(COLUMNS - 1).chain(['…']).collect(),
    }
}

/// `text` in lines of at most [`COLUMNS`], of whole words where they fit; `indent` is in front of all but the first.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    let mut free = COLUMNS;
    for word in text.split(' ') {
        let length = word.chars().count();
        if length + 1 > free && free < COLUMNS {
            lines.push(indent.to_owned());
            free = COLUMNS - indent.chars().count();
        } else if free < COLUMNS {
            free -= 1;
            if let Some(line) = lines.last_mut() {
                line.push(' ');
            }
        }
        free = free.saturating_sub(length);
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_the_name_of_their_group() {
        let mut table = Grouped::new(&["variant", "ms"]);
        for (head, variant) in [("conv2d, a", "naive"), ("conv2d, a", "tiled"), ("copy", "fours")] {
            table.row(head, vec![variant.to_owned(), "1.5".to_owned()]);
        }
        let lines: Vec<String> = table.to_text().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "variant   ms");
        assert_eq!(
            lines[2..],
            ["conv2d, a", "  naive  1.5", "  tiled  1.5", "copy", "  fours  1.5"]
        );
    }

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let mut table = Grouped::new(&["variant", "ms"]);
        table.row(&"x".repeat(300), vec!["é".repeat(120), "1".to_owned()]);
        assert!(table.to_text().lines().all(|line| line.chars().count() <= COLUMNS));
        let text = wrapped(&"word and ".repeat(60), "  ");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text}");
        assert_eq!(text.split_whitespace().count(), 120);
        assert_eq!(wrapped("short", "  "), "short");
    }
}
