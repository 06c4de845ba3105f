//! Shapes from the command line: `n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1`.

use std::fmt;
use std::str::FromStr;

use super::Case;
use crate::error::{Error, Result};

/// The shape of a convolution with 'same' padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseSpec {
    /// Images.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels of the input.
    pub cin: usize,
    /// Channels of the output; `cin` where it is not given.
    pub cout: usize,
    /// Rows and columns of the kernel; 1 where it is not given.
    pub k: usize,
    /// Stride; 1 where it is not given.
    pub s: usize,
    /// Dilation; 1 where it is not given.
    pub d: usize,
    /// Groups; 1 where it is not given.
    pub g: usize,
}

const EXAMPLE: &str = "for example n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1";

/// No size of a network is larger, and products of such sizes stay within 64 bits.
const LARGEST: usize = 1 << 16;

/// Multiply-adds above which no adapter answers in reasonable time.
const MOST_WORK: u128 = 1 << 45;

impl FromStr for CaseSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |problem: String| Error::usage(format!("case \"{text}\": {problem}"), EXAMPLE);
        const KEYS: [&str; 9] = ["n", "h", "w", "cin", "cout", "k", "s", "d", "g"];
        let mut given: [Option<usize>; 9] = [None; 9];
        for part in text.split(',') {
            let (key, value) = part
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| wrong(format!("\"{part}\" is not KEY=NUMBER")))?;
            let at = KEYS
                .iter()
                .position(|known| *known == key)
                .ok_or_else(|| wrong(format!("there is no \"{key}\", only {}", KEYS.join(", "))))?;
            let number: usize =
                value.parse().ok().filter(|number| (1..=LARGEST).contains(number)).ok_or_else(
                    || wrong(format!("{key} must be from 1 to {LARGEST}, not {value}")),
                )?;
            if given[at].replace(number).is_some() {
                return Err(wrong(format!("{key} is given twice")));
            }
        }
        let required =
            |at: usize| given[at].ok_or_else(|| wrong(format!("{} is missing", KEYS[at])));
        let cin = required(3)?;
        let or_one = |at: usize| given[at].unwrap_or(1);
        let spec = CaseSpec {
            n: required(0)?,
            h: required(1)?,
            w: required(2)?,
            cin,
            cout: given[4].unwrap_or(cin),
            k: or_one(5),
            s: or_one(6),
            d: or_one(7),
            g: or_one(8),
        };
        if !spec.cin.is_multiple_of(spec.g) || !spec.cout.is_multiple_of(spec.g) {
            let CaseSpec { cin, cout, g, .. } = spec;
            return Err(wrong(format!("cin={cin} and cout={cout} must be multiples of g={g}")));
        }
        let factors =
            [spec.n, spec.h.div_ceil(spec.s), spec.w.div_ceil(spec.s), cin / spec.g, spec.cout];
        let work = factors.iter().fold((spec.k * spec.k) as u128, |work, &f| work * f as u128);
        if work > MOST_WORK {
            return Err(wrong(format!("{work} multiply-adds are too many to be timed")));
        }
        Ok(spec)
    }
}

impl fmt::Display for CaseSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CaseSpec { n, h, w, cin, cout, k, s, d, g } = self;
        write!(f, "n={n},h={h},w={w},cin={cin},cout={cout},k={k},s={s},g={g}")?;
        if *d != 1 { write!(f, ",d={d}") } else { Ok(()) }
    }
}

/// The case of `operation` with the shape of `spec`, where that operation is a convolution.
pub fn custom_case(operation: &str, spec: &CaseSpec) -> Option<Case> {
    let _ = (operation, spec);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, part: &str) {
        let error = text.parse::<CaseSpec>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("for example"), "{error}");
    }

    #[test]
    fn a_case_is_read_and_printed() {
        let spec: CaseSpec = "n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1".parse().unwrap();
        assert_eq!((spec.n, spec.h, spec.cout, spec.d), (8, 19, 728, 1));
        assert_eq!(spec.to_string(), "n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1");
        let spec: CaseSpec = " w=5, h=4 ,n=1,cin=6,k=3,d=2".parse().unwrap();
        assert_eq!(spec, CaseSpec { n: 1, h: 4, w: 5, cin: 6, cout: 6, k: 3, s: 1, d: 2, g: 1 });
        assert_eq!(spec.to_string().parse::<CaseSpec>().unwrap(), spec);
    }

    #[test]
    fn what_is_wrong_with_a_case_is_said() {
        refused("", "not KEY=NUMBER");
        refused("n=1,h=2,w=2", "cin is missing");
        refused("n=1,h=2,w=2,cin=4,x=2", "there is no \"x\"");
        refused("n=1,h=2,w=2,cin=0", "cin must be from 1");
        refused("n=1,h=2,w=2,cin=-4", "cin must be from 1");
        refused("n=1,n=1,h=2,w=2,cin=4", "given twice");
        refused("n=1,h=2,w=2,cin=4,g=3", "multiples of g=3");
        refused("n=65536,h=65536,w=65536,cin=65536,k=65536", "too many");
    }
}
