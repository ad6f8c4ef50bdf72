//! What is to be changed so that so many queues share the packets.

use rtnetlink::Handle;

use super::super::super::journal::{Change, ChangeError, Journal, JournalError};
use super::RssError;
use super::channels::{Channels, ChannelsChange, Queues, queues};
use super::table::{IndirectionChange, Spread, equal, read};

/// Sees to it that the receive queues of `iface` from 0 to `wanted` serve, and share its packets equally;
/// what it changes is in the journal first. What is so already is left alone.
///
/// # Errors
/// [`RssError`] where interface or kernel cannot, and where the journal cannot be written.
pub async fn manage(
    iface: &str,
    wanted: u32,
    journal: &mut Journal,
    handle: &Handle,
) -> Result<(), JournalError> {
    // Twice: most drivers make their table anew with their queues, and what it is then nobody foretells.
    for _ in 0..2 {
        for change in plan(iface, wanted).await.map_err(ChangeError::from)? {
            journal.apply(change, handle).await?;
        }
    }
    Ok(())
}

/// The next changes on the way to `wanted` queues, to be made in this order. Once they are made, plan again:
/// nothing is left to change when there are none.
///
/// # Errors
/// [`RssError`] where interface or kernel cannot.
pub async fn plan(iface: &str, wanted: u32) -> Result<Vec<Change>, RssError> {
    let table = read(iface).await?.map(|rss| rss.table).unwrap_or_default();
    changes(iface, &queues(iface).await?, &table, wanted.max(1))
}

fn changes(
    iface: &str,
    queues: &Queues,
    table: &[u32],
    wanted: u32,
) -> Result<Vec<Change>, RssError> {
    let serving = queues.now.receiving();
    let spread = Spread::of(table);
    let indirection = || {
        let new = equal(table.len(), wanted);
        Change::Indirection(IndirectionChange { iface: iface.to_owned(), old: table.to_vec(), new })
    };
    let channels = |new: Channels| {
        Change::Channels(ChannelsChange { iface: iface.to_owned(), old: queues.now, new })
    };
    match queues.with(wanted) {
        // The kernel takes no queue away that a table names which somebody has made. One that all share
        // equally is the driver's own, and follows by itself.
        Some(new) if new.receiving() < serving && !table.is_empty() && !spread.is_over(serving) => {
            Ok(vec![indirection(), channels(new)])
        }
        Some(new) if new != queues.now => Ok(vec![channels(new)]),
        None if wanted > serving => Err(RssError::TooFew {
            iface: iface.to_owned(),
            wanted,
            most: queues.most_receiving().max(serving),
        }),
        None if table.is_empty() => {
            Err(RssError::Fixed { iface: iface.to_owned(), wanted, queues: serving })
        }
        _ if table.is_empty() || spread.is_over(wanted) => Ok(Vec::new()),
        _ => Ok(vec![indirection()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn combined(combined: u32) -> Channels {
        Channels { combined, rx: 0, tx: 0 }
    }

    /// An interface that serves `now` queues of eight.
    const fn eight(now: u32) -> Queues {
        Queues { now: combined(now), most: combined(8), settable: true }
    }

    const fn fixed(now: u32) -> Queues {
        Queues { now: combined(now), most: combined(now), settable: false }
    }

    fn channels(old: u32, new: u32) -> Change {
        let (iface, old, new) = ("eth1".to_owned(), combined(old), combined(new));
        Change::Channels(ChannelsChange { iface, old, new })
    }

    fn indirection(old: &[u32], new: &[u32]) -> Change {
        let (iface, old, new) = ("eth1".to_owned(), old.to_vec(), new.to_vec());
        Change::Indirection(IndirectionChange { iface, old, new })
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        let plan = |queues: Queues, table: &[u32], wanted| {
            changes("eth1", &queues, table, wanted).unwrap()
        };
        assert_eq!(plan(eight(4), &[0, 0, 1, 1, 2, 2, 3, 3], 4), [], "in whatever order");
        assert_eq!(plan(eight(4), &[], 4), []);
        assert_eq!(plan(fixed(1), &[], 1), []);
    }

    #[test]
    fn a_table_follows_its_queues_by_itself_unless_somebody_has_made_it() {
        let plan =
            |now, table: &[u32], wanted| changes("eth1", &eight(now), table, wanted).unwrap();
        assert_eq!(plan(4, &[0, 1, 2, 3], 2), [channels(4, 2)]);
        assert_eq!(plan(2, &[0, 1, 0, 1], 4), [channels(2, 4)]);
        assert_eq!(plan(4, &[], 2), [channels(4, 2)]);
        let made = [0, 0, 0, 3];
        assert_eq!(plan(4, &made, 2), [indirection(&made, &[0, 1, 0, 1]), channels(4, 2)]);
        assert_eq!(plan(4, &made, 8), [channels(4, 8)], "the table once they are there");
        assert_eq!(plan(8, &made, 8), [indirection(&made, &[0, 1, 2, 3])]);
    }

    #[test]
    fn queues_that_cannot_be_taken_away_are_left_out_of_the_table() {
        let plan = |queues: Queues, table: &[u32], wanted| changes("eth1", &queues, table, wanted);
        let all = [0, 1, 2, 3];
        assert_eq!(plan(fixed(4), &all, 2).unwrap(), [indirection(&all, &[0, 1, 0, 1])]);
        let refused = plan(fixed(4), &[], 2).unwrap_err().to_string();
        assert!(refused.contains("over 4 receive queues, 2 are wanted"), "{refused}");
    }

    #[test]
    fn more_queues_than_there_are_is_refused_with_how_many_there_can_be() {
        for (queues, most) in [(eight(4), 8), (fixed(1), 1)] {
            let refused = changes("eth1", &queues, &[], 9).unwrap_err().to_string();
            assert!(refused.contains(&format!("set worker.count to {most} or less")), "{refused}");
        }
    }
}
