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

/// Mask of the VLAN ID in a tag control information word.
pub const ID: u16 = 0x0fff;

/// The VLAN ID in a tag control information word.
#[inline(always)]
#[must_use]
pub const fn id(tci: u16) -> u16 {
    tci & ID
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

    /// The stack with another VLAN ID, below 4096, in the outermost tag, whose priority stays; an untagged
    /// frame stays untagged.
    #[inline(always)]
    #[must_use]
    pub const fn with_vlan_id(mut self, vlan: u16) -> Self {
        if self.count > 0 {
            self.tci[0] = self.tci[0] & !ID | id(vlan);
        }
        self
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

    #[test]
    fn another_vlan_id_leaves_priorities_and_inner_tags_alone() {
        let two = |outer| Tags::default().with(outer).unwrap().with(7).unwrap();
        assert_eq!(two(0xf000 | 100).with_vlan_id(200), two(0xf000 | 200));
        assert_eq!(Tags::default().with_vlan_id(200), Tags::default());
    }
}
