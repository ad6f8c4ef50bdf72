//! What is to be done about the links of the two sides.
//!
//! Each look is at both ports as they stand, never at what has happened to them: what was missed between
//! two looks is over, and an event that comes late says nothing wrong.
//!
//! The trap: a port that is held down has no carrier itself, so its own says nothing. Only its fellow's
//! does, which is never held at the same time. And a port that was just set up has none yet, for seconds,
//! while it agrees with the other end on a speed: taken for a lost link, it would have the other side set
//! down, and so on for ever.

use std::fmt;
use std::time::{Duration, Instant};

use sluice_common::Side;

use super::super::link::LinkState;

/// How long a port that was set up, or reset, may be without a carrier before that is called a lost link.
/// Shorter, and a NIC that takes its time (10GBASE-T does, seconds) would have the other side set down for
/// nothing; longer, and a link that is lost in that time is mirrored late.
pub const SETTLE: Duration = Duration::from_secs(10);

/// How long a link has to be back before the other side is set up again. Shorter, and a cable with a loose
/// contact has the other side flap as fast as it does itself; longer, and traffic waits for a sound one.
pub const STEADY: Duration = Duration::from_secs(1);

/// What has happened, or is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The link is lost: no carrier, set down by somebody, or the interface is gone.
    Lost(Side),
    /// It is back.
    Back(Side),
    /// The port is to be set down, because the other side has lost its link.
    SetDown(Side),
    /// The port that was set down is to be set up again, because the other side's link is back.
    SetUp(Side),
    /// The port that was set down is up, or gone: somebody else's doing, and his to undo. It is not set down
    /// again until the other side's link has come and gone.
    Taken(Side),
}

impl Event {
    /// The side it is about.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Lost(side)
            | Self::Back(side)
            | Self::SetDown(side)
            | Self::SetUp(side)
            | Self::Taken(side) => side,
        }
    }
}

impl fmt::Display for Event {
    /// Without the name of the interface.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost(_) => "the link is lost",
            Self::Back(_) => "the link is back",
            Self::SetDown(_) => "set down: the link of the other port is lost",
            Self::SetUp(_) => "set up again: the link of the other port is back",
            Self::Taken(_) => {
                "somebody has set it up, or taken it away, while the link of the other port is lost"
            }
        })
    }
}

/// What a look says about a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    There,
    Lost,
    /// Nothing: the port is held down, or has just been set up.
    Unknown,
}

/// One port.
#[derive(Clone, Copy, Debug, Default)]
struct Port {
    /// It is down by our doing.
    held: bool,
    /// Somebody has set it up against us.
    defied: bool,
    /// It may be without a carrier until then.
    settles: Option<Instant>,
    /// Its link is there since then.
    since: Option<Instant>,
    /// Its link was last told to be lost.
    lost: bool,
}

impl Port {
    /// What a look says about its link.
    fn see(&mut self, now: Instant, seen: Option<LinkState>) -> Link {
        let LinkState { up, carrier, .. } = seen.unwrap_or_default();
        self.settles = self.settles.filter(|&end| up && !carrier && now < end);
        let link = match (up, carrier) {
            (true, true) => Link::There,
            (false, _) if self.held => Link::Unknown,
            (true, false) if self.settles.is_some() => Link::Unknown,
            _ => Link::Lost,
        };
        self.since = (link == Link::There).then(|| self.since.unwrap_or(now));
        link
    }

    fn is_steady(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now >= since + STEADY)
    }
}

/// What is held down, and why. Time is an argument.
#[derive(Clone, Debug)]
pub struct Mirror {
    ports: [Port; 2],
    mirrors: bool,
}

impl Mirror {
    /// Holds nothing yet. With `mirrors` false it only tells of links that come and go.
    #[must_use]
    pub fn new(mirrors: bool) -> Self {
        Self { ports: [Port::default(); 2], mirrors }
    }

    /// Both ports were just set up or reset, and may be without a carrier for a while.
    pub fn settle(&mut self, now: Instant) {
        self.ports.iter_mut().for_each(|port| port.settles = Some(now + SETTLE));
    }

    /// Whether this side is held down.
    #[must_use]
    pub const fn holds(&self, side: Side) -> bool {
        self.ports[side.index()].held
    }

    /// Looks at both ports as they stand, `None` where there is none any more, and says what follows, in the
    /// order in which it is to be done. [`Event::SetDown`] and [`Event::SetUp`] are to be carried out before
    /// the next look.
    #[must_use]
    pub fn look(&mut self, now: Instant, seen: [Option<LinkState>; 2]) -> Vec<Event> {
        let mut events = Vec::new();
        for side in Side::BOTH {
            self.reconcile(now, side, seen[side.index()], &mut events);
        }
        let links = Side::BOTH.map(|side| self.ports[side.index()].see(now, seen[side.index()]));
        for side in Side::BOTH {
            self.tell(side, links[side.index()], &mut events);
        }
        for side in Side::BOTH {
            let (own, other) = (links[side.index()], links[side.other().index()]);
            self.follow(now, side, own, other, &mut events);
        }
        events
    }

