//! Servers that are none, that are not there, or that do not go on.

use std::net::Ipv4Addr;

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::*;
use super::server::{PATIENCE, Server, port};

struct Client {
    folder: tempfile::TempDir,
}

impl Client {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        std::fs::write(folder.path().join("id"), key.to_openssh(LineEnding::LF).unwrap()).unwrap();
        Self { folder }
    }

    async fn error(&self, host: &str, port: u16, connect: Duration) -> SourceError {
        let settings = SshSettings {
            key: Some(self.folder.path().join("id")),
            passphrase: None,
            known_hosts: None,
            strict: true,
            connect,
            stall: PATIENCE,
        };
        let address = SshAddress { user: "git", host, port };
        open(&settings, address, "true", &[]).await.err().expect("refused")
    }
}

/// What is told of a server that does this with who connects.
async fn told_of<Doing: Future<Output = ()> + Send>(
    connect: Duration,
    serve: impl Fn(TcpStream) -> Doing + Send + 'static,
) -> (u16, SourceError) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream).await;
        }
    });
    let error = Client::new().error("127.0.0.1", port, connect).await;
    serving.abort();
    (port, error)
}

#[tokio::test]
async fn a_web_server_is_no_ssh_server() {
    let (port, error) = told_of(PATIENCE, async |mut stream| {
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        let answer = "HTTP/1.1 400 Bad Request\r\nServer: birds\r\nConnection: close\r\n\r\n<h1>no</h1>";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(error.fault, Fault::Malformed);
    let expected = format!("what answers at [127.0.0.1]:{port} is no ssh server; it says `HTTP/1.1 400 Bad Request`");
    assert_eq!(error.message, expected);
}

#[tokio::test]
async fn a_server_that_has_no_time_is_left_alone_for_a_while() {
    let (_, error) = told_of(PATIENCE, async |mut stream| {
        stream.write_all(b"Exceeded MaxStartups\r\n").await.unwrap();
    })
    .await;
    assert_eq!(error.fault, Fault::Throttled);
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once_is_told() {
    let (port, error) = told_of(PATIENCE, async |mut stream| {
        // What came has to be read: the end is a reset otherwise.
        let mut asked = [0; 512];
        let _ = stream.read(&mut asked).await.unwrap();
    })
    .await;
    assert_eq!(error.fault, Fault::Interrupted);
    let expected = format!("the ssh server [127.0.0.1]:{port} ended the connection before it said who it is");
    assert_eq!(error.message, expected);
}

#[tokio::test]
async fn a_server_that_hangs_up_after_its_name_is_told() {
    let (port, error) = told_of(PATIENCE, async |mut stream| {
        stream.write_all(b"SSH-2.0-birds\r\n").await.unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
    })
    .await;
    assert_eq!(error.fault, Fault::Interrupted);
    assert_eq!(error.message, format!("the ssh server [127.0.0.1]:{port} ended the connection in the middle"));
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_is_told() {
    let (_, error) = told_of(PATIENCE, async |mut stream| {
        stream.write_all(b"SSH-2.0-birds\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").await.unwrap();
        drop(stream.read_to_end(&mut Vec::new()).await);
    })
    .await;
    assert_eq!(error.fault, Fault::Malformed);
    assert!(error.message.contains("does not keep to the protocol"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_without_end() {
    let (port, error) = told_of(Duration::from_secs(2), async |stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(error.fault, Fault::Stalled);
    assert_eq!(error.message, format!("the ssh server [127.0.0.1]:{port} does not say anything within 2s"));
}

#[tokio::test]
async fn a_server_that_only_says_its_name_is_not_waited_for_without_end() {
    let (_, error) = told_of(Duration::from_secs(2), async |mut stream| {
        stream.write_all(b"SSH-2.0-birds\r\n").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(error.fault, Fault::Stalled);
    assert!(error.message.ends_with("does not finish the key exchange within 2s"), "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let (port, _held) = port();
    let error = Client::new().error("127.0.0.1", port, PATIENCE).await;
    assert_eq!(error.fault, Fault::Unreachable);
    let start = format!("cannot reach the ssh server [127.0.0.1]:{port}: 127.0.0.1:{port}: Connection refused");
    assert!(error.message.starts_with(&start), "{error}");
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let error = Client::new().error("nowhere.invalid", 22, PATIENCE).await;
    assert_eq!(error.fault, Fault::Unreachable);
    assert!(error.message.starts_with("cannot reach the ssh server nowhere.invalid: no address is known"), "{error}");
}

#[tokio::test]
async fn a_server_with_old_ways_only_is_told() {
    let Some(server) = Server::with(&["ed25519"], "KexAlgorithms diffie-hellman-group14-sha1") else { return };
    let error = server.open(&server.settings(), "true").await.err().unwrap();
    assert_eq!(error.fault, Fault::Malformed);
    assert!(error.message.contains("(Kex: diffie-hellman-group14-sha1"), "{error}");
}
