//! Our own JSON and CSV, read as what they are: files that somebody may have changed. They are bounded in size and
//! depth, and no number in them is NaN, infinite or beyond what anything here counts or measures.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Bytes of a JSON document. A result with 100 networks has one megabyte.
pub const MOST_JSON: u64 = 16 << 20;
/// Bytes of a table: a line a picture.
pub const MOST_TABLE: u64 = 64 << 20;

/// Nothing that is measured here comes near it. Whole numbers, such as seeds, may be any of 64 bits.
const MOST: f64 = 1e15;

/// Columns of tables that hold names, be they such as `inf`.
const NAMES: [&str; 8] =
    ["name", "patient", "source", "split", "class", "label", "model", "method"];

/// The JSON document in `bytes`.
///
/// # Errors
/// What is wrong with it, in words, with its place.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.len() as u64 > MOST_JSON {
        return Err(format!("it has {} bytes, and such a file {MOST_JSON} at most", bytes.len()));
    }
    // Deeper than 128 is refused while it is read.
    let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if let Some(number) = unheard_of(&document) {
        return Err(format!("it has the number {number:e}, which nothing here is"));
    }
    serde_json::from_value(document).map_err(|error| error.to_string())
}

/// The first number in `document` that is out of all bounds.
fn unheard_of(document: &Value) -> Option<f64> {
    match document {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().filter(|value| !is_sane(*value))
        }
        Value::Array(values) => values.iter().find_map(unheard_of),
        Value::Object(fields) => fields.values().find_map(unheard_of),
        _ => None,
    }
}

fn is_sane(value: f64) -> bool {
    value.abs() <= MOST
}

/// The lines of the table in `bytes`, whose first line names its columns.
///
/// # Errors
/// What is wrong with it, in words, with the line.
pub fn table<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, String> {
    if bytes.len() as u64 > MOST_TABLE {
        return Err(format!("it has {} bytes, and a table {MOST_TABLE} at most", bytes.len()));
    }
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        for (name, text) in header.iter().zip(&record) {
            let number = text.parse::<f64>().ok().filter(|_| text.parse::<u64>().is_err());
            if !NAMES.contains(&name) && number.is_some_and(|number| !is_sane(number)) {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(format!("line {line}: its {name} is {text:.40}"));
            }
        }
        lines.push(record.deserialize(Some(&header)).map_err(|error| error.to_string())?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Line {
        name: String,
        value: f64,
    }

    #[test]
    fn numbers_out_of_all_bounds_are_refused_where_they_stand() {
        for text in ["[1e16]", "{\"a\": [0, {\"b\": -1e300}]}", "1e999"] {
            let error = json::<Value>(text.as_bytes()).unwrap_err();
            assert!(error.contains("number"), "{error}");
        }
        assert_eq!(json::<u64>(b"18446744073709551615").unwrap(), u64::MAX);
        let deep = "[".repeat(100_000);
        assert!(json::<Value>(deep.as_bytes()).unwrap_err().contains("recursion"));
        assert!(json::<Value>(&vec![b' '; MOST_JSON as usize + 1]).unwrap_err().contains("bytes"));
        for number in ["NaN", "-inf", "1e16", "infinity"] {
            let error =
                table::<Line>(format!("name,value\na,1\nb,{number}\n").as_bytes()).unwrap_err();
            assert!(error.contains("line 3") && error.contains(number), "{error}");
        }
        let lines = table::<Line>(b"name,value\ninf,0.5\n").unwrap();
        assert_eq!(lines, [Line { name: "inf".to_owned(), value: 0.5 }]);
    }
}
