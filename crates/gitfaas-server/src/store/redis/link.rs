//! The connection to the primary, over which everything goes but what is listened to: made when it is needed, made anew
//! when it broke, and shared by all who ask.
//!
//! * **When a connection breaks**, nobody can tell whether what was sent has been done. What is safe to do twice is sent
//!   once more over a new connection; for the rest the store is unavailable.
//! * **When nothing answers**, the connection is given up, so that who comes next does not wait behind it.
//! * **When no connection can be made**, all who ask meanwhile get the same answer, and for a moment after that everybody
//!   gets it at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, ServerErrorKind, Value};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::primary;
use super::reply::{self, failure};
use super::scripts::Script;
use super::settings::{Place, Settings};
use crate::store::StoreError;

/// How long a connection may take until it can be used.
pub(super) const CONNECTING: Duration = Duration::from_secs(2);
/// How long an answer may take: a disk that is slow is waited for, one that hangs is not.
const ANSWERING: Duration = Duration::from_secs(5);
/// How long after a failure to connect nobody tries again.
const PAUSE: Duration = Duration::from_millis(200);
/// More than may ever be under way.
const TURNS: u32 = 1 << 20;

/// What is asked of a script.
pub(super) struct Ask<'a> {
    script: &'static Script,
    prefix: &'a str,
    /// In place of a word that is `0`: whether it is sent once more.
    marks_repeats: bool,
    /// Whether it is safe to do twice.
    repeats: bool,
    arguments: Vec<Argument<'a>>,
}

/// A word of what is asked.
enum Argument<'a> {
    Text(String),
    Bytes(&'a [u8]),
}

impl<'a> Ask<'a> {
    /// Something that only reads, or that is safe to do twice.
    pub(super) fn again(script: &'static Script, prefix: &'a str) -> Self {
        Self { script, prefix, marks_repeats: false, repeats: true, arguments: Vec::new() }
    }

    /// Something that is not sent once more.
    pub(super) fn once(script: &'static Script, prefix: &'a str) -> Self {
        Self { repeats: false, ..Self::again(script, prefix) }
    }

    /// Something that is safe to do twice as long as its script knows which time it is: its second word says so.
    pub(super) fn marked(script: &'static Script, prefix: &'a str) -> Self {
        Self { marks_repeats: true, ..Self::again(script, prefix) }
    }

    /// Adds a word.
    #[must_use]
    pub(super) fn with(mut self, word: impl ToString) -> Self {
        self.push(word);
        self
    }

    /// Adds bytes as they are.
    #[must_use]
    pub(super) fn bytes(mut self, bytes: &'a [u8]) -> Self {
        self.arguments.push(Argument::Bytes(bytes));
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "what is sent is mostly made where it is sent")]
    pub(super) fn push(&mut self, word: impl ToString) {
        self.arguments.push(Argument::Text(word.to_string()));
    }

    pub(super) fn push_bytes(&mut self, bytes: &'a [u8]) {
        self.arguments.push(Argument::Bytes(bytes));
    }

    fn command(&self, again: bool) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.hash.as_str()).arg(0).arg(self.prefix);
        for (place, argument) in self.arguments.iter().enumerate() {
            match argument {
                _ if again && self.marks_repeats && place == 1 => command.arg("1"),
                Argument::Text(text) => command.arg(text),
                Argument::Bytes(bytes) => command.arg(*bytes),
            };
        }
        command
    }
}

/// The connection, and how it is made.
pub(super) struct Link {
    settings: Settings,
    current: ArcSwapOption<Line>,
    making: Mutex<Option<(Instant, StoreError)>>,
    turns: Semaphore,
}

/// A connection that stands, as far as it is known.
struct Line {
    connection: MultiplexedConnection,
    /// Where it goes to.
    to: String,
}

/// What is to be done about a failure.
enum Next {
    /// The script is not there: it is loaded.
    Load,
    /// The connection is given up; perhaps it was done.
    Reconnect,
    /// The connection is given up; it was not done, so that it may be sent to the right one.
    Elsewhere,
    /// The connection is given up, and nothing is sent again.
    GiveUp,
    /// That is the answer.
    Tell,
}

