//! The case descriptions: CSV tables with a row for each abnormality on each film.

use std::path::Path;

use crate::lab::data::names;
use crate::lab::data::problem::Problem;
use crate::lab::data::table::Table;
use crate::lab::data::view::View;

/// One abnormality on one film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In the file, the header being line 1.
    pub line: u64,
    /// For example `P_00001`; safe in a file name.
    pub patient: String,
    /// Which breast, and from where.
    pub view: View,
    /// `mass` or `calcification`, or another word; safe in a file name.
    pub kind: String,
    /// `abnormality id`; safe in a file name.
    pub number: String,
    /// In lower case, for example `benign_without_callback`.
    pub pathology: String,
    /// The path of the film, as the table has it.
    pub film: String,
    /// The path of the mask.
    pub mask: String,
    /// The path of the crop, which some rows have in the place of the mask's.
    pub cropped: String,
}

/// Without these columns a table is no case description.
const COLUMNS: [&str; 8] = [
    "patient id",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "pathology",
    "image file path",
    "roi mask file path",
];
/// So many unusable lines are told, by line.
const MOST_PROBLEMS: usize = 1000;

/// Some conversions leave it away.
const CROPPED: &str = "cropped image file path";

/// Whether a file is a case description, by its first line.
pub fn is_table(path: &Path) -> bool {
    names::extension(path) == "csv" && {
        let header = Table::header(path);
        COLUMNS.iter().all(|column| header.iter().any(|name| name == column))
    }
}

/// The rows that can be read, and a problem for each other.
pub fn read(path: &Path) -> (Vec<Row>, Vec<Problem>) {
    match Table::read(path) {
        Ok(table) => rows(path, table),
        Err(error) => (Vec::new(), vec![Problem { harmless: true, ..Problem::reading(error) }]),
    }
}

/// The same of a table that was read from `path`.
pub(crate) fn rows(path: &Path, table: Table) -> (Vec<Row>, Vec<Problem>) {
    let hint = "download it again, or correct the line";
    let columns = Columns::find(&table.header);
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (line, fields) in table.rows {
        if problems.len() >= MOST_PROBLEMS {
            let what = format!("has {MOST_PROBLEMS} unusable lines, and is not read behind them");
            problems.push(Problem::harmless(path, what, hint).of("table"));
            break;
        }
        match fields.and_then(|fields| row(&columns, &fields, line)) {
            Ok(row) => rows.push(row),
            Err(what) => {
                let what = format!("line {line} is left out: {what}");
                problems.push(Problem::harmless(path, what, hint).of("table"));
            }
        }
    }
    (rows, problems)
}

/// Where the columns of [`COLUMNS`] and [`CROPPED`] are: looked up once, as a header may have any number of them.
struct Columns([Option<usize>; 9]);

impl Columns {
    fn find(header: &[String]) -> Self {
        let mut names = COLUMNS.iter().chain([&CROPPED]);
        Columns(std::array::from_fn(|_| {
            let name = names.next()?;
            header.iter().position(|column| column == name)
        }))
    }
}

fn row(columns: &Columns, fields: &[String], line: u64) -> Result<Row, String> {
    let optional = |index: usize| {
        columns.0[index].and_then(|column| fields.get(column)).map_or("", String::as_str)
    };
    let field = |index: usize| match optional(index) {
        "" => Err(format!("its field `{}` is empty", COLUMNS[index])),
        text => Ok(text),
    };
    let [patient, side, view, number, kind, pathology, film, mask] = [0, 1, 2, 3, 4, 5, 6, 7];
    let view = format!("{}_{}", field(side)?, field(view)?);
    Ok(Row {
        line,
        patient: safe(field(patient)?),
        view: View::parse(&view).ok_or_else(|| format!("{view:.40} is no view"))?,
        kind: safe(&field(kind)?.to_lowercase()),
        number: safe(field(number)?),
        pathology: field(pathology)?.to_lowercase(),
        film: field(film)?.to_owned(),
        mask: field(mask)?.to_owned(),
        cropped: optional(COLUMNS.len()).to_owned(),
    })
}

/// The text with everything that a file name should not have replaced.
fn safe(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    text.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "patient_id,breast_density,left or right breast,image view,\
        abnormality id,abnormality type,mass shape,mass margins,assessment,pathology,subtlety,\
        image file path,cropped image file path,ROI mask file path";

    fn table(rows: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mass_case_description_train_set.csv");
        std::fs::write(&path, format!("\u{feff}{HEADER}\r\n{rows}")).unwrap();
        (folder, path)
    }

    #[test]
    fn rows_with_quoted_line_breaks_and_bad_ones_by_line() {
        // Many of the published paths end in a line break within their quotes.
        let (_folder, path) = table(
            "P_00001,3,LEFT,CC,1,mass,OVAL,SPICULATED,4,MALIGNANT,4,A/B/C/0.dcm,\"D/E/F/0.dcm\n\",\
             \"D/E/F/1.dcm\n\"\n\
             P_2,3,UP,CC,1,mass,,,4,BENIGN,4,a,b,c\n\
             P_3,3,LEFT,MLO\n\
             ../P_4,3,RIGHT,MLO,2,calcification,,,4,BENIGN_WITHOUT_CALLBACK,4,a,b,c\n",
        );
        assert!(is_table(&path));
        let (rows, problems) = read(&path);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].patient.as_str(), rows[0].view.name()), ("P_00001", "LEFT_CC"));
        assert_eq!(
            (rows[0].mask.as_str(), rows[0].cropped.as_str()),
            ("D/E/F/1.dcm", "D/E/F/0.dcm")
        );
        assert_eq!((rows[1].patient.as_str(), rows[1].kind.as_str()), ("___P_4", "calcification"));
        assert_eq!(rows[1].pathology, "benign_without_callback");
        let whats: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert!(whats[0].contains("UP_CC is no view"), "{whats:?}");
        assert!(whats[1].contains("is empty"), "{whats:?}");
    }

    #[test]
    fn other_tables_are_not_taken() {
        let (folder, path) = table("");
        assert_eq!(read(&path), (vec![], vec![]));
        let other = folder.path().join("patients.csv");
        std::fs::write(&other, "image,patient\n").unwrap();
        assert!(!is_table(&other) && !is_table(&folder.path().join("none.csv")));
    }
}
