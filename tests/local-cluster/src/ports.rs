//! Free ports on loopback.
//!
//! They lie below the range that the kernel gives to outgoing connections: a
//! process that a test stops must find its port free when it starts again.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

use anyhow::{Context, Result};

const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// The ports of one cluster, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub etcd_client: u16,
    pub etcd_peer: u16,
    pub api_server: u16,
    pub controller_manager: u16,
    pub discovery: u16,
    pub prometheus: u16,
}

impl Ports {
    /// Finds ports that nobody listens on now.
    pub fn find() -> Result<Ports> {
        // All are held until all are found, so that no two are the same.
        let held =
            hold_free_ports(6).context("no free ports from 18000 to 31999 on 127.0.0.1; stop what listens there")?;
        let number = |index: usize| -> Result<u16> { Ok(held[index].local_addr()?.port()) };
        Ok(Ports {
            etcd_client: number(0)?,
            etcd_peer: number(1)?,
            api_server: number(2)?,
            controller_manager: number(3)?,
            discovery: number(4)?,
            prometheus: number(5)?,
        })
    }
}

/// A port on 127.0.0.1 that nobody listens on now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    let held = hold_free_ports(1).context("no free port from 18000 to 31999 on 127.0.0.1; stop what listens there")?;
    Ok(held[0].local_addr()?.port())
}

fn hold_free_ports(count: usize) -> Option<Vec<TcpListener>> {
    // The start differs from run to run, so that clusters which start together do not meet.
    let start = RandomState::new().hash_one(std::process::id());
    let candidates = (0..u64::from(COUNT)).map(|step| FIRST + ((start.wrapping_add(step)) % u64::from(COUNT)) as u16);
    let held: Vec<TcpListener> =
        candidates.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).take(count).collect();
    (held.len() == count).then_some(held)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn ports_are_distinct_and_free() {
        let ports = Ports::find().unwrap();
        let all = [
            ports.etcd_client,
            ports.etcd_peer,
            ports.api_server,
            ports.controller_manager,
            ports.discovery,
            ports.prometheus,
        ];
        let held: Vec<_> = all.iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
        assert!(held.iter().all(Result::is_ok), "all six can be listened on at once: {held:?}");
    }
}
