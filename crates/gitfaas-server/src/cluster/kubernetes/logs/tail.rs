//! The last bytes of what comes in.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// Keeps the last bytes, and counts those before.
#[derive(Debug)]
pub(super) struct Tail {
    most: u64,
    kept: VecDeque<Bytes>,
    length: u64,
    cut: u64,
}

impl Tail {
    pub(super) fn new(most: u64) -> Self {
        Self { most, kept: VecDeque::new(), length: 0, cut: 0 }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len() as u64;
        self.kept.push_back(bytes);
        while self.length > self.most {
            let Some(first) = self.kept.front_mut() else { return };
            let too_many = usize::try_from(self.length - self.most).unwrap_or(usize::MAX).min(first.len());
            first.advance(too_many);
            if first.is_empty() {
                self.kept.pop_front();
            }
            self.length -= too_many as u64;
            self.cut += too_many as u64;
        }
    }

    /// What was kept, and how many bytes before it were not.
    pub(super) fn into_parts(self) -> (Bytes, u64) {
        let mut text = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or(0));
        for bytes in self.kept {
            text.extend_from_slice(&bytes);
        }
        (text.freeze(), self.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(most: u64, pieces: &[&'static str]) -> (Bytes, u64) {
        let mut tail = Tail::new(most);
        for piece in pieces {
            tail.push(Bytes::from_static(piece.as_bytes()));
        }
        tail.into_parts()
    }

    #[test]
    fn what_is_short_is_kept_whole() {
        assert_eq!(kept(5, &["he", "", "llo"]), ("hello".into(), 0));
        assert_eq!(kept(5, &[]), ("".into(), 0));
    }

    #[test]
    fn of_what_is_long_the_end_is_kept_and_the_rest_counted() {
        assert_eq!(kept(5, &["abc", "defgh"]), ("defgh".into(), 3));
        assert_eq!(kept(5, &["abc", "def", "gh"]), ("defgh".into(), 3));
        assert_eq!(kept(5, &["abcdefgh"]), ("defgh".into(), 3));
        assert_eq!(kept(0, &["abc"]), ("".into(), 3));
    }
}
