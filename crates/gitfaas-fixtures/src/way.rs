//! A way to a server, which can be made worse than any network. What goes over it is not looked at.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::address;

/// A way to one address, for as long as it is kept.
#[derive(Debug)]
pub struct Way {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    /// Nothing passes, in either direction.
    holds: bool,
    /// Connections are ended as they come.
    closed: bool,
    /// Nobody listens any more.
    over: bool,
    /// So many answers are lost, and their connections cut.
    loses: usize,
    /// How many connections there were.
    connections: usize,
    /// Both ends of those that stand.
    open: Vec<[TcpStream; 2]>,
}

/// What becomes of bytes.
#[derive(PartialEq, Eq)]
enum Fate {
    Pass,
    Cut,
}

impl Way {
    /// A way to a server.
    pub fn to(server: SocketAddr) -> Self {
        let address = address::own(server.port());
        let listener = TcpListener::bind(address).expect("an address of its own");
        let state = Arc::<State>::default();
        let listening = state.clone();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if !listening.takes(client, server) {
                    break;
                }
            }
        });
        Self { address, state }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing pass, in either direction, until it [goes on](Self::go_on); connections are made and stand.
    pub fn hold(&self) {
        self.change(|now| now.holds = true);
    }

    /// Lets everything pass, also what was held and new connections.
    pub fn go_on(&self) {
        self.change(|now| (now.holds, now.closed) = (false, false));
    }

    /// Cuts each connection that stands; new ones pass.
    pub fn cut(&self) {
        self.change(Now::cut);
    }

    /// Cuts each connection that stands, and each that comes, until it [goes on](Self::go_on).
    pub fn close(&self) {
        self.change(|now| {
            now.closed = true;
            now.cut();
        });
    }

    /// Loses the next `count` things that the server sends, and cuts the connections they were sent on: what was asked
    /// has been done, and nobody is told.
    pub fn lose_answers(&self, count: usize) {
        self.change(|now| now.loses = count);
    }

    /// How many answers are still to be lost.
    pub fn answers_to_lose(&self) -> usize {
        self.state.now.lock().unwrap_or_else(PoisonError::into_inner).loses
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.state.now.lock().unwrap_or_else(PoisonError::into_inner).connections
    }

    fn change(&self, how: impl FnOnce(&mut Now)) {
        how(&mut self.state.now.lock().unwrap_or_else(PoisonError::into_inner));
        self.state.changed.notify_all();
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.change(|now| now.over = true);
        self.close();
        // Who listens finds it closed, and ends.
        drop(TcpStream::connect(self.address));
    }
}

impl Now {
    fn cut(&mut self) {
        for end in self.open.drain(..).flatten() {
            // It may have ended by itself.
            drop(end.shutdown(Shutdown::Both));
        }
    }
}

impl State {
    /// Carries what comes over a connection; whether to listen on.
    fn takes(self: &Arc<Self>, client: TcpStream, server: SocketAddr) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.closed {
            return !now.over;
        }
        now.connections += 1;
        let Ok(server) = TcpStream::connect(server) else { return true };
        let twin = |stream: &TcpStream| stream.try_clone().expect("a socket");
        now.open.push([twin(&client), twin(&server)]);
        for (from, to, answers) in [(twin(&client), twin(&server), false), (server, client, true)] {
            drop(to.set_nodelay(true));
            let state = self.clone();
            std::thread::spawn(move || state.carry(from, to, answers));
        }
        true
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, answers: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if self.fate(answers) == Fate::Cut || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        for end in [from, to] {
            drop(end.shutdown(Shutdown::Both));
        }
    }

    /// Waits for as long as nothing passes.
    fn fate(&self, answers: bool) -> Fate {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now =
            self.changed.wait_while(now, |now| now.holds && !now.closed).unwrap_or_else(PoisonError::into_inner);
        if now.closed {
            return Fate::Cut;
        }
        if answers && now.loses > 0 {
            now.loses -= 1;
            return Fate::Cut;
        }
        Fate::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each line with itself.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(address::own(7)).expect("an address");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut buffer = [0; 16];
                std::thread::spawn(move || {
                    while let Ok(read @ 1..) = stream.read(&mut buffer) {
                        drop(stream.write_all(&buffer[..read]));
                    }
                });
            }
        });
        address
    }

    fn asked(stream: &mut TcpStream) -> usize {
        drop(stream.write_all(b"hello"));
        stream.read(&mut [0; 16]).unwrap_or(0)
    }

    #[test]
    fn what_is_cut_is_over_and_the_next_passes() {
        let way = Way::to(echo());
        let mut stream = TcpStream::connect(way.address()).expect("connected");
        assert_eq!(asked(&mut stream), 5);
        way.cut();
        assert_eq!(asked(&mut stream), 0);
        let mut next = TcpStream::connect(way.address()).expect("connected");
        assert_eq!(asked(&mut next), 5);
        way.lose_answers(1);
        assert_eq!((asked(&mut next), way.answers_to_lose()), (0, 0));
        way.close();
        let mut refused = TcpStream::connect(way.address()).expect("connected");
        assert_eq!(asked(&mut refused), 0);
        way.go_on();
        let mut last = TcpStream::connect(way.address()).expect("connected");
        assert_eq!((asked(&mut last), way.connections()), (5, 3));
    }

    #[test]
    fn what_is_held_arrives_when_it_goes_on() {
        let way = Way::to(echo());
        let mut stream = TcpStream::connect(way.address()).expect("connected");
        way.hold();
        stream.write_all(b"hello").expect("sent");
        stream.set_nonblocking(true).expect("an option");
        assert!(stream.read(&mut [0; 16]).is_err(), "nothing has come");
        stream.set_nonblocking(false).expect("an option");
        way.go_on();
        assert_eq!(stream.read(&mut [0; 16]).expect("an answer"), 5);
    }
}
