//! Attaching: native, else generic; and who is there already.

use std::fmt;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::links::FdLink;
use aya::programs::xdp::XdpLink;
use aya::programs::{ProgramError, Xdp, XdpMode as KernelMode, loaded_programs};
use libbpf_rs::{Xdp as Query, XdpFlags};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::SteerError;
use super::error::errno;
use crate::config::XdpMode;

/// How long a closed link may keep its place: a fork and its exec take a few milliseconds, on a machine
/// under load some hundred. Longer, and something else holds it.
const LEAVING_AT_MOST: Duration = Duration::from_secs(2);
/// The kernel tells nobody when a link goes.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before the kernel has built an skb.
    Native,
    /// In the generic hook, after.
    Generic,
    /// On the NIC itself. Sluice's own never is.
    Offloaded,
}

impl AttachMode {
    /// What `ip link set dev … off` calls it.
    pub(super) const fn ip_link_keyword(self) -> &'static str {
        match self {
            Self::Native => "xdpdrv",
            Self::Generic => "xdpgeneric",
            Self::Offloaded => "xdpoffload",
        }
    }
}

impl fmt::Display for AttachMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
        })
    }
}

/// How the program was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Where it runs.
    pub mode: AttachMode,
    /// Why it is generic where native was tried first.
    pub reason: Option<String>,
}

/// An XDP program that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its number, as `bpftool prog show id` takes it.
    pub id: u32,
    /// Its name, where the kernel tells.
    pub name: Option<String>,
    /// Where it runs.
    pub mode: AttachMode,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("without a name");
        write!(f, "{name} (id {}, {})", self.id, self.mode)
    }
}

/// The program on an interface. Dropped, it is off.
#[derive(Debug)]
pub(super) struct Attachment {
    /// The kernel takes the program off when the last descriptor of its link is closed, be it by this
    /// process's death. It is closed on exec, so no child has one.
    _link: FdLink,
}

impl Attachment {
    pub(super) fn new(
        program: &mut Xdp,
        iface: &str,
        mode: XdpMode,
    ) -> Result<(Self, Attached), SteerError> {
        let target = Target::find(iface)?;
        target.refuse_foreign(program)?;
        let (link, attached) = target.attach(program, mode)?;
        Ok((Self { _link: link }, attached))
    }
}

struct Target<'a> {
    iface: &'a str,
    index: u32,
}

impl<'a> Target<'a> {
    fn find(iface: &'a str) -> Result<Self, SteerError> {
        let index = if_nametoindex(iface)
            .map_err(|_| SteerError::NoInterface { iface: iface.to_owned() })?;
        Ok(Self { iface, index })
    }

    fn attach(&self, program: &mut Xdp, mode: XdpMode) -> Result<(FdLink, Attached), SteerError> {
        let attached = |mode, reason| Attached { mode, reason };
        let native = match mode {
            XdpMode::Generic => None,
            XdpMode::Native | XdpMode::Auto => Some(self.try_attach(program, AttachMode::Native)),
        };
        match native {
            Some(Ok(link)) => Ok((link, attached(AttachMode::Native, None))),
            Some(Err(SteerError::Attach { reason, errno, .. }))
                if mode == XdpMode::Auto && is_worth_generic(errno) =>
            {
                let link = self.try_attach(program, AttachMode::Generic)?;
                Ok((link, attached(AttachMode::Generic, Some(reason))))
            }
            Some(Err(error)) => Err(error),
            None => {
                let link = self.try_attach(program, AttachMode::Generic)?;
                Ok((link, attached(AttachMode::Generic, None)))
            }
        }
    }

    fn try_attach(&self, program: &mut Xdp, mode: AttachMode) -> Result<FdLink, SteerError> {
        let kernel_mode = match mode {
            AttachMode::Native => KernelMode::Driver,
            AttachMode::Generic => KernelMode::Skb,
            AttachMode::Offloaded => KernelMode::Hardware,
        };
        let link = program
            .attach_to_if_index(self.index, kernel_mode)
            .and_then(|id| program.take_link(id));
        match link {
            Ok(link) => self.tied(program, mode, link),
            Err(error) => {
                // Somebody may have come between the question and the attachment.
                self.refuse_foreign(program)?;
                Err(self.failed(mode, &error))
            }
        }
    }

    /// Where `bpf_link_create` answers EINVAL, aya tries the older call, which ties the program to the
    /// interface and not to a descriptor.
    fn tied(&self, program: &Xdp, mode: AttachMode, link: XdpLink) -> Result<FdLink, SteerError> {
        FdLink::try_from(link).map_err(|_| {
            let flags = match mode {
                AttachMode::Generic => XdpFlags::SKB_MODE,
                AttachMode::Native | AttachMode::Offloaded => XdpFlags::DRV_MODE,
            };
            if let Ok(fd) = program.fd() {
                // There is an error to report already.
                let _ = Query::new(fd.as_fd()).detach(self.index as i32, flags);
            }
            SteerError::NoLink { iface: self.iface.to_owned() }
        })
    }

