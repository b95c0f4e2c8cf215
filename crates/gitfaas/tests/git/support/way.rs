//! The way to a server, which can be made worse than any network. What goes over it is not looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It arrives.
    Passes,
    /// After so many bytes of a connection nothing comes any more.
    Stalls(u64),
    /// After so many bytes of a connection it is cut.
    Ends(u64),
}

/// A way to a port of this machine.
pub(crate) struct Way {
    port: u16,
    fate: watch::Sender<Fate>,
    passed: Arc<Passed>,
}

#[derive(Default)]
struct Passed {
    connections: AtomicUsize,
    bytes: AtomicU64,
}

impl Way {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let way = Self {
            port: listener.local_addr().expect("an address").port(),
            fate: watch::Sender::new(Fate::Passes),
            passed: Arc::default(),
        };
        let (fate, passed) = (way.fate.subscribe(), way.passed.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                passed.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(client, port, fate.clone(), passed.clone()));
            }
        });
        way
    }

    /// The URL of a server at the other end, as one comes to it over this way.
    pub(crate) fn by(&self, url: &str, port: u16) -> String {
        url.replace(&format!(":{port}"), &format!(":{}", self.port))
    }

    /// Passes everything on, also what was held.
    pub(crate) fn heals(&self) {
        self.fate.send_replace(Fate::Passes);
    }

    /// Holds what the server sends after so many bytes of a connection.
    pub(crate) fn stalls_after(&self, bytes: u64) {
        self.fate.send_replace(Fate::Stalls(bytes));
    }

    /// Cuts a connection after so many bytes from the server.
    pub(crate) fn ends_after(&self, bytes: u64) {
        self.fate.send_replace(Fate::Ends(bytes));
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.passed.connections.load(Ordering::Relaxed)
    }

    /// How many bytes came from the server.
    pub(crate) fn bytes(&self) -> u64 {
        self.passed.bytes.load(Ordering::Relaxed)
    }
}

async fn carry(client: TcpStream, port: u16, fate: watch::Receiver<Fate>, passed: Arc<Passed>) {
    let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = tokio::spawn(async move {
        // A side that has ended is told to the other, which ends too.
        drop(tokio::io::copy(&mut from_client, &mut to_server).await);
        drop(to_server.shutdown().await);
    });
    let mut sent = 0;
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        if !may_pass(fate.clone(), sent + read as u64).await || to_client.write_all(&buffer[..read]).await.is_err() {
            there.abort();
            return;
        }
        sent += read as u64;
        passed.bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
    drop(to_client.shutdown().await);
}

/// Whether a connection may go on to have passed so much; waits for as long as it is held.
async fn may_pass(mut fate: watch::Receiver<Fate>, sent: u64) -> bool {
    let held = |fate: &Fate| matches!(fate, Fate::Stalls(limit) if sent > *limit);
    match fate.wait_for(|fate| !held(fate)).await {
        Ok(fate) => !matches!(*fate, Fate::Ends(limit) if sent > limit),
        Err(_) => false,
    }
}