impl Link {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            current: ArcSwapOption::empty(),
            making: Mutex::new(None),
            turns: Semaphore::new(TURNS as usize),
        }
    }

    /// Has a script do what is asked.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Value, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| closed())?;
        self.send(ask).await
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Value, StoreError> {
        let (mut loaded, mut again) = (false, false);
        loop {
            let line = self.line().await?;
            let error = match line.connection.clone().send_packed_command(&ask.command(again)).await {
                Ok(Value::ServerError(error)) => RedisError::from(error),
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match next(&error) {
                Next::Load if !loaded => {
                    loaded = true;
                    self.load(&line, ask.script).await?;
                }
                Next::Reconnect if ask.repeats && !again => {
                    self.give_up(&line);
                    again = true;
                }
                Next::Elsewhere if !again => {
                    self.give_up(&line);
                    again = true;
                }
                Next::Reconnect | Next::Elsewhere | Next::GiveUp => {
                    self.give_up(&line);
                    return Err(failure(&error));
                }
                Next::Load | Next::Tell => {
                    tracing::debug!(store.script = ask.script.name, error = %error, "redis refused a step");
                    return Err(failure(&error));
                }
            }
        }
    }

    /// Asks Redis about itself.
    pub(super) async fn about(&self, words: &[&str]) -> Result<Value, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| closed())?;
        let line = self.line().await?;
        let mut command = redis::cmd(words.first().unwrap_or(&"PING"));
        command.arg(words.get(1..).unwrap_or_default());
        match line.connection.clone().send_packed_command(&command).await {
            Ok(Value::ServerError(error)) => Err(failure(&RedisError::from(error))),
            Ok(value) => Ok(value),
            Err(error) => {
                if !matches!(next(&error), Next::Tell | Next::Load) {
                    self.give_up(&line);
                }
                Err(failure(&error))
            }
        }
    }

    /// Ends the connection, after `last` has been asked when nothing else is under way any more.
    pub(super) async fn close(&self, last: Option<Ask<'_>>) {
        let Ok(all) = self.turns.acquire_many(TURNS).await else { return };
        self.turns.close();
        if let Some(last) = last
            && let Err(error) = self.send(last).await
        {
            tracing::warn!(error = %error, "the leases could not be given back; they run out by themselves");
        }
        self.current.store(None);
        drop(all);
    }

    /// Where and how the primary is found.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    async fn load(&self, line: &Arc<Line>, script: &Script) -> Result<(), StoreError> {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(script.text);
        match line.connection.clone().send_packed_command(&command).await {
            Ok(Value::BulkString(hash)) if hash == script.hash.as_bytes() => Ok(()),
            Ok(Value::ServerError(error)) => Err(failure(&RedisError::from(error))),
            Ok(_) => Err(reply::unexpected()),
            Err(error) => {
                self.give_up(line);
                Err(failure(&error))
            }
        }
    }

    async fn line(&self) -> Result<Arc<Line>, StoreError> {
        if let Some(line) = self.current.load_full() {
            return Ok(line);
        }
        let mut failed = self.making.lock().await;
        // Somebody else has made one, or tried, while this one waited.
        if let Some(line) = self.current.load_full() {
            return Ok(line);
        }
        if let Some((at, error)) = failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            tracing::trace!(since = ?at.elapsed(), "no connection to redis is tried so soon");
            return Err(error.clone());
        }
        match self.connect().await {
            Ok((connection, to)) => {
                let line = Arc::new(Line { connection, to });
                self.current.store(Some(line.clone()));
                *failed = None;
                Ok(line)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, String), StoreError> {
        let client = primary::find(&self.settings).await?;
        Ok((connection(&client, ANSWERING).await?, place(&client)))
    }

    /// Gives up a connection to what the Sentinels do not take for the primary any more. It may not know yet, and what it
    /// takes meanwhile is lost.
    pub(super) async fn follow(&self) {
        let (Some(line), Place::Sentinels(..)) = (self.current.load_full(), self.settings.address.place()) else {
            return;
        };
        if let Ok(client) = primary::find(&self.settings).await
            && place(&client) != line.to
        {
            tracing::warn!(before = line.to, now = place(&client), "the Sentinels name another primary");
            self.give_up(&line);
        }
    }

    fn give_up(&self, line: &Arc<Line>) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
            self.current.compare_and_swap(&current, None);
        }
    }
}

/// A connection to what a client names.
pub(super) async fn connection(client: &Client, answering: Duration) -> Result<MultiplexedConnection, StoreError> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTING)).set_response_timeout(Some(answering));
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| cannot_connect(client, &error))
}

fn place(client: &Client) -> String {
    client.get_connection_info().addr().to_string()
}

/// Why there is no connection, with where it was to go.
pub(super) fn cannot_connect(client: &Client, error: &RedisError) -> StoreError {
    let place = place(client);
    match failure(error) {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("no connection to {place}: {why}")),
        other => other,
    }
}

fn next(error: &RedisError) -> Next {
    match error.kind() {
        redis::ErrorKind::Server(ServerErrorKind::NoScript) => Next::Load,
        redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => Next::Elsewhere,
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => Next::Tell,
        _ if error.is_timeout() => Next::GiveUp,
        _ => Next::Reconnect,
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed, the server is stopping".to_owned())
}
