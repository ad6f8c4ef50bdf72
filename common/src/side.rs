//! The two sides of a wire that Sluice stands in.

/// One of the two ports of wire mode: the first that the configuration names, or the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The first port.
    A = 0,
    /// The second port.
    B = 1,
}

impl Side {
    /// Both, in the order of the configuration.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// What lies beyond.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its place in arrays of two.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// How reports call it: `a` or `b`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Side;

    #[test]
    fn each_side_has_a_place_of_its_own_and_the_other_beyond_it() {
        for (place, side) in Side::BOTH.into_iter().enumerate() {
            assert_eq!(side.index(), place);
            assert_eq!(side.other().other(), side);
            assert_ne!(side.other(), side);
        }
    }
}
