//! How an API server is found: a kubeconfig that was named, the pod's service account, or else the kubeconfig of the user.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::calls::Calls;
use super::circuit::{Circuit, CircuitLayer, chain};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Where an API server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Where {
    /// The kubeconfig file; `None` for the pod's service account, or else the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None` for the current one.
    pub context: Option<String>,
}

/// No API server could be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// Why, and what to do: lower case, no full stop.
    pub message: String,
}

/// The way to an API server, which may be down.
pub(super) struct Found {
    pub(super) calls: Calls,
    /// The server's URL, for people.
    pub(super) url: String,
    /// The namespace of the service account or of the context.
    pub(super) namespace: String,
}

/// Finds the API server; does not ask it anything.
pub(super) async fn find(place: &Where, timeout: Duration) -> Result<Found, ConnectError> {
    let mut config = config(place).await?;
    // What is repeated and when is the engine's to say.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    // Everything has its own time: calls in `calls`, watches in the watcher, logs last as long as their pods.
    config.read_timeout = None;
    let (url, namespace) = (shown(&config.cluster_url), config.default_namespace.clone());
    let proxy = config.proxy_url.clone();
    let circuit = Circuit::new();
    let client = ClientBuilder::try_from(config)
        .map_err(|error| {
            let mut why = chain(&error);
            if let Some(proxy) = &proxy {
                // The error is about the proxy, with the password that is part of its URL.
                why = why.replace(&proxy.to_string(), &shown(proxy)).replace(&format!("{proxy:?}"), &shown(proxy));
            }
            ConnectError { message: format!("cannot talk to {url}: {why}") }
        })?
        .with_layer(&CircuitLayer(Arc::clone(&circuit)))
        .build();
    tokio::spawn(Circuit::watch_over(Arc::downgrade(&circuit), Client::clone(&client)));
    Ok(Found { calls: Calls { client, circuit, timeout }, url, namespace })
}

/// A URL without what it may say of a user and a password.
fn shown(url: &http::Uri) -> String {
    let text = url.to_string();
    match url.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
        Some((user, _)) => text.replacen(&format!("{user}@"), "", 1),
        None => text,
    }
}

async fn config(place: &Where) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &place.kubeconfig {
        let wrong = |error: &dyn std::fmt::Display| ConnectError {
            message: format!("the kubeconfig {} cannot be used: {error}", path.display()),
        };
        let read = Kubeconfig::read_from(path).map_err(|error| wrong(&chain(&error)))?;
        return Config::from_custom_kubeconfig(read, &options).await.map_err(|error| wrong(&chain(&error)));
    }
    let named = place.context.is_some() || std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty());
    let in_pod = if named { None } else { Config::incluster().ok() };
    match in_pod {
        Some(config) => Ok(config),
        None => Config::from_kubeconfig(&options).await.map_err(|error| ConnectError {
            message: format!(
                "no cluster is known: this is no pod with a service account, and {}; name a kubeconfig with \
                 --kubeconfig, or let functions run as processes of this machine with --cluster local",
                chain(&error)
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, told) in [
            ("https://ada:s3cret@127.0.0.1:6443/a", "https://127.0.0.1:6443/a"),
            ("https://ada@example", "https://example/"),
            ("https://[::1]:6443/", "https://[::1]:6443/"),
        ] {
            assert_eq!(shown(&url.parse().expect("a URL")), told);
        }
    }
}