    /// When to look again even if nothing is heard.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let steady = |side: Side| {
            let since = self.ports[side.other().index()].since;
            since.filter(|_| self.holds(side)).map(|since| since + STEADY)
        };
        let settled = |side: Side| self.ports[side.index()].settles;
        Side::BOTH.into_iter().flat_map(|side| [settled(side), steady(side)]).flatten().min()
    }

    /// What we have set down is down, or no longer ours.
    fn reconcile(
        &mut self,
        now: Instant,
        side: Side,
        seen: Option<LinkState>,
        events: &mut Vec<Event>,
    ) {
        let port = &mut self.ports[side.index()];
        if port.held && seen.is_none_or(|seen| seen.up) {
            *port = Port { held: false, defied: true, settles: Some(now + SETTLE), ..*port };
            events.push(Event::Taken(side));
        }
    }

    fn tell(&mut self, side: Side, link: Link, events: &mut Vec<Event>) {
        let port = &mut self.ports[side.index()];
        match link {
            Link::There if port.lost => events.push(Event::Back(side)),
            Link::Lost if !port.lost => events.push(Event::Lost(side)),
            _ => return,
        }
        port.lost = !port.lost;
    }

    /// Has a port follow what is known of the other side.
    fn follow(
        &mut self,
        now: Instant,
        side: Side,
        own: Link,
        other: Link,
        events: &mut Vec<Event>,
    ) {
        let is_steady = self.ports[side.other().index()].is_steady(now);
        let port = &mut self.ports[side.index()];
        port.defied &= other != Link::There;
        // A port that has no link itself has nothing to be taken away.
        let may_be_held = self.mirrors && !port.held && !port.defied && own != Link::Lost;
        if may_be_held && other == Link::Lost {
            port.held = true;
            events.push(Event::SetDown(side));
        } else if port.held && is_steady {
            (port.held, port.settles) = (false, Some(now + SETTLE));
            events.push(Event::SetUp(side));
        }
    }
}

#[cfg(test)]
mod tests {
    use Event::{Back, Lost, SetDown, SetUp, Taken};
    use Side::{A, B};

    use super::*;

    /// Set up and has a carrier, has none, is set down, is gone.
    const PORTS: [(char, Option<LinkState>); 4] = [
        ('+', Some(LinkState { up: true, carrier: true, promiscuous: false })),
        ('-', Some(LinkState { up: true, carrier: false, promiscuous: false })),
        ('d', Some(LinkState { up: false, carrier: false, promiscuous: false })),
        ('x', None),
    ];

    fn port(letter: char) -> Option<LinkState> {
        PORTS.into_iter().find(|(known, _)| *known == letter).unwrap().1
    }

    /// Goes through a sequence of looks: seconds since the start, both ports, what follows.
    #[track_caller]
    fn check(mut mirror: Mirror, looks: &[(f64, &str, &[Event])]) {
        let start = Instant::now();
        for (seconds, ports, expected) in looks {
            let mut ports = ports.chars().map(port);
            let seen = [ports.next().unwrap(), ports.next().unwrap()];
            let now = start + Duration::from_secs_f64(*seconds);
            assert_eq!(mirror.look(now, seen), *expected, "after {seconds} s");
            let deadline = mirror.deadline();
            assert!(deadline.is_none_or(|deadline| deadline > now), "busy after {seconds} s");
        }
    }

    fn mirrors() -> Mirror {
        Mirror::new(true)
    }

    #[test]
    fn a_link_that_is_lost_is_set_down_on_the_other_side_and_up_once_it_is_back() {
        check(
            mirrors(),
            &[
                (0.0, "++", &[]),
                (1.0, "-+", &[Lost(A), SetDown(B)]),
                (1.1, "-d", &[]),
                (99.0, "-d", &[]),
                (100.0, "+d", &[Back(A)]),
                (101.0, "+d", &[SetUp(B)]),
                (101.1, "+-", &[]),
                (104.0, "++", &[]),
            ],
        );
    }

    #[test]
    fn both_sides_are_treated_alike() {
        check(
            mirrors(),
            &[
                (0.0, "++", &[]),
                (1.0, "+-", &[Lost(B), SetDown(A)]),
                (2.0, "d-", &[]),
                (3.0, "d+", &[Back(B)]),
                (4.0, "d+", &[SetUp(A)]),
                (4.1, "-+", &[]),
                (4.2, "++", &[]),
            ],
        );
    }

    #[test]
    fn a_port_that_is_held_says_nothing_by_its_own_carrier() {
        check(
            mirrors(),
            &[
                (0.0, "-+", &[Lost(A), SetDown(B)]),
                // As long as it may take: the held one never has the other held.
                (60.0, "-d", &[]),
                (61.0, "+d", &[Back(A)]),
                (61.5, "+d", &[]),
            ],
        );
    }

