//! How objects are named on disk, and pods to their functions.
//!
//! A name that came from a manifest never becomes a path: what is shown of it is cleaned, what makes it unique is a
//! hash.

use std::fmt;

use gitfaas_core::run::ObjectKey;
use sha2::{Digest, Sha256};

/// Digits that neither look alike nor spell words, as Kubernetes uses them for pods.
const POD_DIGITS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const HASH_DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Short, because scratch folders lie below, and a path that names a socket may have 107 bytes.
const SHOWN: usize = 24;
const HASHED: usize = 20;

/// The name of an object's files: part of its own name, and a hash of all that names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileName(Box<str>);

impl FileName {
    /// The name for the files of `key`; the version of its group does not matter.
    pub(super) fn of(key: &ObjectKey) -> Self {
        let group = key.api_version.split_once('/').map_or("", |(group, _)| group);
        let mut hash = Sha256::new();
        for part in [group, &key.kind, key.namespace.as_deref().unwrap_or(""), &key.name] {
            // With their lengths, (a, bc) and (ab, c) stay two.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut name: String = key.name.chars().filter(|c| allowed(*c)).take(SHOWN).collect();
        name.push('.');
        name.extend(hash.iter().take(HASHED).map(|byte| char::from(HASH_DIGITS[usize::from(byte & 31)])));
        Self(name.trim_start_matches('-').into())
    }

    /// The name that a file of this folder has, if it can be one of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (shown, hashed) = text.split_once('.')?;
        let ours = shown.chars().all(allowed)
            && shown.len() <= SHOWN
            && hashed.len() == HASHED
            && hashed.bytes().all(|digit| HASH_DIGITS.contains(&digit));
        ours.then(|| Self(text.into()))
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn allowed(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-')
}

/// The name of a Job's pod, which its function sees as `HOSTNAME`: the Job's, a dash and five characters.
///
/// Always the same for the same pod, so that it is known again after a restart.
pub(super) fn pod_name(job: &str, file: &FileName, pod: u32) -> String {
    let hash = Sha256::digest(format!("{file}/{pod}"));
    let suffix = hash.iter().take(5).map(|byte| char::from(POD_DIGITS[usize::from(*byte) % POD_DIGITS.len()]));
    // A host name has at most 63 characters.
    let shown: String = job.chars().take(57).collect();
    format!("{}-{}", shown.trim_end_matches(['-', '.']), suffix.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            api_version: "batch/v1".to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn no_name_leaves_the_folder() {
        for name in
            ["../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "a\0b", "ü\u{202e}", "-rf", &"x".repeat(9999)]
        {
            let file = FileName::of(&key("Job", Some("../.."), name));
            assert_eq!(FileName::read(file.as_str()), Some(file.clone()), "{name:?}");
            assert!(file.as_str().len() <= SHOWN + 1 + HASHED);
            assert!(!file.as_str().contains('/') && !file.as_str().starts_with('-'));
        }
    }

    #[test]
    fn what_names_an_object_makes_its_file() {
        let one = FileName::of(&key("Job", Some("ab"), "c"));
        assert_ne!(one, FileName::of(&key("Job", Some("a"), "bc")));
        assert_ne!(one, FileName::of(&key("Pod", Some("ab"), "c")));
        assert_ne!(one, FileName::of(&key("Job", None, "c")));
        assert_eq!(one, FileName::of(&key("Job", Some("ab"), "c")));
        let long = "x".repeat(60);
        assert_ne!(FileName::of(&key("Job", None, &long)), FileName::of(&key("Job", None, &format!("{long}y"))));
    }

    #[test]
    fn foreign_files_are_not_taken_for_ours() {
        for text in ["", "..", "a", "a.b", ".DS_Store", "../x.00000000000000000000", "A.00000000000000000000"] {
            assert_eq!(FileName::read(text), None, "{text}");
        }
    }

    #[test]
    fn pods_are_named_like_the_job_and_differ() {
        let file = FileName::of(&key("Job", None, "resize-7"));
        let one = pod_name("resize-7", &file, 1);
        assert!(one.starts_with("resize-7-") && one.len() == "resize-7-".len() + 5, "{one}");
        assert_ne!(one, pod_name("resize-7", &file, 2));
        assert_eq!(one, pod_name("resize-7", &file, 1));
        assert!(pod_name(&"y".repeat(63), &file, 1).len() <= 63);
    }
}
