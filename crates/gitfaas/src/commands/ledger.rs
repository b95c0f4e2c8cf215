//! Where the ledger is that the arguments mean, and how it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use gitfaas_server::secret::{UnusableFile, read_at_most};
use gitfaas_server::store::Store;
use gitfaas_server::store::embedded::EmbeddedStore;
use gitfaas_server::store::redis::{Password, RedisStore, Settings};

use crate::cli::StoreArgs;
use crate::exit::Usage;

/// The largest file of certificates, in bytes.
const MOST: u64 = 1 << 20;
/// How long a lease of a server that is gone lasts yet, and a little more.
const LEASE: Duration = Duration::from_secs(12);
/// How often it is looked whether it is over.
const LOOK: Duration = Duration::from_millis(500);

/// Where a ledger is.
#[derive(Debug)]
pub(super) enum Ledger {
    /// A file in the data folder.
    Embedded,
    /// Keys in a Redis.
    Redis(Box<Settings>),
}

/// The ledger that the arguments mean.
///
/// # Errors
/// [`Usage`] when they mean none; when a file of theirs cannot be read.
pub(super) fn named(arguments: &StoreArgs) -> anyhow::Result<Ledger> {
    let StoreArgs { store, redis_user, redis_prefix, .. } = arguments;
    if store == "embedded" {
        return Ok(Ledger::Embedded);
    }
    let address = store.parse().map_err(|why| Usage(format!("--store: {why} (or embedded)")))?;
    let secret = |path: &Option<PathBuf>| path.clone().map(secret).transpose();
    let authorities = |path: &Path| read_at_most(path, "the authorities", MOST);
    Ok(Ledger::Redis(Box::new(Settings {
        user: redis_user.clone(),
        password: secret(&arguments.redis_password_file)?,
        sentinel_password: secret(&arguments.sentinel_password_file)?,
        authorities: arguments.redis_ca_file.as_deref().map(authorities).transpose()?,
        prefix: redis_prefix.clone(),
        ..Settings::new(address)
    })))
}

/// Opens the ledger; `alone` where no other server may have it.
pub(super) async fn open(ledger: Ledger, data: PathBuf, alone: bool) -> anyhow::Result<Arc<dyn Store>> {
    match ledger {
        Ledger::Embedded => {
            let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&data)).await??;
            Ok(Arc::new(store))
        }
        Ledger::Redis(settings) => {
            let store = RedisStore::open(*settings).await?;
            if alone && let Err(error) = be_alone(&store).await {
                store.close().await;
                return Err(error);
            }
            Ok(Arc::new(store))
        }
    }
}

/// Waits for the leases of servers that are gone, and fails when one of them is renewed.
async fn be_alone(store: &RedisStore) -> anyhow::Result<()> {
    let begun = Instant::now();
    while store.renew(true).await?.lives.len() > 1 {
        if begun.elapsed() > LEASE {
            bail!(
                "another server has this ledger open, and Jobs that are processes of this machine are seen by no other \
                 one: share a ledger with --cluster kubernetes only, or give this server a --redis-prefix of its own"
            );
        }
        if begun.elapsed() < LOOK {
            tracing::info!("waiting for the lease of the server that had this ledger before");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The password in a file, which has to hold one now, and is read again for each connection.
fn secret(path: PathBuf) -> Result<Password, UnusableFile> {
    let password = Password::File(path);
    password.read().map(|_| password)
}

#[cfg(test)]
mod tests {
    use gitfaas_server::secret::Secret;

    use super::*;

    fn arguments(store: &str) -> StoreArgs {
        StoreArgs {
            store: store.to_owned(),
            redis_user: Some("ada".to_owned()),
            redis_password_file: None,
            sentinel_password_file: None,
            redis_ca_file: None,
            redis_prefix: "team-a".to_owned(),
        }
    }

    #[test]
    fn no_password_is_repeated_and_it_is_said_where_it_belongs() {
        let error = named(&arguments("redis://:hunter2@cache")).expect_err("refused").to_string();
        assert!(error.contains("--redis-password-file") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_password_is_the_one_line_of_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        for (text, read) in [("hunter2\r\n", Some("hunter2")), ("\n", None), ("a\nb\n", None), ("", None)] {
            std::fs::write(&file, text).expect("written");
            let named = named(&StoreArgs { redis_password_file: Some(file.clone()), ..arguments("redis://cache") });
            match (named, read) {
                (Ok(Ledger::Redis(settings)), Some(password)) => {
                    let now = settings.password.as_ref().map(Password::read).expect("a password");
                    assert_eq!(now, Ok(Secret::new(password)));
                    assert_eq!((settings.user.as_deref(), settings.prefix.as_str()), (Some("ada"), "team-a"));
                }
                (Err(error), None) => {
                    let why = error.to_string();
                    assert!(why.starts_with(&format!("the password in {} ", file.display())), "{why}");
                }
                (other, _) => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
