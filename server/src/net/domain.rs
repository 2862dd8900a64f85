//! What stands after the `@` when nobody said: the machine's own address, as others in its network see it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use wheesht_core::proto::address::DEFAULT_PORT;

/// The domain for a relay that listens here.
pub(super) fn of_this_machine(listening: SocketAddr) -> String {
    let ip = if listening.ip().is_unspecified() { outward() } else { listening.ip() };
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if listening.port() == DEFAULT_PORT { host } else { format!("{host}:{}", listening.port()) }
}

/// The address from which this machine would reach others. Connecting a UDP socket sends nothing; it asks the routing table.
fn outward() -> IpAddr {
    // 192.0.2.1 is reserved for documentation: any address outside the own network does.
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).map(|()| socket))
        .and_then(|socket| socket.local_addr());
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_names_the_port_unless_it_is_the_usual_one() {
        assert_eq!(of_this_machine(SocketAddr::from(([127, 0, 0, 1], 9000))), "127.0.0.1:9000");
        assert_eq!(of_this_machine("[::1]:8443".parse().unwrap()), "[::1]");
        let own = of_this_machine(SocketAddr::from(([0, 0, 0, 0], 8443)));
        assert!(own.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified()), "{own}");
    }
}
