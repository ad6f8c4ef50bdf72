//! Other addresses and ports on each side: stateless NAT and load balancing.
//!
//! | file | what it holds |
//! |---|---|
//! | `rule` | a rule, and what it makes of a packet |
//! | `target` | what an address becomes |
//! | `invalid` | why a set of rules is refused |

mod invalid;
mod rule;
mod target;

use alloc::vec::Vec;

pub use invalid::{InvalidNat, InvalidNatRule};
pub use rule::NatRule;
pub use target::NatTarget;

use super::{Seen, Stage, To, Verdict};
use crate::classify::MAX_RULES;

/// Everything goes to the other port, with one end's address and port changed by the first rule that
/// matches, in either direction.
///
/// No flow is remembered: the rules alone say what becomes of a packet and of its reply, so that packets may
/// take any worker, another machine with the same rules and keys, or a way around, and nothing is lost with a
/// process. Rules are looked at one by one; they are asked once for a train and not once for each packet, which
/// is what makes that cheap.
///
/// Packets of TCP and UDP are looked at, of a tunnel's the outer headers. A fragment is changed only by rules that need
/// not see a port, so that all fragments of a packet meet the same one. What an ICMP error quotes is not
/// changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    rules: Vec<NatRule>,
    hash_keys: [u64; 4],
}

impl Nat {
    /// Works by `rules`, up to [`MAX_RULES`], first match first. Among several addresses one is chosen by a
    /// hash with these keys: a client keeps its address for as long as they stay the same.
    ///
    /// # Errors
    /// [`InvalidNat`] for a rule that cannot be undone, and for two whose replies could not be told apart.
    pub fn new(rules: Vec<NatRule>, hash_keys: [u64; 4]) -> Result<Self, InvalidNat> {
        if rules.len() > MAX_RULES {
            return Err(InvalidNat::TooMany { count: rules.len() });
        }
        for (index, rule) in rules.iter().enumerate() {
            rule.validate().map_err(|invalid| InvalidNat::Rule { rule: index, invalid })?;
            let mut before = rules[..index].iter();
            if let Some(earlier) = before.position(|earlier| earlier.shares_replies(rule)) {
                return Err(InvalidNat::SharedReplies { rule: index, earlier });
            }
        }
        Ok(Self { rules, hash_keys })
    }

    /// The rules, first match first.
    #[must_use]
    pub fn rules(&self) -> &[NatRule] {
        &self.rules
    }
}

impl Stage for Nat {
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let edit = self.rules.iter().find_map(|rule| rule.edit(seen, self.hash_keys));
        Verdict { to: To::Other, edit: edit.unwrap_or_default() }
    }
}
