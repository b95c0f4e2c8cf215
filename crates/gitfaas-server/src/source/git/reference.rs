//! What is followed in a repository, as typed: a branch, a tag or a commit, and nothing that Git would take for more than
//! a name.

use std::fmt;

use super::address::{Refused, plain, refused};

/// What is followed in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(super) name: String,
    pub(super) kind: ReferenceKind,
}

/// What kind of name is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    Branch,
    Tag,
    Commit,
}

impl Reference {
    /// A branch; `refs/heads/` before its name is taken off.
    ///
    /// # Errors
    /// Why no branch is called so.
    pub fn branch(name: &str) -> Result<Self, Refused> {
        Self::named(name, "refs/heads/", ReferenceKind::Branch, "branch")
    }

    /// A tag; `refs/tags/` before its name is taken off.
    ///
    /// # Errors
    /// Why no tag is called so.
    pub fn tag(name: &str) -> Result<Self, Refused> {
        Self::named(name, "refs/tags/", ReferenceKind::Tag, "tag")
    }

    /// One commit, by its full id.
    ///
    /// # Errors
    /// When it is no full id of a commit.
    pub fn commit(id: &str) -> Result<Self, Refused> {
        let is_full = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_full {
            return refused(
                "a commit is given by its full id of 40 or 64 hexadecimal digits (`git rev-parse COMMIT` tells it)",
            );
        }
        Ok(Self { name: id.to_ascii_lowercase(), kind: ReferenceKind::Commit })
    }

    fn named(name: &str, prefix: &str, kind: ReferenceKind, word: &str) -> Result<Self, Refused> {
        plain(name, &format!("the name of the {word}"))?;
        let name = name.strip_prefix(prefix).unwrap_or(name);
        let full = format!("{prefix}{name}");
        if name.starts_with('-') || gix_validate::reference::name(full.as_str().into()).is_err() {
            return refused(format!(
                "no {word} can be called so: a name has no `..`, `~`, `^`, `:`, `?`, `*`, `[`, `\\`, `@{{` or `.lock` and does not begin with `-`"
            ));
        }
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Whether it can only ever be this commit.
    pub(super) fn is(&self, id: &str) -> bool {
        self.kind == ReferenceKind::Commit && self.name == id
    }

    /// Its full name (`refs/heads/main`); for a commit its id.
    pub(super) fn full_name(&self) -> String {
        match self.kind {
            ReferenceKind::Branch => format!("refs/heads/{}", self.name),
            ReferenceKind::Tag => format!("refs/tags/{}", self.name),
            ReferenceKind::Commit => self.name.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            ReferenceKind::Branch => "branch",
            ReferenceKind::Tag => "tag",
            ReferenceKind::Commit => "commit",
        };
        write!(f, "{word} {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("-x")]
    #[case("--upload-pack=x")]
    #[case("a..b")]
    #[case("a b")]
    #[case("main:other")]
    #[case("refs/heads/x:y")]
    #[case("@{u}")]
    #[case("x.lock")]
    #[case("HEAD~1")]
    #[case("a\\b")]
    #[case("a*")]
    #[case("/a")]
    #[case("a//b")]
    #[case("a/")]
    fn what_is_no_name_of_a_branch_is_refused(#[case] name: &str) {
        assert!(Reference::branch(name).is_err(), "{name}");
        assert!(Reference::tag(name).is_err(), "{name}");
        assert!(Reference::branch("refs/heads/-x").is_err());
    }

    #[test]
    fn references_have_full_names() {
        assert_eq!(Reference::branch("team/main").expect("a branch").full_name(), "refs/heads/team/main");
        assert_eq!(Reference::branch("refs/heads/main").expect("a branch").name, "main");
        assert_eq!(Reference::tag("v1.0").expect("a tag").full_name(), "refs/tags/v1.0");
        let id = "AB".repeat(20);
        assert_eq!(Reference::commit(&id).expect("a commit").full_name(), id.to_lowercase());
        assert!(Reference::commit("abc123").is_err());
        assert!(Reference::commit("main").is_err());
    }
}
