//! What the resolver knows: which way each destination lies, and what is known of each neighbour. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use sluice_common::wire::ethernet::Mac;
use sluice_common::wire::{Addresses, EtherType};

use super::message::{Answer, Question};
use crate::port::LinkHeader;

/// Questions that are remembered, and asked again whenever a route changes: eight times the
/// neighbours the kernel keeps by default (`gc_thresh3`). Beyond, everything is forgotten and begins anew,
/// so that nobody who makes a server talk to many addresses makes it remember more.
pub(super) const MOST_QUESTIONS: usize = 8192;

/// Which way a destination lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Over the port, by this neighbour.
    Neighbour(IpAddr),
    /// Some other way, or none.
    Kernel,
}

/// What the kernel knows of a neighbour that it can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// Its MAC address.
    pub(super) mac: Mac,
    /// Nobody has heard of it for a while.
    pub(super) stale: bool,
}

#[derive(Debug)]
struct Known {
    way: Way,
    answer: Answer,
    /// A bit for each client that was told.
    clients: u64,
}

/// What is to be said to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Say {
    /// A bit for each client to tell.
    pub(super) clients: u64,
    pub(super) question: Question,
    pub(super) answer: Answer,
}

/// All that the resolver knows.
#[derive(Debug)]
pub(super) struct Table {
    mac: Mac,
    known: HashMap<Question, Known>,
    neighbours: HashMap<IpAddr, Neighbour>,
}

impl Table {
    /// `mac` is the port's.
    pub(super) fn new(mac: Mac) -> Self {
        Self { mac, known: HashMap::new(), neighbours: HashMap::new() }
    }

    /// Whether one more question is one too many.
    pub(super) fn is_full(&self, question: &Question) -> bool {
        self.known.len() >= MOST_QUESTIONS && !self.known.contains_key(question)
    }

    /// Forgets the questions.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The questions that are known.
    pub(super) fn questions(&self) -> Vec<Question> {
        self.known.keys().copied().collect()
    }

    /// The way of a question, found for `client`, who is told in any case.
    pub(super) fn asked(&mut self, client: usize, question: Question, way: Way) -> Vec<Say> {
        let fresh = Known { way, answer: Answer::KernelPath, clients: 0 };
        let known = match self.known.entry(question) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(fresh),
        };
        known.clients |= 1 << client;
        let mut say = self.found(question, way);
        if let (true, Some(known)) = (say.is_empty(), self.known.get(&question)) {
            say.push(Say { clients: 1 << client, question, answer: known.answer });
        }
        say
    }

    /// The way of a question, found anew: tells whoever knew another.
    pub(super) fn found(&mut self, question: Question, way: Way) -> Vec<Say> {
        let answer = self.answer(&question, way);
        let Some(known) = self.known.get_mut(&question) else { return Vec::new() };
        known.way = way;
        known.say(question, answer).into_iter().collect()
    }

    /// What the kernel knows of a neighbour now; `None`: it cannot send to it.
    pub(super) fn neighbour(&mut self, address: IpAddr, now: Option<Neighbour>) -> Vec<Say> {
        match now {
            Some(neighbour) => self.neighbours.insert(address, neighbour),
            None => self.neighbours.remove(&address),
        };
        self.renew(|way| way == Way::Neighbour(address))
    }

    /// The neighbours are about to be told anew, because something may have been missed.
    pub(super) fn forget_neighbours(&mut self) {
        self.neighbours.clear();
    }

    /// Tells whoever knows what no longer holds.
    pub(super) fn renew_all(&mut self) -> Vec<Say> {
        self.renew(|_| true)
    }

    /// The port's MAC address is another now.
    pub(super) fn set_mac(&mut self, mac: Mac) -> Vec<Say> {
        self.mac = mac;
        self.renew_all()
    }

    fn renew(&mut self, concerns: impl Fn(Way) -> bool) -> Vec<Say> {
        let concerned = self.known.iter().filter(|(_, known)| concerns(known.way));
        let answers: Vec<_> = concerned
            .map(|(question, known)| (*question, self.answer(question, known.way)))
            .collect();
        let say = |(question, answer)| self.known.get_mut(&question)?.say(question, answer);
        answers.into_iter().filter_map(say).collect()
    }

    fn answer(&self, question: &Question, way: Way) -> Answer {
        let Way::Neighbour(address) = way else { return Answer::KernelPath };
        let Some(neighbour) = self.neighbours.get(&address) else { return Answer::KernelPath };
        let ethertype = match question {
            Addresses::V4 { .. } => EtherType::IPV4,
            Addresses::V6 { .. } => EtherType::IPV6,
        };
        let header = LinkHeader::new(neighbour.mac, self.mac, ethertype);
        if neighbour.stale { Answer::Confirm(header) } else { Answer::Header(header) }
    }
}

