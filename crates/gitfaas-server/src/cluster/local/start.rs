//! One start of one container: what names it, and the folder that it has on disk.

use std::fmt;

/// One start of one container of a pod.
///
/// An attempt is a pod, or a container that is started again in its pod: so an attempt and a container name a start,
/// and each attempt belongs to one pod. A pod has the number of its first attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Start {
    /// From 1.
    pub(super) attempt: u32,
    /// The number of the pod.
    pub(super) pod: u32,
    /// Which completion of the Job the pod is for, from 0; always 0 where they are not told apart.
    pub(super) index: u32,
    /// The container's name: a DNS label.
    pub(super) container: String,
}

const PREFIX: &str = "attempt-";

impl Start {
    /// The start whose folder has this name, if it can be one.
    pub(super) fn read(folder: &str) -> Option<Self> {
        let mut parts = folder.strip_prefix(PREFIX)?.splitn(4, '.');
        let mut number = || parts.next()?.parse().ok();
        let (attempt, pod, index) = (number()?, number()?, number()?);
        let container = parts.next().filter(|name| !name.is_empty() && !name.contains('.'))?.to_owned();
        Some(Self { attempt, pod, index, container })
    }
}

/// The name of its folder.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, pod, index, container } = self;
        write!(f, "{PREFIX}{attempt}.{pod}.{index}.{container}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_which_start_it_is_of() {
        let start = Start { attempt: 3, pod: 2, index: 7, container: "main-1".to_owned() };
        assert_eq!(start.to_string(), "attempt-3.2.7.main-1");
        assert_eq!(Start::read(&start.to_string()), Some(start));
        for foreign in
            ["attempt-1", "attempt-1.1.0", "attempt-1.1.0.", "attempt-x.1.0.main", "pod-1", "attempt-1.1.0.a.b"]
        {
            assert_eq!(Start::read(foreign), None, "{foreign}");
        }
    }
}
