//! What a network's classes are called, and whether they exclude each other.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// What a classifier is taught to tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Taught {
    /// Two classes without names of their own, of which the second is what is looked for.
    #[default]
    Two,
    /// Two or more classes of these names, in the order of the units. An image is of one of them.
    Classes(Vec<String>),
    /// Labels of these names, a unit each. An image may have none, one or several.
    Labels(Vec<String>),
}

impl Taught {
    /// The names; none where there are none of their own.
    pub fn names(&self) -> &[String] {
        match self {
            Taught::Two => &[],
            Taught::Classes(names) | Taught::Labels(names) => names,
        }
    }
}

/// Names of all classes, or of none.
#[derive(Clone, Debug, Default)]
pub struct ClassNames {
    names: Vec<String>,
    /// Units of the head.
    units: usize,
    /// Whether the names are the file's own.
    own: bool,
}

/// A name of a file is not much longer than 200 bytes, and other things stand in it as well.
const LONGEST_STEM: usize = 60;
/// A list of names is small.
const MOST_BYTES: u64 = 1 << 20;

impl ClassNames {
    /// The names `given` for a head of `count` units, or those that `file` itself has, or those in a classes.txt
    /// beside it.
    ///
    /// # Errors
    /// [`Error::Usage`] when they are not as many, or one is there twice.
    pub fn new(given: &[String], own: &[String], file: &Path, count: usize) -> Result<Self> {
        let beside = file.with_file_name("classes.txt");
        let (names, from) = match (given, own) {
            // A fresh head has other units than the names in the file.
            ([], [_, ..]) if own.len() == count || (count == 1 && own.len() == 2) => {
                (own.to_vec(), file.display().to_string())
            }
            ([], _) if !beside.is_file() => (Vec::new(), String::new()),
            ([], _) => {
                let bytes = files::read_at_most(&beside, MOST_BYTES)?;
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                (lines.map(str::to_owned).collect(), beside.display().to_string())
            }
            (given, _) => (given.to_vec(), "--class-names".to_owned()),
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
            None => Ok(ClassNames { own: given.is_empty() && names == own, names, units: count }),
        }
    }

    /// Whether the weights' own file names them: what was taught is then not normal and abnormal.
    pub fn are_own(&self) -> bool {
        self.own && !self.names.is_empty()
    }

    /// What each unit is called in names of files: its name without what a name of a file may not have, or its number;
    /// no two are alike in any case.
    pub fn stems(&self) -> Vec<String> {
        let stem = |class: usize| match self.name(class) {
            Some(name) => {
                name.replace(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'), "_")
            }
            None => class.to_string(),
        };
        let stems: Vec<String> = (0..self.units).map(stem).collect();
        let lower: BTreeSet<String> = stems.iter().map(|stem| stem.to_lowercase()).collect();
        match lower.len() == stems.len() && stems.iter().all(|stem| stem.len() <= LONGEST_STEM) {
            true => stems,
            false => (0..self.units)
                .map(|class| {
                    let short: String = stems[class].chars().take(LONGEST_STEM / 4).collect();
                    format!("{class}_{short}")
                })
                .collect(),
        }
    }

    /// The name of a class, where it has one.
    pub fn name(&self, class: usize) -> Option<&str> {
        let second = usize::from(self.units == 1 && self.names.len() == 2);
        self.names.get(class + second).map(String::as_str)
    }

    /// The name of a class that labels may have: of a single unit there are two, and one name alone is the second's.
    pub fn of_label(&self, class: usize) -> Option<&str> {
        let missing = usize::from(self.units == 1 && self.names.len() == 1);
        self.names.get(class.checked_sub(missing)?).map(String::as_str)
    }

    /// The class that a label names or numbers; a single unit tells two classes apart.
    pub fn labelled(&self, text: &str) -> Option<usize> {
        // One name alone is that of the second.
        let second = usize::from(self.units == 1 && self.names.len() == 1);
        let exact = self.names.iter().position(|name| name == text);
        // Folders of one class may be written in capital letters or not.
        let alike = || {
            let mut alike = (0..self.names.len())
                .filter(|&index| self.names[index].to_lowercase() == text.to_lowercase());
            alike.next().filter(|_| alike.next().is_none())
        };
        let named = exact.or_else(alike).map(|index| index + second);
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
                    1 if self.names.len() == 2 => format!(
                        "the head has 1 unit, class 0, which speaks for {}; --against shows what speaks for {}",
                        self.names[1], self.names[0]
                    ),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(own: &[&str], given: &[&str], units: usize) -> Result<ClassNames> {
        let [own, given] = [own, given].map(|all| all.iter().map(|&one| one.to_owned()).collect());
        let own: Vec<String> = own;
        ClassNames::new(&given, &own, Path::new("nowhere/w.safetensors"), units)
    }

    #[test]
    fn the_names_in_a_file_are_taken_where_none_are_given_and_they_fit() {
        let own = names(&["cat", "dog", "cow"], &[], 3).unwrap();
        assert!(own.are_own() && own.find("cow").unwrap() == 2);
        let given = names(&["cat", "dog", "cow"], &["a", "b", "c"], 3).unwrap();
        assert!(!given.are_own() && given.name(2) == Some("c"));
        // A fresh head of another size has not learnt them.
        assert_eq!(names(&["cat", "dog", "cow"], &[], 4).unwrap().name(0), None);
        // One unit speaks for the second of two.
        let one = names(&["cat", "dog"], &[], 1).unwrap();
        assert_eq!((one.of_label(0), one.of_label(1)), (Some("cat"), Some("dog")));
        assert_eq!(
            (one.name(0), one.labelled("cat"), one.labelled("Dog")),
            (Some("dog"), Some(0), Some(1))
        );
    }

    #[test]
    fn a_label_is_a_class_in_any_case_unless_it_may_be_two() {
        let found = names(&["Cat", "cow", "Cow"], &[], 3).unwrap();
        assert_eq!((found.labelled("cat"), found.labelled("Cow")), (Some(0), Some(2)));
        assert_eq!((found.labelled("COW"), found.labelled("1")), (None, Some(1)));
    }

    #[test]
    fn classes_are_names_of_files_that_differ() {
        let stems = |all: &[&str]| names(&[], all, all.len()).unwrap().stems();
        assert_eq!(stems(&["no tumour", "a/b"]), ["no_tumour", "a_b"]);
        assert_eq!(stems(&["a b", "A_b"]), ["0_a_b", "1_A_b"]);
        let long = "x".repeat(300);
        assert!(stems(&[&long, "y"])[0].len() < 60);
        assert_eq!(names(&[], &[], 2).unwrap().stems(), ["0", "1"]);
    }
}
