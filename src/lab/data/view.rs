//! Which breast a mammogram shows, and from where.

use serde::Serialize;

/// From where a breast was projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Projection {
    /// Craniocaudal: from above.
    Cc,
    /// Mediolateral oblique: from the side.
    Mlo,
}

/// Left or right, of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The left breast.
    Left,
    /// The right breast.
    Right,
}

/// One of the four films of a screening: `LEFT_CC`, `LEFT_MLO`, `RIGHT_CC`, `RIGHT_MLO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    /// Which breast.
    pub side: Side,
    /// From where.
    pub projection: Projection,
}

impl View {
    /// All four.
    pub const ALL: [View; 4] = [
        View { side: Side::Left, projection: Projection::Cc },
        View { side: Side::Left, projection: Projection::Mlo },
        View { side: Side::Right, projection: Projection::Cc },
        View { side: Side::Right, projection: Projection::Mlo },
    ];

    /// The view of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name().eq_ignore_ascii_case(name.trim()))
    }

    /// For example `LEFT_CC`.
    pub fn name(self) -> &'static str {
        match (self.side, self.projection) {
            (Side::Left, Projection::Cc) => "LEFT_CC",
            (Side::Left, Projection::Mlo) => "LEFT_MLO",
            (Side::Right, Projection::Cc) => "RIGHT_CC",
            (Side::Right, Projection::Mlo) => "RIGHT_MLO",
        }
    }

    /// The same projection of the other breast.
    pub fn opposite(self) -> Self {
        let side = match self.side {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        };
        View { side, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again_and_the_opposite_is_the_other_breast() {
        for view in View::ALL {
            assert_eq!(View::parse(&view.name().to_lowercase()), Some(view));
            assert_eq!(view.opposite().opposite(), view);
            assert_eq!(view.opposite().projection, view.projection);
            assert_ne!(view.opposite(), view);
        }
        assert_eq!(View::parse("LEFT_ML"), None);
    }
}