    #[test]
    fn a_port_that_was_set_up_has_time_to_find_its_carrier() {
        let set_up: [(f64, &str, &[Event]); 4] = [
            (0.0, "-+", &[Lost(A), SetDown(B)]),
            (1.0, "+d", &[Back(A)]),
            (2.0, "+d", &[SetUp(B)]),
            (11.9, "+-", &[]),
        ];
        check(mirrors(), &[&set_up[..], &[(12.1, "++", &[])]].concat());
        // Both are lost after all: now the other way round.
        check(
            mirrors(),
            &[
                &set_up[..],
                &[
                    (12.1, "+-", &[Lost(B), SetDown(A)]),
                    (13.0, "d-", &[]),
                    (14.0, "d+", &[Back(B)]),
                    (15.0, "d+", &[SetUp(A)]),
                    (15.1, "-+", &[]),
                    (18.0, "++", &[]),
                ],
            ]
            .concat(),
        );
        // The first is lost again before the second has found its own.
        check(mirrors(), &[&set_up[..3], &[(3.0, "--", &[Lost(A), SetDown(B)])]].concat());
    }

    #[test]
    fn ports_that_were_reset_have_time_to_find_their_carriers() {
        let mut mirror = mirrors();
        mirror.settle(Instant::now());
        check(
            mirror.clone(),
            &[
                (0.1, "--", &[]),
                (2.0, "+-", &[]),
                (3.0, "++", &[]),
                (4.0, "+-", &[Lost(B), SetDown(A)]),
            ],
        );
        check(mirror, &[(2.0, "+-", &[]), (10.1, "+-", &[Lost(B), SetDown(A)])]);
    }

    #[test]
    fn where_both_links_are_lost_nothing_is_held_until_one_is_back() {
        check(
            mirrors(),
            &[
                (0.0, "++", &[]),
                (1.0, "--", &[Lost(A), Lost(B)]),
                (2.0, "+-", &[Back(A), SetDown(A)]),
                (3.0, "d-", &[]),
                (4.0, "d+", &[Back(B)]),
                (5.0, "d+", &[SetUp(A)]),
                (6.0, "++", &[]),
            ],
        );
    }

    #[test]
    fn a_port_that_an_administrator_has_set_down_is_mirrored_and_never_touched() {
        check(
            mirrors(),
            &[
                (0.0, "++", &[]),
                (1.0, "d+", &[Lost(A), SetDown(B)]),
                (50.0, "dd", &[]),
                (51.0, "-d", &[]),
                (52.0, "+d", &[Back(A)]),
                (53.0, "+d", &[SetUp(B)]),
            ],
        );
        // Down when the other side's link goes: his, and never set up.
        check(
            mirrors(),
            &[
                (0.0, "d-", &[Lost(A), Lost(B)]),
                (1.0, "d+", &[Back(B), SetDown(B)]),
                (2.0, "dd", &[]),
                (99.0, "dd", &[]),
            ],
        );
    }

    #[test]
    fn a_port_that_somebody_sets_up_against_us_is_his_until_the_link_has_come_and_gone() {
        check(
            mirrors(),
            &[
                (0.0, "-+", &[Lost(A), SetDown(B)]),
                (1.0, "-d", &[]),
                (2.0, "--", &[Taken(B)]),
                (3.0, "-+", &[]),
                (60.0, "-+", &[]),
                (61.0, "++", &[Back(A)]),
                (62.0, "-+", &[Lost(A), SetDown(B)]),
            ],
        );
    }

    #[test]
    fn a_link_that_flaps_has_the_other_side_down_until_it_is_steady() {
        let flaps = (0..40).map(|step| {
            let ports = if step % 2 == 0 { "+d" } else { "-d" };
            let event = if step % 2 == 0 { Back(A) } else { Lost(A) };
            (1.0 + f64::from(step) * 0.4, ports, vec![event])
        });
        let flaps: Vec<_> = flaps.collect();
        let mut looks: Vec<(f64, &str, &[Event])> = vec![(0.0, "-+", &[Lost(A), SetDown(B)])];
        looks.extend(flaps.iter().map(|(at, ports, events)| (*at, *ports, events.as_slice())));
        looks.extend([
            (20.0, "+d", &[Back(A)] as &[_]),
            (20.9, "+d", &[]),
            (21.0, "+d", &[SetUp(B)]),
        ]);
        check(mirrors(), &looks);
    }

    #[test]
    fn an_interface_that_is_gone_is_a_lost_link_and_no_longer_held() {
        check(
            mirrors(),
            &[(0.0, "++", &[]), (1.0, "x+", &[Lost(A), SetDown(B)]), (2.0, "xd", &[])],
        );
        check(
            mirrors(),
            &[
                (0.0, "-+", &[Lost(A), SetDown(B)]),
                (1.0, "-x", &[Taken(B), Lost(B)]),
                (2.0, "+x", &[Back(A), SetDown(A)]),
            ],
        );
    }

    #[test]
    fn where_links_are_only_reported_nothing_is_set() {
        check(
            Mirror::new(false),
            &[
                (0.0, "++", &[]),
                (1.0, "-+", &[Lost(A)]),
                (2.0, "--", &[Lost(B)]),
                (3.0, "+-", &[Back(A)]),
            ],
        );
    }
}
