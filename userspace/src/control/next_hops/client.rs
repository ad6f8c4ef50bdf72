//! A worker's end: answers from its cache, asks once for what it misses.

use std::fmt;

use sluice_common::wire::Addresses;

use super::cache::{Cache, State};
use super::kernel_path::KernelPath;
use super::message::{Answer, ClientEnd, destination};
use crate::port::{LinkHeader, NextHops};

/// The next hops of one worker.
pub struct Client {
    known: Known,
    kernel: KernelPath,
}

impl Client {
    pub(super) fn new(resolver: ClientEnd, kernel: KernelPath) -> Self {
        Self { known: Known { cache: Cache::new(), resolver }, kernel }
    }
}

/// What a worker knows, and whom it asks.
struct Known {
    cache: Cache,
    resolver: ClientEnd,
}

impl Known {
    fn link_header(&mut self, question: &Addresses) -> Option<LinkHeader> {
        self.take_answers();
        self.look_up(question)
    }

    /// Takes what the resolver has said since the last time.
    fn take_answers(&mut self) {
        let lost = self.resolver.lost();
        while let Some((question, answer)) = self.resolver.answer() {
            // What was displaced meanwhile is asked anew when it is needed.
            if let Some(state) = self.cache.get_mut(&question) {
                *state = State::Answered(answer);
            }
        }
        if lost {
            self.cache.clear();
        }
    }

    fn look_up(&mut self, question: &Addresses) -> Option<LinkHeader> {
        match self.cache.get_mut(question) {
            Some(State::Answered(Answer::Header(header))) => Some(*header),
            Some(State::Answered(answer @ Answer::Confirm(_))) => {
                if let Answer::Confirm(header) = *answer {
                    *answer = Answer::Header(header);
                }
                None
            }
            Some(State::Answered(Answer::KernelPath) | State::Asked) => None,
            None => {
                if self.resolver.ask(*question) {
                    self.cache.insert_asked(*question);
                }
                None
            }
        }
    }
}

impl NextHops for Client {
    fn link_header(&mut self, packet: &Addresses) -> Option<LinkHeader> {
        if destination(packet).is_multicast() { None } else { self.known.link_header(packet) }
    }

    /// Refuses multicast: nothing steered is, so what comes to here is the TUN device's own (reports of
    /// group membership), and does not belong on the wire.
    fn kernel_path(&mut self, packet: &[u8], addresses: &Addresses) -> bool {
        !destination(addresses).is_multicast() && self.kernel.send(packet, addresses)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_common::wire::EtherType;
    use tokio::sync::Notify;

    use super::super::message::{ResolverEnd, channel};
    use super::*;

    fn pair() -> (Known, ResolverEnd) {
        let (resolver, end) = channel(&Arc::new(Notify::new()));
        (Known { cache: Cache::new(), resolver }, end)
    }

    fn question(i: u32) -> Addresses {
        Addresses::V4 { src: [192, 0, 2, 2], dst: i.to_be_bytes() }
    }

    fn header(mac: u8) -> LinkHeader {
        LinkHeader::new([mac; 6], [2; 6], EtherType::IPV4)
    }

    #[test]
    fn a_miss_is_asked_once_and_not_for_every_packet() {
        let (mut known, end) = pair();
        for _ in 0..100 {
            assert_eq!(known.link_header(&question(1)), None);
        }
        assert_eq!(end.questions.try_iter().collect::<Vec<_>>(), [question(1)]);
        end.answer(question(1), Answer::KernelPath);
        assert_eq!(known.link_header(&question(1)), None);
        assert!(end.questions.is_empty(), "a negative answer was asked for again");
        end.answer(question(1), Answer::Header(header(5)));
        assert_eq!(known.link_header(&question(1)), Some(header(5)));
    }

    #[test]
    fn what_found_no_room_is_asked_with_its_next_packet() {
        let (mut known, end) = pair();
        let room = end.questions.capacity().unwrap() as u32;
        for i in 0..=room {
            known.link_header(&question(i));
        }
        assert_eq!(end.questions.try_iter().count() as u32, room);
        known.link_header(&question(room));
        assert_eq!(end.questions.try_iter().collect::<Vec<_>>(), [question(room)]);
    }

    #[test]
    fn a_neighbour_to_be_confirmed_costs_one_packet_of_detour() {
        let (mut known, end) = pair();
        known.link_header(&question(1));
        end.answer(question(1), Answer::Confirm(header(5)));
        assert_eq!(known.link_header(&question(1)), None);
        assert_eq!(known.link_header(&question(1)), Some(header(5)));
        assert_eq!(known.link_header(&question(1)), Some(header(5)));
    }

    #[test]
    fn a_lost_answer_has_everything_forgotten_and_asked_anew() {
        let (mut known, end) = pair();
        known.link_header(&question(1));
        end.answer(question(1), Answer::Header(header(5)));
        assert_eq!(known.link_header(&question(1)), Some(header(5)));
        // More than there is room for, the last of them the one that counts.
        for _ in 0..5000 {
            end.answer(question(9), Answer::KernelPath);
        }
        end.answer(question(1), Answer::Header(header(6)));
        end.questions.try_iter().for_each(drop);
        assert_eq!(known.link_header(&question(1)), None, "the old answer was kept");
        assert_eq!(end.questions.try_iter().collect::<Vec<_>>(), [question(1)]);
        end.answer(question(1), Answer::Header(header(6)));
        assert_eq!(known.link_header(&question(1)), Some(header(6)));
    }
}
