//! VLAN tags (IEEE 802.1Q), at most two (802.1ad, "QinQ").
//!
//! ```text
//!  0     2                4
//! ┌─────┬────────────────┬──────────────────┬─ ─ ─
//! │ tag │ PCP 3 DEI 1    │ EtherType of     │
//! │ type│ VLAN ID 12     │ what follows     │
//! └─────┴────────────────┴──────────────────┴─ ─ ─
//! ```

/// Bytes one tag adds to a frame.
pub const TAG_LEN: usize = 4;
/// The deepest stack that is parsed: a service tag and a customer tag.
pub const MAX_TAGS: usize = 2;

/// The VLAN ID in a tag control information word.
#[inline(always)]
#[must_use]
pub const fn id(tci: u16) -> u16 {
    tci & 0x0fff
}

/// The stack of tags of a frame, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags {
    count: u8,
    tci: [u16; MAX_TAGS],
}

impl Tags {
    /// The stack with one more, inner, tag; `None` if it is full.
    #[inline(always)]
    #[must_use]
    pub fn with(mut self, tci: u16) -> Option<Self> {
        *self.tci.get_mut(usize::from(self.count))? = tci;
        self.count += 1;
        Some(self)
    }

    /// How many tags there are.
    #[inline(always)]
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// The VLAN ID steering rules compare: the outermost tag's, 0 for an untagged frame (as 802.1Q
    /// has it for a frame tagged with a priority only).
    #[inline(always)]
    #[must_use]
    pub const fn vlan_id(&self) -> u16 {
        if self.count == 0 { 0 } else { id(self.tci[0]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_tag_names_the_vlan_and_a_third_does_not_fit() {
        let none = Tags::default();
        assert_eq!(none.vlan_id(), 0);
        let two = none.with(0x6000 | 100).unwrap().with(7).unwrap();
        assert_eq!((two.vlan_id(), two.count()), (100, 2));
        assert_eq!(two.with(1), None);
    }
}
