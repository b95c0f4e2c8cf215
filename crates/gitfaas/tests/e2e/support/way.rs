//! The way from gitfaas to its API server, with a counter and a switch on it. What goes over it is not looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Api;

/// The way, for as long as it is kept.
pub(crate) struct Way {
    /// By which gitfaas goes over it.
    pub(crate) kubeconfig: PathBuf,
    counted: Arc<Counted>,
    open: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Counted {
    tries: AtomicUsize,
    connections: AtomicUsize,
    most_connections: AtomicUsize,
}

impl Way {
    /// A way to this API server.
    pub(crate) async fn to(api: &Api) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let here = listener.local_addr().expect("an address");
        let (mut config, server) = kubeconfig(api);
        let (host, port) = host_and_port(&server);
        for cluster in config["clusters"].as_array_mut().expect("clusters") {
            cluster["cluster"]["server"] = format!("https://{here}").into();
            cluster["cluster"]["tls-server-name"] = host.clone().into();
        }
        let way = Self {
            kubeconfig: write(folder.path(), &config),
            counted: Arc::default(),
            open: watch::Sender::new(true),
            _folder: folder,
        };
        tokio::spawn(listen(listener, (host, port), way.counted.clone(), way.open.subscribe()));
        way
    }

    /// How often something was asked so far: each connection is a question, and what is sent over one that stands.
    pub(crate) fn tries(&self) -> usize {
        self.counted.tries.load(Ordering::Relaxed)
    }

    /// The most connections that there were at once so far.
    pub(crate) fn most_connections(&self) -> usize {
        self.counted.most_connections.load(Ordering::Relaxed)
    }

    /// Breaks every connection, and lets no new one through until it is open again.
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

/// The kubeconfig of an API server with everything in it, and the server's URL.
pub(crate) fn kubeconfig(api: &Api) -> (Value, String) {
    let config = api.kubectl(&["config", "view", "--raw", "--flatten", "--minify", "--output", "json"]);
    let config: Value = serde_json::from_str(&config).expect("a kubeconfig");
    let server = config["clusters"][0]["cluster"]["server"].as_str().expect("a server").to_owned();
    (config, server)
}

/// Writes a kubeconfig, and says where.
pub(crate) fn write(folder: &Path, config: &Value) -> PathBuf {
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("written");
    path
}

fn host_and_port(url: &str) -> (String, u16) {
    let url: http::Uri = url.parse().expect("a URL");
    (url.host().expect("a host").trim_matches(['[', ']']).to_owned(), url.port_u16().unwrap_or(443))
}

async fn listen(listener: TcpListener, to: (String, u16), counted: Arc<Counted>, open: watch::Receiver<bool>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        counted.tries.fetch_add(1, Ordering::Relaxed);
        let connections = counted.connections.fetch_add(1, Ordering::Relaxed) + 1;
        counted.most_connections.fetch_max(connections, Ordering::Relaxed);
        let (to, counted, mut open) = (to.clone(), counted.clone(), open.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = carry(client, &to, &counted.tries) => {}
                _ = open.wait_for(|open| !open) => {}
            }
            counted.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Carries bytes both ways until either end is done. Where nobody listens, the connection ends at once.
async fn carry(mut client: TcpStream, to: &(String, u16), tries: &AtomicUsize) {
    let Ok(mut server) = TcpStream::connect((to.0.as_str(), to.1)).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asked = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut first = true;
        while let Ok(read) = from_client.read(&mut buffer).await {
            if read == 0 || to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            tries.fetch_add(usize::from(!first), Ordering::Relaxed);
            first = false;
        }
    };
    tokio::select! {
        () = asked => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}
