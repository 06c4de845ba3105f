//! What a network's classes are called.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// Names of all classes, or of none.
#[derive(Clone, Debug, Default)]
pub struct ClassNames {
    names: Vec<String>,
    /// Units of the head.
    units: usize,
}

/// A list of names is small.
const MOST_BYTES: u64 = 1 << 20;

impl ClassNames {
    /// The names `given` for a head of `count` units, or those in a classes.txt beside `file`.
    ///
    /// # Errors
    /// [`Error::Usage`] when they are not as many, or one is there twice.
    pub fn new(given: &[String], file: &Path, count: usize) -> Result<Self> {
        let beside = file.with_file_name("classes.txt");
        let (names, from) = match given {
            [] if !beside.is_file() => (Vec::new(), String::new()),
            [] => {
                let bytes = files::read_at_most(&beside, MOST_BYTES)?;
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                (lines.map(str::to_owned).collect(), beside.display().to_string())
            }
            given => (given.to_vec(), "--class-names".to_owned()),
        };
        // A single unit speaks for the second of two classes.
        let fits = names.is_empty() || names.len() == count || (count == 1 && names.len() == 2);
        if !fits {
            return Err(Error::usage(
                format!("{from} has {} names, the head {}", names.len(), units(count)),
                "name each class, in the order of the units",
            ));
        }
        let twice = (1..names.len()).find(|&index| names[..index].contains(&names[index]));
        match twice {
            Some(index) => Err(Error::usage(
                format!("{from} names {} twice", names[index]),
                "give each class a name of its own",
            )),
            None => Ok(ClassNames { names, units: count }),
        }
    }

    /// The name of a class, where it has one.
    pub fn name(&self, class: usize) -> Option<&str> {
        let second = usize::from(self.units == 1 && self.names.len() == 2);
        self.names.get(class + second).map(String::as_str)
    }

    /// The class that a label names or numbers; a single unit tells two classes apart.
    pub fn labelled(&self, text: &str) -> Option<usize> {
        // One name alone is that of the second.
        let second = usize::from(self.units == 1 && self.names.len() == 1);
        let named = self.names.iter().position(|name| name == text).map(|index| index + second);
        named.or_else(|| text.parse().ok().filter(|&class| class < self.units.max(2)))
    }

    /// A class in words: its number, and its name where it has one.
    pub fn describe(&self, class: usize) -> String {
        match self.name(class) {
            Some(name) => format!("{class} ({name})"),
            None => class.to_string(),
        }
    }

    /// The class that `text` names or numbers.
    ///
    /// # Errors
    /// [`Error::Usage`] with those there are.
    pub fn find(&self, text: &str) -> Result<usize> {
        if let Some(class) = (0..self.units).find(|&class| self.name(class) == Some(text)) {
            return Ok(class);
        }
        match text.parse() {
            Ok(class) if class < self.units => Ok(class),
            _ => {
                let hint = match self.units {
                    1 => "the head has 1 unit, class 0, which speaks for abnormal".to_owned(),
                    units if self.names.is_empty() => {
                        format!("the head has {units} units: give 0 to {}", units - 1)
                    }
                    _ => format!("there are {}, from 0 on", self.names.join(", ")),
                };
                Err(Error::usage(format!("there is no class {text}"), hint))
            }
        }
    }
}

/// So many units of a head, in words.
pub fn units(count: usize) -> String {
    format!("{count} unit{}", if count == 1 { "" } else { "s" })
}
