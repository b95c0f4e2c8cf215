//! Where a repository is, as typed: parsed, and refused before anything is started.
//!
//! What Git itself would take for an option, a helper to start (`ext::`) or a place on this machine (`file://`) is
//! never an address here. Nothing of a refused URL is repeated that may be a secret.

use std::fmt;

use reqwest::Url;

/// Who asks by ssh when nobody is named: so it is everywhere that serves Git only.
pub(super) const USER: &str = "git";

/// The longest address and name of a reference, in bytes.
const LONGEST: usize = 2048;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) way: Way,
    /// The user that the URL names.
    pub(super) user: Option<String>,
}

/// How a repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By HTTP, with or without TLS; the URL has no user.
    Http(Url),
    /// By ssh.
    Ssh {
        /// A name or an address, an IPv6 one without brackets.
        host: String,
        port: u16,
        /// As the server's shell gets it.
        path: String,
    },
}

/// Why an address or a reference is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    /// Refuses for this reason, a sentence that says what to give instead.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

impl Address {
    /// Reads `https://HOST[:PORT]/PATH`, `ssh://[USER@]HOST[:PORT]/PATH` or `USER@HOST:PATH`.
    ///
    /// # Errors
    /// Why it is refused. A password in it is not repeated.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        plain(text, "the URL of the repository")?;
        if text.contains("::") && !text.contains("://") {
            return refused(
                "a helper that Git would start (`…::…`) is no address of a repository: give https:// or ssh://",
            );
        }
        match text.split_once("://") {
            Some(("https" | "http", _)) => Self::http(text),
            Some(("ssh", _)) => Self::ssh(text),
            Some(("file", _)) => refused("file:// is not followed: serve a directory with --dir"),
            Some(("git", _)) => {
                refused("git:// tells neither who answers nor who asks: give https:// or ssh:// instead")
            }
            Some((scheme, _)) => {
                refused(format!("`{}` is no way to a repository: give https:// or ssh://", shown(scheme)))
            }
            None => Self::scp(text),
        }
    }

    /// Whether whoever is on the way to the repository can read and change what is sent.
    pub fn is_in_the_clear(&self) -> bool {
        let Way::Http(url) = &self.way else { return false };
        url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine)
    }

    /// The same, asked by this user where it is reached by ssh; by HTTP, the user is part of what it takes.
    #[must_use]
    pub fn asked_by(mut self, user: Option<&str>) -> Self {
        if let Some(user) = user.filter(|_| self.is_ssh()) {
            self.user = Some(user.to_owned());
        }
        self
    }

    /// Whether it is reached by ssh.
    pub const fn is_ssh(&self) -> bool {
        matches!(self.way, Way::Ssh { .. })
    }

    fn http(text: &str) -> Result<Self, Refused> {
        let mut url = parsed(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return refused("the URL of the repository has a `?` or `#`: give the one that `git clone` is given");
        }
        if url.path() == "/" {
            return refused("the URL of the repository has no path: which repository of the server is it?");
        }
        let user = user(&url)?;
        let cleared = url.set_username("");
        host(&url)?;
        if cleared.is_err() {
            return refused("the URL of the repository names no server");
        }
        Ok(Self { way: Way::Http(url), user })
    }

    fn ssh(text: &str) -> Result<Self, Refused> {
        without_parent(text)?;
        let url = parsed(text)?;
        let user = user(&url)?;
        let host = host(&url)?;
        // As git reads it: `/~ada/birds` is below the home of ada, not of the root.
        let path = url.path().strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(url.path());
        let path = percent_encoding::percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| Refused("the path of the repository is no text".to_owned()))?;
        Self::at(user, host, url.port().unwrap_or(22), &path)
    }

    /// `USER@HOST:PATH`, as `git clone` and `scp` take it.
    fn scp(text: &str) -> Result<Self, Refused> {
        let unclear = || {
            Refused(
                "this is no URL of a repository: give https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
                    .to_owned(),
            )
        };
        if text.starts_with(['-', '/', '.']) {
            return Err(unclear());
        }
        let (place, path) = text.split_once(':').ok_or_else(unclear)?;
        if place.contains('/') {
            return Err(unclear());
        }
        // Read by the same rules as the long form.
        let url = parsed(&format!("ssh://{place}/"))?;
        Self::at(user(&url)?, host(&url)?, 22, path)
    }

    fn at(user: Option<String>, host: String, port: u16, path: &str) -> Result<Self, Refused> {
        plain(path, "the path of the repository")?;
        if path.is_empty() || path == "/" {
            return refused("the URL of the repository has no path: which repository of the server is it?");
        }
        if path.trim_start_matches('/').starts_with('-') {
            return refused("the path of the repository begins with `-`, which its server would take for an option");
        }
        without_parent(path)?;
        Ok(Self { way: Way::Ssh { host, port, path: path.to_owned() }, user })
    }
}

impl fmt::Display for Address {
    /// As it is shown: without a user where that says who asks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Http(url) => f.write_str(url.as_str()),
            Way::Ssh { host, port, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = if *port == 22 { String::new() } else { format!(":{port}") };
                write!(
                    f,
                    "ssh://{}@{host}{port}/{}",
                    self.user.as_deref().unwrap_or(USER),
                    path.trim_start_matches('/')
                )
            }
        }
    }
}

/// Refuses `..`, which reading a URL would have taken away with what is before it.
fn without_parent(path: &str) -> Result<(), Refused> {
    if path.split('/').any(|part| part == "..") {
        return refused("the path of the repository has `..` in it: give the path itself");
    }
    Ok(())
}

