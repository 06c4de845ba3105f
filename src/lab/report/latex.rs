//! Tables for a paper in LaTeX, with booktabs. What is text is escaped, so any name compiles.

use super::table::Table;

/// What every file of tables begins with.
const MADE: &str = "% Made by `parula ";

/// Whether `bytes` are a file of tables that was written here.
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(MADE.as_bytes())
}

/// What a file of tables begins with; the command that makes it follows after `parula`.
pub fn head(command: &str) -> String {
    format!(
        "{MADE}{command}`, which writes it anew: change a copy.\n\
         % Needs \\usepackage{{booktabs}} and \\usepackage{{graphicx}}; then \\input{{tables}}.\n"
    )
}

/// What the numbers of a table were found on, and by what.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// The data set's folder, or `synthetic`.
    pub data: &'a str,
    /// ROIs: abnormal, normal, to train on, to validate on; none where that is not known.
    pub rois: [Option<u64>; 4],
    /// Of the splits and all draws.
    pub seeds: Vec<String>,
    /// The GPU.
    pub adapter: &'a str,
    /// Of parula.
    pub version: &'a str,
    /// What must be known of the truth, where it is not all outlines.
    pub truth: Option<String>,
    /// Why some numbers have a star.
    pub too_few: Option<String>,
}

impl Source<'_> {
    /// The sentences below the title of a table of means.
    pub fn words(&self) -> String {
        let seeds = match &self.seeds[..] {
            [] => "their seeds".to_owned(),
            [one] => format!("one seed ({one})"),
            all => format!("{} seeds ({})", all.len(), all.join(", ")),
        };
        let star = self.too_few.as_ref().map_or(String::new(), |why| format!(" {why}."));
        format!("{} Means over {seeds}, in brackets 95 % intervals. {}{star}", self.on(), self.by())
    }

    /// The same of a table in which each run stands by itself.
    pub fn words_of_runs(&self) -> String {
        format!("{} In brackets 95 % intervals over patients. {}", self.on(), self.by())
    }

    fn on(&self) -> String {
        let data = match self.data {
            "synthetic" => "synthetic mammograms",
            // Where it lies on this machine is nobody's business.
            folder => folder.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(folder),
        };
        let [abnormal, normal, train, validation] =
            self.rois.map(|count| count.map_or("?".to_owned(), |count| count.to_string()));
        let truth =
            self.truth.as_ref().map_or(String::new(), |words| format!(" Mind that {words}."));
        format!(
            "On {data}: {abnormal} abnormal and {normal} normal ROIs, of which {train} to train on and {validation} to \
             validate on.{truth}"
        )
    }

    fn by(&self) -> String {
        format!("Computed by parula {} on {}.", self.version, self.adapter)
    }
}

/// `table` as a float over the whole width, shrunk only where it is wider than the text.
pub fn float(table: &Table, caption: &str, label: &str) -> String {
    let columns = table.header().len();
    let header: Vec<String> = table.header().iter().map(|title| stacked(title)).collect();
    let mut body = format!("{} \\\\\n\\midrule\n", header.join(" & "));
    for row in table.rows() {
        body += &match row {
            None => "\\midrule\n".to_owned(),
            Some(cells) => lines(cells),
        };
    }
    let rest = "r".repeat(columns.saturating_sub(1));
    format!(
        "\n\\begin{{table*}}\n\\centering\n\\caption{{{}}}\n\\label{{tab:{label}}}\n\\medskip\n\\small\n\\setlength{{\\tabcolsep}}{{4pt}}\n\
         \\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n\\begin{{tabular}}{{l{rest}}}\n\
         \\toprule\n{body}\\bottomrule\n\\end{{tabular}}}}\n\\end{{table*}}\n",
        escape(caption)
    )
}

/// A column's title, each part of it a line.
fn stacked(title: &str) -> String {
    let broken = title.replace(", ", ",\n").replace(" (", "\n(");
    match broken.contains('\n') {
        false => escape(title),
        true => {
            let lines: Vec<String> = broken.lines().map(escape).collect();
            format!("\\shortstack[r]{{{}}}", lines.join("\\\\"))
        }
    }
}

