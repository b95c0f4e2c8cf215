//! Where a Redis is and how it is asked, as people write it.

use std::fmt;
use std::path::PathBuf;

use crate::secret::{Secret, UnusableFile};

/// What names a Redis, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    place: Place,
    /// The number of the database.
    pub(super) database: i64,
    /// Whether everything is said over TLS.
    pub(super) tls: bool,
}

/// Where the primary is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Always there.
    One(Host),
    /// Where these Sentinels say that what they call so is.
    Sentinels(Vec<Host>, String),
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// Everything that is needed to reach a ledger in Redis.
#[derive(Clone)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// Who asks; `None` for the user `default`.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Password>,
    /// The password of the Sentinels.
    pub sentinel_password: Option<Password>,
    /// Certificates of authorities, as PEM, in place of those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// What the names of all keys begin with, before a colon: several ledgers can be in one database.
    pub prefix: String,
}

/// A password.
#[derive(Debug, Clone)]
pub enum Password {
    /// It itself.
    Text(Secret),
    /// In a file, which is read each time a connection is made: passwords change.
    File(PathBuf),
}

impl Password {
    /// The password as it is now.
    ///
    /// # Errors
    /// When the file cannot be read, or holds none.
    pub fn read(&self) -> Result<Secret, UnusableFile> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::File(path) => Secret::read(path, "the password"),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// What the names of keys begin with when nobody says otherwise.
pub const PREFIX: &str = "gitfaas";

/// The longest prefix, in bytes. It has no colon, so that no prefix is the beginning of another ledger's keys.
const LONGEST_PREFIX: usize = 64;

impl Settings {
    /// Of a Redis without a password, under the usual prefix.
    pub fn new(address: Address) -> Self {
        let prefix = PREFIX.to_owned();
        Self { address, user: None, password: None, sentinel_password: None, authorities: None, prefix }
    }
}

/// Whether a text can be a prefix.
///
/// # Errors
/// A sentence that says what it has to be.
pub fn check_prefix(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=LONGEST_PREFIX).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("a prefix has 1 to {LONGEST_PREFIX} characters of A-Z, a-z, 0-9 and -_."))
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let forms = "redis://HOST:PORT/DATABASE, rediss://… for TLS, or redis+sentinel://HOST:PORT,HOST:PORT/NAME";
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("not the URL of a Redis: {forms}"))?;
        if rest.contains('@') {
            return Err("a URL is shown in places where no secret belongs: give the user with --redis-user and the \
                        password with --redis-password-file"
                .to_owned());
        }
        if rest.contains(['?', '#']) {
            return Err(format!("options are not given in the URL: {forms}"));
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            "redis" | "rediss" => {
                let place = Place::One(host(hosts, 6379)?);
                Ok(Self { place, database: database(path)?, tls: scheme == "rediss" })
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let sentinels = hosts.split(',').map(|text| host(text, 26379)).collect::<Result<_, _>>()?;
                let (name, number) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() || name.contains(char::is_whitespace) {
                    return Err("behind the Sentinels belongs what they call the primary: \
                                redis+sentinel://HOST:PORT,HOST:PORT/NAME"
                        .to_owned());
                }
                let place = Place::Sentinels(sentinels, name.to_owned());
                Ok(Self { place, database: database(number)?, tls: scheme == "rediss+sentinel" })
            }
            _ => Err(format!("not the URL of a Redis: {forms}")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        match &self.place {
            Place::One(host) => write!(f, "://{host}")?,
            Place::Sentinels(hosts, name) => {
                let hosts: Vec<_> = hosts.iter().map(Host::to_string).collect();
                write!(f, "+sentinel://{}/{name}", hosts.join(","))?;
            }
        }
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

impl Address {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

fn host(text: &str, usual: u16) -> Result<Host, String> {
    let wrong = || format!("{text:?} is no HOST:PORT of a Redis");
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, port)) => (name, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
        None => text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let port = port.map_or(Ok(usual), str::parse).map_err(|_| wrong())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    let named = !name.is_empty() && name.chars().all(plain) && (text.starts_with('[') || !name.contains(':'));
    if named && port != 0 { Ok(Host { name: name.to_owned(), port }) } else { Err(wrong()) }
}

fn database(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.parse().ok().filter(|number: &u16| *number < 1 << 14);
    number.map(i64::from).ok_or_else(|| format!("{text:?} is not the number of a database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<String, String> {
        url.parse().map(|address: Address| address.to_string())
    }

    #[test]
    fn a_url_says_where_the_ledger_is() {
        for (url, shown) in [
            ("redis://cache", "redis://cache:6379"),
            ("redis://cache:7000/3", "redis://cache:7000/3"),
            ("rediss://[::1]:7000", "rediss://[::1]:7000"),
            ("redis://[fe80::1%eth0]/", "redis://[fe80::1%eth0]:6379"),
            ("redis+sentinel://a,b:1/main", "redis+sentinel://a:26379,b:1/main"),
            ("rediss+sentinel://a/main/2", "rediss+sentinel://a:26379/main/2"),
        ] {
            assert_eq!(parsed(url), Ok(shown.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for url in ["redis://:hunter2@cache", "redis://ada:hunter2@cache:1/0", "redis+sentinel://x:hunter2@a/main"] {
            let error = parsed(url).expect_err(url);
            assert!(error.contains("--redis-password-file") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_redis_is_refused() {
        for url in [
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a b",
            "redis://::1",
            "redis://cache:0",
            "redis://cache:70000",
            "redis://cache/x",
            "redis://cache/-1",
            "redis://cache?db=1",
            "redis://a,b",
            "redis+sentinel://a",
            "redis+sentinel://a,/main",
            "redis+sentinel:///main",
        ] {
            assert!(parsed(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_prefix_is_short_and_plain() {
        for prefix in ["gitfaas", "team-a.ledger_2"] {
            assert_eq!(check_prefix(prefix), Ok(()));
        }
        for prefix in ["", "a b", "a*", "a:b", "ä", &"x".repeat(65)] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
