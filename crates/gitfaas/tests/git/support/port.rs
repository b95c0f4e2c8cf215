//! A port of the loopback address that is this test's, also while nothing listens on it.

use socket2::{Domain, Socket, Type};

/// A port. Another program of the test may listen on it; who connects while none does is refused.
pub(crate) struct Port {
    number: u16,
    // Bound and never listening: nobody else is given the port, and those who say that they share it can have it.
    _held: Socket,
}

impl Port {
    pub(crate) fn free() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("shared");
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("an address");
        let address = socket.local_addr().expect("an address").as_socket().expect("of the network");
        Self { number: address.port(), _held: socket }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