/// A row; intervals stand small in a line of their own below their numbers, so that a table of many fits a page.
fn lines(cells: &[String]) -> String {
    let split = |cell: &String| match cell.split_once(" [") {
        Some((mean, interval)) if is_number(mean) => {
            (numbers(mean), Some(format!("{{\\scriptsize [{}}}", numbers(interval))))
        }
        _ if is_number(cell) => (numbers(cell), None),
        _ if cell == "-" || cell == "–" => ("--".to_owned(), None),
        _ => (escape(cell), None),
    };
    let (first, second): (Vec<String>, Vec<Option<String>>) = cells.iter().map(split).unzip();
    let first = format!("{} \\\\\n", first.join(" & "));
    if second.iter().all(Option::is_none) {
        return first;
    }
    let second: Vec<String> = second.into_iter().map(Option::unwrap_or_default).collect();
    format!("{first}{} \\\\\n\\addlinespace[2pt]\n", second.join(" & "))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

/// `text` of numbers: a hyphen before one is a minus.
fn numbers(text: &str) -> String {
    escape(text).replace('-', "$-$")
}

/// `text` as LaTeX shows it. What the fonts of LaTeX have no letter for becomes a question mark.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped += "\\textbackslash{}",
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '^' => escaped += "\\textasciicircum{}",
            '~' => escaped += "\\textasciitilde{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            '|' => escaped += "\\textbar{}",
            '"' => escaped += "\\textquotedbl{}",
            // Alone it could begin an optional argument after a line's end.
            '[' => escaped += "{[}",
            ']' => escaped += "{]}",
            '–' => escaped += "--",
            '−' => escaped += "$-$",
            '×' => escaped += "$\\times$",
            '\n' | '\t' => escaped.push(' '),
            ' '..='~' | '\u{a1}'..='\u{17e}' => escaped.push(character),
            _ => escaped.push('?'),
        }
    }
    // A number and its sign stay in one line.
    escaped.replace(" \\%", "~\\%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_intervals_small() {
        let mut table = Table::new(&["model", "inverse_mask_val_acc", "mean-Dice, all"]);
        table.row(vec!["a_b & 50 %".into(), "0.931 [0.920, 0.944]*".into(), "-".into()]);
        table.line();
        table.row(vec!["\\input{x} $^~<|>#".into(), "-0.100 [-0.200, 0.000]".into()]);
        let text = float(&table, "100 % of {all}", "one");
        for part in [
            "inverse\\_mask\\_val\\_acc & \\shortstack[r]{mean-Dice,\\\\all} \\\\",
            "a\\_b \\& 50~\\% & 0.931 & -- \\\\\n & {\\scriptsize [0.920, 0.944{]}*} &  \\\\\n\\addlinespace[2pt]\n\\midrule\n",
            "\\textbackslash{}input\\{x\\} \\$\\textasciicircum{}\\textasciitilde{}\\textless{}\\textbar{}\\textgreater{}\\#",
            " & $-$0.100 &  \\\\\n & {\\scriptsize [$-$0.200, 0.000{]}} &  \\\\",
            "\\begin{tabular}{lrr}",
            "\\caption{100~\\% of \\{all\\}}",
            "\\label{tab:one}",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.matches("\\begin{").count(), text.matches("\\end{").count());
        assert_eq!(escape("Größe 日本 1–2"), "Größe ?? 1--2");
    }

    #[test]
    fn a_file_of_tables_is_known_by_its_first_line() {
        let own = head("weak") + &float(&Table::new(&["a"]), "", "x");
        assert!(own.starts_with("% Made by `parula weak`, which"));
        assert!(is_ours(own.as_bytes()) && !is_ours(b"mine") && !is_ours(b""));
    }

    #[test]
    fn a_table_without_rows_or_columns_still_compiles() {
        assert!(float(&Table::new(&["model"]), "", "x").contains("\\begin{tabular}{l}"));
        assert!(float(&Table::new(&[]), "", "x").contains("\\bottomrule"));
    }
}
