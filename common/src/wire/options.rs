//! The options of IPv4 (RFC 791 §3.1) and TCP (RFC 9293 §3.1) headers, which are laid out alike.
//!
//! ```text
//!  0      1        2
//! ┌──────┬────────┬─ ─ ─ ─ ┐
//! │ kind │ length │ data     length counts all three
//! └──────┴────────┴─ ─ ─ ─ ┘
//! ```
//!
//! Two kinds are a single byte: [`END`] and [`NOP`].

/// The list ends before the header does; padding follows.
pub const END: u8 = 0;
/// One byte of padding between options.
pub const NOP: u8 = 1;

/// An option of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderOption<'a> {
    /// What it is; [`END`] and [`NOP`] are not told.
    pub kind: u8,
    /// What follows kind and length.
    pub data: &'a [u8],
    /// Where its kind stands, in bytes from the beginning of the header.
    pub at: usize,
}

/// The options of a header, in order.
///
/// Padding is stepped over. A length below 2 or beyond the end of the header ends the list: what follows
/// cannot be told.
///
/// ```
/// use sluice_common::wire::tcp;
///
/// let mut header = [0; 28];
/// header[12] = 7 << 4;
/// header[20..].copy_from_slice(&[1, 2, 4, 0x05, 0xb4, 0, 0, 0]);
/// let mss = tcp::options(&header).and_then(|mut options| options.next()).unwrap();
/// assert_eq!((mss.kind, mss.data, mss.at), (tcp::MSS, &[0x05, 0xb4][..], 21));
/// ```
#[derive(Clone, Debug)]
pub struct Options<'a> {
    header: &'a [u8],
    at: usize,
}

impl<'a> Options<'a> {
    /// The options of `header`, which is whole and has them behind its first `fixed` bytes.
    #[inline]
    pub(super) const fn new(header: &'a [u8], fixed: usize) -> Self {
        Self { header, at: fixed }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = HeaderOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<HeaderOption<'a>> {
        let rest = self.header.get(self.at..)?;
        let padding = rest.iter().take_while(|byte| **byte == NOP).count();
        let at = self.at + padding;
        self.at = self.header.len();
        let [kind, len, ..] = *rest.get(padding..)? else { return None };
        let end = at + usize::from(len);
        let data = self.header.get(at + 2..end).filter(|_| kind != END)?;
        self.at = end;
        Some(HeaderOption { kind, data, at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    /// Kind, offset and length of the data of each option, where four other bytes come first.
    fn listed(options: &[u8]) -> Vec<(u8, usize, usize)> {
        let header = [&[0xee; 4], options].concat();
        Options::new(&header, 4).map(|option| (option.kind, option.at, option.data.len())).collect()
    }

    #[test]
    fn padding_is_stepped_over_and_the_end_ends_the_list() {
        assert_eq!(listed(&[]), []);
        assert_eq!(listed(&[NOP, NOP, 8, 3, 7, NOP, 2, 2]), [(8, 6, 1), (2, 10, 0)]);
        assert_eq!(listed(&[4, 2, END, 2, 2, 2]), [(4, 4, 0)]);
        assert_eq!(listed(&[NOP, NOP, NOP, NOP]), []);
    }

    #[test]
    fn a_hostile_length_ends_the_list() {
        for len in [0, 1, 4, 255] {
            assert_eq!(listed(&[4, 2, 3, len, 7, 4, 2][..5]), [(4, 4, 0)], "{len}");
        }
        assert_eq!(listed(&[4, 2, 3]), [(4, 4, 0)], "a kind without a length");
        assert_eq!(listed(&[3, 0, 4, 2]), []);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_options_stand_one_behind_the_other(
            header in prop::collection::vec(any::<u8>(), 0..60),
            fixed in 0_usize..64,
        ) {
            let mut end = fixed;
            for option in Options::new(&header, fixed) {
                prop_assert!(option.at >= end);
                prop_assert!(header[end..option.at].iter().all(|byte| *byte == NOP));
                end = option.at + 2 + option.data.len();
                prop_assert_eq!(header[option.at], option.kind);
                prop_assert_eq!(&header[option.at + 2..end], option.data);
            }
        }
    }
}
