//! What other servers tell, heard on a connection of its own.
//!
//! What is told while nobody listens is lost, so whoever begins to listen, again or for the first time, is told that
//! anything may have changed. As long as anybody renews a lease something is heard every few seconds; after a silence the
//! connection is taken for broken.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use redis::Msg;
use redis::aio::PubSubStream;
use tokio::time::timeout;

use super::link::{CONNECTING, cannot_connect};
use super::primary;
use super::settings::Settings;
use crate::store::{Change, StoreError};

/// How long nothing may be heard.
const SILENCE: Duration = Duration::from_secs(15);
/// How long after a failure it is tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Who listens, and how far they are.
struct Listener {
    settings: Settings,
    who: String,
    heard: Option<PubSubStream>,
    pause: Duration,
}

/// What others than `who` tell.
pub(super) fn listen(settings: Settings, who: String) -> BoxStream<'static, Change> {
    changes(Listener { settings, who, heard: None, pause: PAUSES.0 }).boxed()
}

fn changes(listener: Listener) -> impl Stream<Item = Change> {
    let steps = stream::unfold(listener, |mut listener| async move {
        let changes = listener.next().await;
        Some((stream::iter(changes), listener))
    });
    steps.flatten()
}

impl Listener {
    async fn next(&mut self) -> Vec<Change> {
        let Some(heard) = &mut self.heard else {
            self.begin().await;
            return vec![Change::Missed];
        };
        if let Ok(Some(message)) = timeout(SILENCE, heard.next()).await {
            return self.read(&message);
        }
        tracing::warn!("nothing is heard of redis any more; listening anew");
        self.heard = None;
        Vec::new()
    }

    /// Returns when it listens.
    async fn begin(&mut self) {
        loop {
            match self.subscribe().await {
                Ok(heard) => {
                    self.pause = PAUSES.0;
                    self.heard = Some(heard);
                    return;
                }
                Err(error) => {
                    tracing::debug!(error = %error, "cannot listen to redis yet");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    async fn subscribe(&self) -> Result<PubSubStream, StoreError> {
        let late = |_| StoreError::Unavailable("redis has not answered in time".to_owned());
        let client = primary::find(&self.settings).await?;
        let listening = timeout(CONNECTING, client.get_async_pubsub()).await.map_err(late)?;
        let mut listening = listening.map_err(|error| cannot_connect(&client, &error))?;
        let channel = format!("{}:changes", self.settings.prefix);
        let subscribed = timeout(CONNECTING, listening.subscribe(channel)).await.map_err(late)?;
        subscribed.map_err(|error| cannot_connect(&client, &error))?;
        Ok(listening.into_on_message())
    }

    /// What a message tells; nothing, where it is this server's own or none that this program knows.
    fn read(&self, message: &Msg) -> Vec<Change> {
        let Ok(text) = std::str::from_utf8(message.get_payload_bytes()) else { return Vec::new() };
        let mut words = text.split(' ');
        if words.next() == Some(&self.who) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        while let Some(word) = words.next() {
            changes.extend(match word {
                "request" => words.next().and_then(|id| id.parse().ok()).map(Change::Request),
                "queue" => Some(Change::Queue),
                "gates" => Some(Change::Gates),
                "catalog" => Some(Change::Catalog),
                _ => None,
            });
        }
        changes
    }
}
