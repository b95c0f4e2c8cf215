//! Push webhooks: whether a delivery was signed by somebody who knows the secret, and what it says was pushed.
//!
//! A delivery is taken piece by piece as it arrives, and only the beginning of it is kept, so that the largest costs no
//! more memory than a small one. Nothing of it is understood before its signature is known to be right. A delivery that
//! is repeated is harmless: all that it can lead to is one more look at the source.

mod proof;
mod reference;
mod secret;

pub use self::secret::{InvalidSecrets, Secrets};

use self::proof::Proof;

/// How much of a delivery is kept. What was pushed stands at the beginning of what every provider sends.
pub const KEPT: usize = 16 * 1024;

/// Who sends deliveries, which decides about their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea, and Forgejo.
    Gitea,
    /// Anybody who can sign.
    Generic,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Generic];

    /// Its word, as it stands in a path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Generic => "generic",
        }
    }

    /// The provider of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }

    /// The headers that say what happened, the first that is there counts; none where all are pushes.
    const fn event_headers(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["x-github-event"],
            Self::GitLab => &["x-gitlab-event"],
            Self::Gitea => &["x-forgejo-event", "x-gitea-event"],
            Self::Generic => &[],
        }
    }

    fn event(self, name: &str) -> Kind {
        match (self, name) {
            (Self::GitHub | Self::Gitea, "push") | (Self::GitLab, "Push Hook" | "Tag Push Hook") => Kind::Push,
            (Self::GitHub, "ping") => Kind::Ping,
            (_, name) => Kind::Other(name.chars().take(100).collect()),
        }
    }
}

/// Why a delivery is refused. Tells nothing of the secret or of the signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not signed, or not with a secret that is known.
    #[error("{0}")]
    Unsigned(String),
    /// It is signed, and is not what its provider sends.
    #[error("{0}")]
    Malformed(String),
}

/// What a delivery means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There may be something new.
    Look,
    /// There is nothing to be done, for this reason.
    Nothing(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Push,
    Ping,
    Other(String),
    Missing,
}

/// A delivery that arrives.
pub struct Delivery {
    provider: Provider,
    kind: Kind,
    proof: Proof,
    form: bool,
    kept: Vec<u8>,
    whole: bool,
}

impl Delivery {
    /// One with these headers, asked for by their names in lower case. What is sure to be refused is refused here,
    /// before any of its body is read.
    ///
    /// # Errors
    /// [`Refused::Unsigned`].
    pub fn begin<'h>(
        provider: Provider,
        header: impl Fn(&str) -> Option<&'h str>,
        secrets: &Secrets,
    ) -> Result<Self, Refused> {
        let proof = Proof::of(provider, &header, secrets)?;
        let headers = provider.event_headers();
        let kind = match headers.iter().find_map(|name| header(name)) {
            Some(name) => provider.event(name),
            None if headers.is_empty() => Kind::Push,
            None => Kind::Missing,
        };
        // Whoever signs anything says nothing by the type that their client sends unasked.
        let form = provider != Provider::Generic && header("content-type").is_some_and(is_form);
        Ok(Self { provider, kind, proof, form, kept: Vec::new(), whole: true })
    }

    /// Takes the next piece of its body.
    pub fn take(&mut self, piece: &[u8]) {
        self.proof.take(piece);
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
        self.whole &= piece.len() <= room;
    }

    /// What it means for a server that follows `followed` (the full name of a reference; `None` where there are none).
    ///
    /// # Errors
    /// [`Refused`].
    pub fn end(self, followed: Option<&str>) -> Result<Verdict, Refused> {
        let (provider, form) = (self.provider, self.form);
        if !self.proof.holds() {
            let hint = match provider {
                Provider::Gitea if form => {
                    "the signature is wrong: a form is not signed as it is sent, so choose application/json in the settings of the webhook"
                }
                _ => "the signature is wrong: the secret of the webhook is not one that this server knows",
            };
            return Err(Refused::Unsigned(hint.to_owned()));
        }
        match self.kind {
            Kind::Ping => Ok(Verdict::Nothing("the webhook works".to_owned())),
            Kind::Other(name) => Ok(Verdict::Nothing(format!("`{name}` is no push, and only pushes matter here"))),
            Kind::Missing => {
                Err(Refused::Malformed(format!("the header {} is missing", provider.event_headers().join(" or "))))
            }
            Kind::Push => {
                let pushed = reference::pushed(&self.kept, self.whole, form);
                verdict(provider, pushed, self.whole, followed)
            }
        }
    }
}

fn verdict(
    provider: Provider,
    pushed: Result<Option<String>, String>,
    whole: bool,
    followed: Option<&str>,
) -> Result<Verdict, Refused> {
    let pushed = match pushed {
        Ok(pushed) => pushed,
        // Whoever signs may say it in any way, or say nothing.
        Err(_) if provider == Provider::Generic => None,
        Err(why) => return Err(Refused::Malformed(format!("the body is no push: {why}"))),
    };
    match (pushed, followed) {
        (Some(pushed), Some(followed)) if pushed != followed => {
            let pushed: String = pushed.chars().take(200).collect();
            Ok(Verdict::Nothing(format!("the push is to {pushed}, and {followed} is followed")))
        }
        (None, _) if whole && provider != Provider::Generic => {
            Err(Refused::Malformed("the body is no push: it has no `ref`".to_owned()))
        }
        _ => Ok(Verdict::Look),
    }
}

fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
#[path = "webhook/tests.rs"]
mod tests;