impl Known {
    fn say(&mut self, question: Question, answer: Answer) -> Option<Say> {
        let changed = self.answer != answer;
        self.answer = answer;
        changed.then_some(Say { clients: self.clients, question, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = [2; 6];
    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    fn question(last: u8) -> Question {
        Question::V4 { src: [192, 0, 2, 2], dst: [198, 51, 100, last] }
    }

    fn header(mac: u8) -> LinkHeader {
        LinkHeader::new([mac; 6], OWN, EtherType::IPV4)
    }

    fn at(mac: u8) -> Option<Neighbour> {
        Some(Neighbour { mac: [mac; 6], stale: false })
    }

    fn say(clients: u64, last: u8, answer: Answer) -> Say {
        Say { clients, question: question(last), answer }
    }

    #[test]
    fn an_unknown_neighbour_is_the_kernels_path_until_its_event() {
        let mut table = Table::new(OWN);
        let said = table.asked(0, question(7), Way::Neighbour(ROUTER));
        assert_eq!(said, [say(1, 7, Answer::KernelPath)]);
        assert_eq!(table.neighbour(OTHER, at(9)), []);
        assert_eq!(table.neighbour(ROUTER, at(5)), [say(1, 7, Answer::Header(header(5)))]);
    }

    #[test]
    fn a_neighbour_that_moves_or_goes_is_told_to_every_client_that_asked() {
        let mut table = Table::new(OWN);
        table.neighbour(ROUTER, at(5));
        assert_eq!(table.asked(0, question(7), Way::Neighbour(ROUTER)).len(), 1);
        let again = table.asked(3, question(7), Way::Neighbour(ROUTER));
        assert_eq!(again, [say(0b1000, 7, Answer::Header(header(5)))]);
        assert_eq!(table.neighbour(ROUTER, at(5)), []);
        assert_eq!(table.neighbour(ROUTER, at(6)), [say(0b1001, 7, Answer::Header(header(6)))]);
        assert_eq!(table.neighbour(ROUTER, None), [say(0b1001, 7, Answer::KernelPath)]);
    }

    #[test]
    fn a_stale_neighbour_is_to_be_confirmed_and_then_is_not() {
        let mut table = Table::new(OWN);
        table.neighbour(ROUTER, at(5));
        table.asked(0, question(7), Way::Neighbour(ROUTER));
        let stale = Some(Neighbour { mac: [5; 6], stale: true });
        assert_eq!(table.neighbour(ROUTER, stale), [say(1, 7, Answer::Confirm(header(5)))]);
        assert_eq!(table.neighbour(ROUTER, at(5)), [say(1, 7, Answer::Header(header(5)))]);
    }

    #[test]
    fn another_way_or_another_address_of_the_port_changes_the_header() {
        let mut table = Table::new(OWN);
        table.neighbour(ROUTER, at(5));
        table.neighbour(OTHER, at(9));
        table.asked(0, question(7), Way::Neighbour(ROUTER));
        let moved = table.found(question(7), Way::Neighbour(OTHER));
        assert_eq!(moved, [say(1, 7, Answer::Header(header(9)))]);
        let renamed = LinkHeader::new([9; 6], [4; 6], EtherType::IPV4);
        assert_eq!(table.set_mac([4; 6]), [say(1, 7, Answer::Header(renamed))]);
        assert_eq!(table.found(question(7), Way::Kernel), [say(1, 7, Answer::KernelPath)]);
    }

    #[test]
    fn questions_are_bounded_and_those_known_are_no_more() {
        let mut table = Table::new(OWN);
        for i in 0..MOST_QUESTIONS as u32 {
            let question = Question::V4 { src: [0; 4], dst: i.to_be_bytes() };
            assert!(!table.is_full(&question));
            table.asked(0, question, Way::Kernel);
        }
        assert!(table.is_full(&question(7)));
        assert!(!table.is_full(&Question::V4 { src: [0; 4], dst: [0; 4] }));
        table.forget();
        assert!(!table.is_full(&question(7)));
    }
}
