//! An HTTP proxy that knows `CONNECT` only, and notes what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The proxy.
pub(crate) struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What it was asked: where to, and with which `Proxy-Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
}

impl Proxy {
    /// One that lets everybody through, or only those who send `authorization` (`Basic …`).
    pub(crate) async fn new(authorization: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let proxy = Self { port: listener.local_addr().expect("an address").port(), asked: Arc::default() };
        let (asked, wanted) = (proxy.asked.clone(), authorization.map(str::to_owned));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, asked.clone(), wanted.clone()));
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("whole").clone()
    }
}

async fn serve(client: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, wanted: Option<String>) {
    let mut client = BufReader::new(client);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let target = lines.first().and_then(|line| line.strip_prefix("CONNECT ")?.split(' ').next()).map(str::to_owned);
    let header = |name: &str| {
        let fields = lines.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let authorization = header("proxy-authorization");
    let Some(target) = target else { return refuse(&mut client, "405 Method Not Allowed").await };
    asked.lock().expect("whole").push(Asked { target: target.clone(), authorization: authorization.clone() });
    if wanted.is_some() && wanted != authorization {
        return refuse(&mut client, "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"way\"")
            .await;
    }
    let Ok(mut server) = TcpStream::connect(&target).await else { return refuse(&mut client, "502 Bad Gateway").await };
    answer(&mut client, "200 Connection established").await;
    drop(copy_bidirectional(&mut client, &mut server).await);
}

async fn answer(client: &mut BufReader<TcpStream>, status: &str) {
    drop(client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await);
}

async fn refuse(client: &mut BufReader<TcpStream>, status: &str) {
    answer(client, &format!("{status}\r\nContent-Length: 0\r\nConnection: close")).await;
}
