//! Addresses of pods: each pod has one of its own in 127.0.0.0/8, and each agent a block of 65 534 of them.

use std::{
    net::Ipv4Addr,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
};

use anyhow::{Result, bail};

const BLOCKS: std::ops::RangeInclusive<u8> = 77..=250;

/// Gives out the addresses of one block, oldest last: none comes back before all others were used.
#[derive(Debug)]
pub struct Addresses {
    block: u8,
    next: u16,
    _claim: Option<UnixListener>,
}

impl Addresses {
    /// Takes the first block that no other agent on this machine holds: by a name that ends with its process, and not by a
    /// port, as a real kubelet has its own at every address.
    ///
    /// # Errors
    /// When all blocks are taken.
    pub fn claim() -> Result<Self> {
        for block in BLOCKS {
            let name = SocketAddr::from_abstract_name(format!("aviary-node-agent-{block}"))?;
            if let Ok(claim) = UnixListener::bind_addr(&name) {
                return Ok(Self { block, next: 2, _claim: Some(claim) });
            }
        }
        bail!("no free block of addresses in 127.77.0.0 to 127.250.0.0: other agents hold each; stop some")
    }

    /// The node's own address.
    pub fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.block, 0, 1)
    }

    /// An address for a new pod.
    pub fn allocate(&mut self) -> Ipv4Addr {
        let [high, low] = self.next.to_be_bytes();
        self.next = if self.next == u16::MAX - 1 { 2 } else { self.next + 1 };
        Ipv4Addr::new(127, self.block, high, low)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_address_comes_back_before_the_block_is_used_up() {
        let mut addresses = Addresses { block: 77, next: 2, _claim: None };
        let first = addresses.allocate();
        let mut seen = HashSet::from([first]);
        loop {
            let address = addresses.allocate();
            assert_ne!(address, addresses.host());
            if address == first {
                break;
            }
            assert!(seen.insert(address), "{address} came twice");
        }
        assert_eq!(seen.len(), 65_533);
    }

    #[test]
    fn a_kubelet_on_this_machine_takes_no_block_away() {
        // Where one runs, this fails and is true all the same.
        let _kubelet = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 10250));
        Addresses::claim().unwrap();
    }

    #[test]
    fn two_agents_never_share_a_block() {
        let (one, other) = (Addresses::claim().unwrap(), Addresses::claim().unwrap());
        assert_ne!(one.host(), other.host());
    }
}
