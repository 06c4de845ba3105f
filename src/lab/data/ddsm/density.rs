//! From the grey level that a scanner stored to optical density, and on to 8-bit grey.
//!
//! The calibrations are those that the database's site publishes for each scanner. What follows is
//! the conversion behind the paper's images: g = 65535 - floor(65535 D / 4), then floor(g² / 65535),
//! which darkens what is dark already; the 16 bits become 8 by rounding.

use crate::nets::images::grey16;

/// A film scanner, and where it stood: the calibration belongs to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scanner {
    /// DBA M2100 at Massachusetts General Hospital (cases A): 16 bits, 42 µm.
    DbaA,
    /// Howtek 960 at Massachusetts General Hospital (cases A): 12 bits, 43.5 µm.
    HowtekA,
    /// Lumisys 200 at Wake Forest (cases B and C): 12 bits, 50 µm.
    Lumisys,
    /// Howtek at ISMD (cases D): 12 bits, 43.5 µm.
    HowtekD,
}

/// The scanners that a calibration is published for, for hints.
pub const KNOWN: &str = "known are DBA and HOWTEK in cases A, LUMISYS in B and C, HOWTEK in D";

impl Scanner {
    /// The scanner of a case, by the letter of its site and by its `.ics` file's `DIGITIZER`.
    pub fn find(site: char, digitizer: &str) -> Option<Self> {
        let digitizer = digitizer.to_ascii_uppercase();
        let is = |name: &str| {
            digitizer.split(|c: char| !c.is_alphanumeric()).any(|w| w.starts_with(name))
        };
        match site.to_ascii_uppercase() {
            'A' if is("DBA") => Some(Scanner::DbaA),
            'A' if is("HOWTEK") => Some(Scanner::HowtekA),
            'B' | 'C' if is("LUMISYS") => Some(Scanner::Lumisys),
            'D' if is("HOWTEK") => Some(Scanner::HowtekD),
            _ => None,
        }
    }

    /// Optical density, 0 to 4 and the darker the higher, of a grey level as stored. Levels outside
    /// the calibrated range count as its nearest end, so that the 0 outside a DBA film stays dark.
    pub fn density(self, level: u16) -> f64 {
        let between = |low: u16, high: u16| f64::from(level.clamp(low, high));
        let density = match self {
            Scanner::DbaA => (between(4, 64064).log10() - 4.80662) / -1.07553,
            Scanner::HowtekA => 3.789 - 0.00094568 * between(0, 4006),
            Scanner::Lumisys => (between(61, 4097) - 4096.99) / -1009.01,
            Scanner::HowtekD => 3.96604095240593 - 0.00099055807612 * between(0, 4003),
        };
        density.clamp(0.0, 4.0)
    }

    /// The paper's grey, 0 black and 255 clear film.
    pub fn grey(self, level: u16) -> u8 {
        grey16::nearest8(self.grey16(level))
    }

    /// The same before it is rounded to 8 bits.
    fn grey16(self, level: u16) -> u16 {
        let dark = (65535.0 * self.density(level) / 4.0).floor() as u32;
        let clear = 65535 - dark;
        (clear * clear / 65535) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scanner; 4] = [Scanner::DbaA, Scanner::HowtekA, Scanner::Lumisys, Scanner::HowtekD];

    #[test]
    fn a_scanner_belongs_to_a_site() {
        assert_eq!(Scanner::find('A', "DBA 21"), Some(Scanner::DbaA));
        assert_eq!(Scanner::find('a', "howtek 43.5"), Some(Scanner::HowtekA));
        assert_eq!(Scanner::find('C', "LUMISYS LASER"), Some(Scanner::Lumisys));
        assert_eq!(Scanner::find('D', "HOWTEK"), Some(Scanner::HowtekD));
        for (site, digitizer) in [('D', "LUMISYS"), ('B', "HOWTEK"), ('B', ""), ('X', "DBA")] {
            assert_eq!(Scanner::find(site, digitizer), None, "{site} {digitizer}");
        }
    }

    #[test]
    fn densities_are_the_published_lines() {
        let close = |scanner: Scanner, level, density: f64| {
            let found = scanner.density(level);
            assert!((found - density).abs() < 1e-5, "{scanner:?} {level}: {found}");
        };
        close(Scanner::DbaA, 10_000, 0.749_974);
        close(Scanner::DbaA, 1000, 1.679_748);
        close(Scanner::HowtekA, 1000, 2.84332);
        close(Scanner::HowtekD, 1000, 2.975_483);
        close(Scanner::Lumisys, 1000, 3.069_335);
        close(Scanner::Lumisys, 0, 3.999_950);
    }

    #[test]
    fn grey_rises_with_the_level_and_uses_the_whole_range() {
        for scanner in ALL {
            let greys: Vec<u8> = (0..=u16::MAX).map(|level| scanner.grey(level)).collect();
            assert!(greys.windows(2).all(|pair| pair[0] <= pair[1]), "{scanner:?}");
            assert!(greys[0] <= 1 && greys[65535] == 255, "{scanner:?}");
            let densities = [0, 65535].map(|level| scanner.density(level));
            assert!(densities[0] > 3.7 && densities[1] < 0.001, "{scanner:?} {densities:?}");
        }
        // Density 2 is half of 65535, and a quarter of it squared: 16383.75 / 257.
        let level = (4096.99 - 2.0 * 1009.01) as u16;
        assert_eq!(Scanner::Lumisys.grey(level), 64);
    }
}
