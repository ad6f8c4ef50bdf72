//! A burst for people to read: one line a packet, the fields that Linux compares.

use std::fmt;

use super::Sent;

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = &self.packet;
        let (src, dst) = (packet.src, packet.dst);
        write!(f, "{src}:{} > {dst}:{} ", packet.src_port, packet.dst_port)?;
        write!(f, "protocol {} flags {:#04x} ", packet.protocol.0, packet.flags.0)?;
        write!(f, "seq {} ack {} win {} ", packet.seq, packet.ack, packet.window)?;
        write!(f, "len {} ttl {} tos {:#x} ", packet.payload.len(), packet.ttl, packet.tos)?;
        if packet.src.is_ipv6() {
            write!(f, "label {:#x} extensions {:?}", packet.flow_label, packet.extensions)?;
        } else {
            write!(f, "id {} frag {:#06x}", packet.id, packet.fragment_word)?;
        }
        self.rarities(f)
    }
}

impl Sent {
    /// What few packets have.
    fn rarities(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = &self.packet;
        write!(f, " options {:02x?} checksum {:?}", packet.options, packet.checksum)?;
        if !packet.tags.is_empty() {
            write!(f, " tags {:?}", packet.tags)?;
        }
        if !packet.ip_options.is_empty() {
            write!(f, " IP options {} bytes", packet.ip_options.len())?;
        }
        if (packet.padding, packet.reserved, packet.urgent) != (0, 0, 0) {
            write!(f, " padding {} ", packet.padding)?;
            write!(f, "reserved {:#x} urgent {}", packet.reserved, packet.urgent)?;
        }
        write!(f, " IP checksum {:?} macs {:02x?}", packet.ip_checksum, packet.macs)?;
        if let Some(tunnel) = &packet.tunnel {
            write!(f, " in {tunnel:?}")?;
        }
        match self.damage {
            Some(damage) => write!(f, " damage {damage:?}"),
            None => Ok(()),
        }
    }
}