fn parsed(text: &str) -> Result<Url, Refused> {
    Url::parse(text).map_err(|error| Refused(format!("the URL of the repository cannot be read: {error}")))
}

fn user(url: &Url) -> Result<Option<String>, Refused> {
    if url.password().is_some() {
        return refused(
            "the URL of the repository has a password in it, which everybody who lists processes can read: take it out, and give a file with it as --git-token-file",
        );
    }
    let user = percent_encoding::percent_decode_str(url.username())
        .decode_utf8()
        .map_err(|_| Refused("the user in the URL of the repository is no text".to_owned()))?;
    if user.is_empty() {
        return Ok(None);
    }
    checked_user(&user).map(|()| Some(user.into_owned()))
}

/// Whether a user may be called so.
///
/// # Errors
/// Why not.
pub fn checked_user(user: &str) -> Result<(), Refused> {
    let fair = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '/');
    if user.is_empty() || user.starts_with('-') || user.len() > 255 || !user.chars().all(fair) {
        return refused("a user of a repository has no spaces, `:` or `/` in its name and does not begin with `-`");
    }
    Ok(())
}

fn host(url: &Url) -> Result<String, Refused> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fair = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_fair = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && !host.starts_with(['-', '.']) && host.chars().all(fair),
    };
    if !is_fair {
        return refused(
            "the URL of the repository names no server: a host is letters, digits, `.` and `-`, and does not begin with `-`",
        );
    }
    Ok(bare.unwrap_or(host).to_owned())
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses what no name has: nothing, control characters, spaces, and options.
pub(super) fn plain(text: &str, what: &str) -> Result<(), Refused> {
    if text.is_empty() {
        return refused(format!("{what} is empty"));
    }
    if text.len() > LONGEST {
        return refused(format!("{what} is longer than {LONGEST} bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refused(format!("{what} has a space or a control character in it"));
    }
    if text.starts_with('-') {
        return refused(format!("{what} begins with `-`: is it an option?"));
    }
    Ok(())
}

/// A word of a refused text: short, and without what could hide in it.
fn shown(word: &str) -> String {
    word.chars().take(16).filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://git.example.org/team/birds.git", "https://git.example.org/team/birds.git", None)]
    #[case("https://ada@git.example.org:8443/birds", "https://git.example.org:8443/birds", Some("ada"))]
    #[case("http://127.0.0.1:3000/birds", "http://127.0.0.1:3000/birds", None)]
    #[case("ssh://git@git.example.org/team/birds.git", "ssh://git@git.example.org/team/birds.git", Some("git"))]
    #[case("ssh://git.example.org:2222/birds", "ssh://git@git.example.org:2222/birds", None)]
    #[case("ssh://ada@[::1]:2222/birds", "ssh://ada@[::1]:2222/birds", Some("ada"))]
    #[case("git@github.com:team/birds.git", "ssh://git@github.com/team/birds.git", Some("git"))]
    #[case("git.example.org:birds", "ssh://git@git.example.org/birds", None)]
    fn addresses_are_read_and_shown(#[case] text: &str, #[case] shown: &str, #[case] user: Option<&str>) {
        let address = Address::parse(text).expect("an address");
        assert_eq!(address.to_string(), shown);
        assert_eq!(address.user.as_deref(), user);
    }

    #[rstest]
    #[case("")]
    #[case("-oProxyCommand=touch x")]
    #[case("-oProxyCommand=x@host:path")]
    #[case("--upload-pack=touch")]
    #[case("ext::sh -c true")]
    #[case("ext::sh")]
    #[case("fd::17")]
    #[case("file:///srv/birds.git")]
    #[case("git://127.0.0.1/birds.git")]
    #[case("ftp://host/birds")]
    #[case("/srv/birds.git")]
    #[case("./birds")]
    #[case("../birds")]
    #[case("birds")]
    #[case("ssh://-oProxyCommand=x/birds")]
    #[case("ssh://-oProxyCommand@host/birds")]
    #[case("ssh://host/-oProxyCommand=x")]
    #[case("ssh://host/a/../../etc")]
    #[case("ssh://host/")]
    #[case("ssh://host")]
    #[case("git@host:-birds")]
    #[case("git@host:../../etc")]
    #[case("git@host:")]
    #[case("git@-oProxyCommand=x:birds")]
    #[case("https://host")]
    #[case("https:///birds")]
    #[case("https://host/birds?ref=main")]
    #[case("https://host/birds#main")]
    #[case("https://host/birds\n")]
    #[case("https://host/bi rds")]
    #[case("https://ho\u{202e}st name/birds")]
    fn what_is_no_address_is_refused(#[case] text: &str) {
        assert!(Address::parse(text).is_err(), "{text}");
    }

    #[rstest]
    #[case("https://ada:s3cret@host/birds")]
    #[case("ssh://ada:s3cret@host/birds")]
    #[case("https://:s3cret@host/birds")]
    fn a_password_in_a_url_is_refused_and_not_repeated(#[case] text: &str) {
        let error = Address::parse(text).expect_err("refused").to_string();
        assert!(error.contains("--git-token-file") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_home_is_as_git_reads_it() {
        let Way::Ssh { path, .. } = Address::parse("ssh://host/~ada/birds").expect("an address").way else { panic!() };
        assert_eq!(path, "~ada/birds");
    }

    #[rstest]
    #[case("http://git.example.org/birds", true)]
    #[case("http://localhost:3000/birds", false)]
    #[case("http://[::1]/birds", false)]
    #[case("https://git.example.org/birds", false)]
    fn what_others_could_read_is_known(#[case] text: &str, #[case] clear: bool) {
        assert_eq!(Address::parse(text).expect("an address").is_in_the_clear(), clear);
    }
}