    fn failed(&self, mode: AttachMode, error: &ProgramError) -> SteerError {
        let errno = match error {
            ProgramError::XdpError(aya::programs::xdp::XdpError::NetlinkError(error)) => {
                error.raw_os_error()
            }
            error => errno(error),
        };
        let reason = errno.map_or_else(|| error.to_string(), |number| explain(mode, number));
        SteerError::Attach { iface: self.iface.to_owned(), mode, reason, errno }
    }

    /// Refuses an interface that has another program. One that has this very program is about to lose it:
    /// its link is closed, but a child that was forked meanwhile holds a copy of the descriptor until it
    /// executes its own program.
    fn refuse_foreign(&self, program: &Xdp) -> Result<(), SteerError> {
        let own = program.info().map_or(0, |info| info.id());
        let patience = Instant::now() + LEAVING_AT_MOST;
        loop {
            match self.occupant(program)? {
                None => return Ok(()),
                Some(leaving) if leaving.id == own && Instant::now() < patience => {
                    thread::sleep(LOOK_AGAIN);
                }
                Some(foreign) => {
                    return Err(SteerError::Foreign { iface: self.iface.to_owned(), foreign });
                }
            }
        }
    }

    /// The XDP program on the interface. There can be one in each place; the first will do.
    fn occupant(&self, program: &Xdp) -> Result<Option<Foreign>, SteerError> {
        let fd =
            program.fd().map_err(|source| SteerError::Load { source: Box::new(source.into()) })?;
        let found = Query::new(fd.as_fd())
            .query(self.index as i32, XdpFlags::NONE)
            .map_err(|source| SteerError::Query { iface: self.iface.to_owned(), source })?;
        let places = [
            (found.drv_prog_id, AttachMode::Native),
            (found.skb_prog_id, AttachMode::Generic),
            (found.hw_prog_id, AttachMode::Offloaded),
        ];
        let occupied = places.into_iter().find(|(id, _)| *id != 0);
        Ok(occupied.map(|(id, mode)| Foreign { id, name: name_of(id), mode }))
    }
}

/// The name of a loaded program.
fn name_of(id: u32) -> Option<String> {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .filter(|name| !name.is_empty())
}

/// Whether the generic hook may take what the driver refused. Not where the place is taken or the caller
/// may not do it: the generic hook would say the same.
const fn is_worth_generic(errno: Option<i32>) -> bool {
    !matches!(
        errno_of(errno),
        Errno::EPERM | Errno::EACCES | Errno::EBUSY | Errno::EEXIST | Errno::ENODEV
    )
}

const fn errno_of(number: Option<i32>) -> Errno {
    match number {
        Some(number) => Errno::from_raw(number),
        None => Errno::UnknownErrno,
    }
}

/// What an error number of an attachment means: kernel, net/core/dev.c `dev_xdp_attach`, and drivers.
fn explain(mode: AttachMode, number: i32) -> String {
    let errno = Errno::from_raw(number);
    let meaning = match (errno, mode) {
        (Errno::EOPNOTSUPP, AttachMode::Native) => "the driver has no native XDP",
        (Errno::EINVAL, AttachMode::Native) => {
            "the driver refuses the interface as it is set up: its MTU may be too large for XDP, or LRO \
             may be on (`ethtool -K IFACE lro off`); `dmesg` may know"
        }
        (Errno::EINVAL | Errno::EOPNOTSUPP, _) => "the interface takes no XDP program",
        (Errno::ERANGE, _) => "the MTU is too large for XDP in this driver",
        (Errno::ENOSPC | Errno::ENOMEM, _) => {
            "the driver has not enough queues or memory for XDP: use fewer queues (`ethtool -L`)"
        }
        (Errno::EPERM | Errno::EACCES, _) => "it takes root, or CAP_BPF and CAP_NET_ADMIN",
        (Errno::EBUSY | Errno::EEXIST, _) => "another XDP program is attached",
        (Errno::ENODEV, _) => "the interface has gone",
        _ => "the kernel refuses",
    };
    format!("{meaning} ({errno})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_explained_and_named() {
        let text = explain(AttachMode::Native, Errno::EOPNOTSUPP as i32);
        assert!(text.contains("no native XDP") && text.contains("EOPNOTSUPP"), "{text}");
        let text = explain(AttachMode::Generic, Errno::EINVAL as i32);
        assert!(text.contains("takes no XDP program"), "{text}");
        let text = explain(AttachMode::Native, 9999);
        assert!(text.contains("the kernel refuses"), "{text}");
    }

    #[test]
    fn the_generic_hook_is_not_tried_where_the_place_is_taken() {
        assert!(is_worth_generic(Some(Errno::EOPNOTSUPP as i32)));
        assert!(is_worth_generic(Some(Errno::EINVAL as i32)));
        assert!(is_worth_generic(None));
        assert!(!is_worth_generic(Some(Errno::EBUSY as i32)));
        assert!(!is_worth_generic(Some(Errno::EPERM as i32)));
    }
}
