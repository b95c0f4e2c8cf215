//! What publishers note while they publish: a line for each answer, in a file, before the next message is sent.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::Acknowledged;

/// The notes of all publishers of a load.
pub(crate) struct Notes {
    path: PathBuf,
    file: Mutex<File>,
    begun: Instant,
}

impl Notes {
    /// New ones, in a file that there is not.
    pub(crate) fn new(path: PathBuf) -> Self {
        let file = Mutex::new(File::create_new(&path).expect("a file"));
        Self { path, file, begun: Instant::now() }
    }

    /// That a message, sent at this time, was accepted as this request.
    pub(crate) fn acknowledged(&self, message: &str, topic: &str, request: &str, sent: Duration) {
        let (sent, now) = (sent.as_millis(), self.now().as_millis());
        self.write(&format!("acknowledged {message} {topic} {request} {sent} {now}\n"));
    }

    /// How long ago the first note could have been made.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// That nobody knows what became of a message that is not sent again.
    pub(crate) fn perhaps(&self, message: &str, topic: &str) {
        self.write(&format!("perhaps {message} {topic}\n"));
    }

    fn write(&self, line: &str) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()).expect("written");
    }

    /// What was acknowledged so far, and how many messages were perhaps accepted.
    pub(crate) fn read(&self) -> (Vec<Acknowledged>, usize) {
        read(&self.path)
    }
}

fn read(path: &Path) -> (Vec<Acknowledged>, usize) {
    let text = std::fs::read_to_string(path).expect("the notes");
    let time = |millis: &str| Duration::from_millis(millis.parse().expect("a time"));
    let (mut acknowledged, mut perhaps) = (Vec::new(), 0);
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["acknowledged", message, topic, request, sent, at] => acknowledged.push(Acknowledged {
                message: message.to_owned(),
                topic: topic.to_owned(),
                request: request.to_owned(),
                sent: time(sent),
                at: time(at),
            }),
            ["perhaps", _, _] => perhaps += 1,
            _ => panic!("a note that nobody wrote: {line}"),
        }
    }
    (acknowledged, perhaps)
}
