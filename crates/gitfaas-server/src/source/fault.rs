//! The kinds of faults by which a source cannot be read, as programs are told of them.

/// A kind of fault. Each has one word, which metrics and the API carry and which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing answers there: no such name, no route, nobody listening, no answer in time.
    Unreachable,
    /// The server wants to know who asks, or does not accept the user and token it was given.
    Unauthorized,
    /// The server knows who asks, and does not let them read.
    Forbidden,
    /// There is no such repository there, or none that this user may know of.
    NotFound,
    /// The repository does not have the branch, tag or commit.
    NoSuchReference,
    /// The repository has no commits yet.
    Empty,
    /// The server's certificate is not one that is trusted.
    UntrustedCertificate,
    /// The certificate or key to identify with cannot be used, or the server does not accept it.
    ClientCertificate,
    /// Nobody has said which host key the server has.
    HostKeyUnknown,
    /// The server has another host key than it is known by.
    HostKeyChanged,
    /// The server's host key is marked as revoked.
    HostKeyRevoked,
    /// The server does not accept the private key.
    KeyRefused,
    /// The private key, a token or another file that is needed cannot be read or used.
    Credentials,
    /// The server stopped sending.
    Stalled,
    /// The connection ended before everything was there.
    Interrupted,
    /// What answers does not speak Git, or sent what cannot be right.
    Malformed,
    /// There is more in the repository than is allowed.
    TooLarge,
    /// The commit has no signature that is asked for.
    Unverified,
    /// The server asks to wait.
    Throttled,
    /// The server failed.
    Server,
    /// This machine failed: its disk, say, or the directory cannot be read.
    Local,
}

impl Fault {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 21] = [
        Self::Unreachable,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchReference,
        Self::Empty,
        Self::UntrustedCertificate,
        Self::ClientCertificate,
        Self::HostKeyUnknown,
        Self::HostKeyChanged,
        Self::HostKeyRevoked,
        Self::KeyRefused,
        Self::Credentials,
        Self::Stalled,
        Self::Interrupted,
        Self::Malformed,
        Self::TooLarge,
        Self::Unverified,
        Self::Throttled,
        Self::Server,
        Self::Local,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::NoSuchReference => "no-such-reference",
            Self::Empty => "empty",
            Self::UntrustedCertificate => "untrusted-certificate",
            Self::ClientCertificate => "client-certificate",
            Self::HostKeyUnknown => "host-key-unknown",
            Self::HostKeyChanged => "host-key-changed",
            Self::HostKeyRevoked => "host-key-revoked",
            Self::KeyRefused => "key-refused",
            Self::Credentials => "credentials",
            Self::Stalled => "stalled",
            Self::Interrupted => "interrupted",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Unverified => "unverified",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Local => "local",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
