//! Addresses that are one server's alone: all of 127.0.0.0/8 is this machine, so nobody has to look for a free port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many addresses a process has before it comes to those of the next one.
const EACH: u32 = 64;
/// How many there are: from 127.1.0.1 to 127.254.255.254, without what ends in 0 or 255.
const ALL: u32 = 254 * 256 * 254;

/// An address with this port that nobody listens on and that this process has not given before.
pub fn own(port: u16) -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = u64::from(std::process::id()) * u64::from(EACH);
    for _ in 0..ALL {
        let next = first + u64::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::new(numbered(u32::try_from(next % u64::from(ALL)).unwrap_or_default()), port);
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    unreachable!("each address of 127.0.0.0/8 is in use");
}

fn numbered(number: u32) -> IpAddr {
    let [a, b, c] = [number / (254 * 256) + 1, number / 254 % 256, number % 254 + 1];
    let byte = |part: u32| u8::try_from(part).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(127, byte(a), byte(b), byte(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_given_twice() {
        let (one, other) = (own(6379), own(6379));
        assert_ne!(one, other);
        assert!(one.ip().is_loopback() && one.port() == 6379, "{one}");
        let _listening = TcpListener::bind(one).expect("free");
    }

    #[test]
    fn the_first_and_the_last_number_are_addresses() {
        assert_eq!(numbered(0).to_string(), "127.1.0.1");
        assert_eq!(numbered(ALL - 1).to_string(), "127.254.255.254");
    }
}
