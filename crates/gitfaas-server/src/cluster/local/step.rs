//! The next step of a Job, decided from its files alone: so a server that died between any two steps is no different
//! from one that did not.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use gitfaas_core::run::{JobState, Reason};
use jiff::Timestamp;

use super::attempt::{self, Look};
use super::folder::{End, Ending, Record};
use super::hand::Hand;
use super::jobs::{Job, Shared};
use super::launch::{Launch, Live, Order};
use super::progress::{Due, Next, Seen, State, View, later};
use super::spec::{Refused, Spec};
use super::start::Start;
use super::verdict::{Outcome, last_words};
use super::{disk, log, processes};

/// How much of the end of a log is looked at for a reason.
const LAST_WORDS: u64 = 4096;
/// A supervisor that did not come to life is given up after so many.
const FALSE_STARTS: u32 = 5;
/// How often it is looked whether what was missing is there now.
const NOT_READY: Duration = Duration::from_secs(2);
/// A supervisor kills what does not end within its grace. So much later, it is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a Job's starts and cannot change any more, or only counts in this life of the server.
#[derive(Debug, Default)]
pub(super) struct Memory {
    over: HashMap<Start, (State, Timestamp)>,
    /// How often in a row a supervisor did not come to life, and when it is tried again.
    false_starts: HashMap<Start, (u32, Timestamp)>,
}

/// How a Job stands after a step.
pub(super) enum Step {
    /// Something lives, or is to be started at its time.
    Goes(Standing),
    /// Its end is certain; what lives is to be ended, and is not waited for longer than this.
    Ends(Duration),
    /// It is over.
    Over { state: JobState, attempts: u32 },
}

/// How a Job stands that goes on.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) attempts: u32,
    /// Whether something begins: a supervisor that has not yet written down who it is, or a sidecar.
    pub(super) begins: bool,
    /// Whether a pod waits for a slot.
    pub(super) wants_slot: bool,
    /// When to look again.
    pub(super) until: Option<Timestamp>,
    /// Why it waits.
    pub(super) reason: Option<Reason>,
}

impl Standing {
    fn wait(&mut self, until: Timestamp, reason: Reason) {
        if self.until.is_none_or(|known| until < known) {
            (self.until, self.reason) = (Some(until), Some(reason));
        }
    }
}

/// What came of a start that is due.
enum Attempt {
    Started,
    /// Nothing is started at present.
    Held,
    WantsSlot,
    Waits(Timestamp, Reason),
    /// Something that it needs is not there yet.
    Lacks(Reason),
    /// The Job cannot go on.
    Refused(Reason),
}

/// All starts of a Job as they were found.
struct Found {
    seen: Vec<Seen>,
    began: HashMap<Start, Timestamp>,
    begins: bool,
}

impl Found {
    fn started(&self) -> impl Iterator<Item = &Start> {
        self.seen.iter().filter(|seen| !matches!(seen.state, State::Fresh)).map(|seen| &seen.start)
    }

    fn attempts(&self) -> u32 {
        self.started().map(|start| start.attempt).max().unwrap_or(0)
    }

    fn alive(&self) -> bool {
        self.seen.iter().any(|seen| matches!(seen.state, State::Alive))
    }

    fn lives_in(&self, pod: u32) -> bool {
        self.seen.iter().any(|seen| seen.start.pod == pod && matches!(seen.state, State::Alive))
    }
}

impl Shared {
    /// Looks where the Job stands, and starts what is due if it may and there are slots. Blocks.
    pub(super) fn step(&self, job: &Job, hand: &mut Hand, may_start: bool) -> io::Result<Step> {
        let record: Record = disk::read(&self.folder.record(&job.file))?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the Job's record is gone"))?;
        let spec = match Spec::read(&record.object) {
            Ok(spec) => spec,
            Err(Refused::Malformed(reason) | Refused::Unsupported(reason)) => {
                return Ok(Step::Over { state: failed(reason), attempts: 0 });
            }
        };
        let found = self.look(job, &spec, hand)?;
        let (attempts, patience) = (found.attempts(), spec.grace + PATIENCE);
        if let Some(ending) = disk::read::<Ending>(&self.folder.ending(&job.file))? {
            return Ok(if found.alive() { Step::Ends(patience) } else { Step::Over { state: ending.state, attempts } });
        }
        let said = |start: &Start| {
            let said = log::tail(&self.folder.start(&job.file, start), LAST_WORDS);
            last_words(&said.map(|(_, text)| text).unwrap_or_default())
        };
        let (began, now) = (found.began.values().min().copied(), self.settings.clock.now());
        let backoff = self.settings.backoff;
        let view = View { spec: &spec, seen: &found.seen, began, backoff, now, said: &said };
        match view.next() {
            Next::Over(state) => Ok(Step::Over { state, attempts }),
            Next::End => Ok(Step::Ends(patience)),
            Next::Go(due) => {
                let order = Order { spec: &spec, job_deadline: view.deadline(), began: &found.began, may_start };
                self.go(job, hand, &found, due, &order)
            }
        }
    }

    /// Starts what is due, as far as it can be.
    fn go(&self, job: &Job, hand: &mut Hand, found: &Found, due: Due, order: &Order<'_>) -> io::Result<Step> {
        let mut standing = Standing { attempts: found.attempts(), begins: found.begins, ..Standing::default() };
        if let Some((until, reason)) = due.until {
            standing.wait(until, reason);
        }
        hand.keep(&due.pods);
        self.remove_pods(job, &due.pods)?;
        for live in due.ends.iter().filter_map(|start| hand.lives.get(start)) {
            live.ask_to_end()?;
        }
        let mut begun: HashSet<u32> = found.started().map(|start| start.pod).collect();
        let mut lacking: HashSet<(bool, String)> = HashSet::new();
        for start in due.starts {
            let new = !begun.contains(&start.pod);
            let same = (new, start.container.clone());
            let attempt = if lacking.contains(&same) {
                // All pods are made alike: it lacks the same, and waits with the one that looked.
                Attempt::Held
            } else {
                self.start(job, hand, order, &start, new)?
            };
            if !matches!(attempt, Attempt::Started) && !found.lives_in(start.pod) {
                // Who only waits keeps no other from its try. Otherwise a Job would wait for a slot that it has itself,
                // and get it at once, again and again.
                hand.spare_slot(start.pod);
            }
            match attempt {
                Attempt::Held => {}
                Attempt::WantsSlot => standing.wants_slot = true,
                Attempt::Waits(until, reason) => standing.wait(until, reason),
                Attempt::Lacks(reason) => {
                    standing.wait(later(self.settings.clock.now(), NOT_READY), reason);
                    lacking.insert(same);
                }
                Attempt::Started => {
                    // What comes after a sidecar waits for no end.
                    standing.begins |= order.spec.is_sidecar(&start.container);
                    begun.insert(start.pod);
                    standing.attempts = standing.attempts.max(start.attempt);
                }
                Attempt::Refused(reason) => {
                    let alive = found.alive() || !hand.lives.is_empty();
                    let patience = alive.then_some(order.spec.grace + PATIENCE);
                    return self.give_up(job, reason, patience, standing.attempts);
                }
            }
        }
        Ok(Step::Goes(standing))
    }

    fn start(&self, job: &Job, hand: &mut Hand, order: &Order<'_>, start: &Start, new: bool) -> io::Result<Attempt> {
        if let Some(attempt) = self.false_start(job, start)? {
            return Ok(attempt);
        }
        if !order.may_start {
            return Ok(Attempt::Held);
        }
        if !hand.has_slot(start.pod, || self.free_slot()) {
            return Ok(Attempt::WantsSlot);
        }
        Ok(match self.launch(job, order, start, new)? {
            Launch::Started(live) => {
                hand.lives.insert(start.clone(), live);
                Attempt::Started
            }
            Launch::NotReady(reason) => Attempt::Lacks(reason),
            Launch::Refused(reason) => Attempt::Refused(reason),
        })
    }

    /// Ends a Job that cannot go on: at once, or when what lives has been ended.
    fn give_up(&self, job: &Job, reason: Reason, alive: Option<Duration>, attempts: u32) -> io::Result<Step> {
        let state = failed(reason);
        let Some(patience) = alive else { return Ok(Step::Over { state, attempts }) };
        disk::replace(&self.folder.ending(&job.file), &Ending { state })?;
        Ok(Step::Ends(patience))
    }

    /// Looks at every start of the Job, and takes what lives in hand.
    fn look(&self, job: &Job, spec: &Spec, hand: &mut Hand) -> io::Result<Found> {
        let mut found = Found { seen: Vec::new(), began: HashMap::new(), begins: false };
        for start in self.folder.starts(&job.file)? {
            let known = job.memory().over.get(&start).cloned();
            let state = match known {
                Some((state, at)) => {
                    found.began.insert(start.clone(), at);
                    state
                }
                None => self.look_at(job, spec, hand, &start, &mut found)?,
            };
            found.seen.push(Seen { start, state });
        }
        hand.take_slots(|| self.take_slot());
        Ok(found)
    }

    fn look_at(&self, job: &Job, spec: &Spec, hand: &mut Hand, start: &Start, found: &mut Found) -> io::Result<State> {
        let dir = self.folder.start(&job.file, start);
        let look = attempt::look(&dir)?;
        if matches!(look, Look::Fresh(_)) {
            // It is locked again when it is started; until then nobody else starts it, as this folder is ours.
            hand.collect(start)?;
            return Ok(State::Fresh);
        }
        let began = attempt::started(&dir)?;
        if let Some(began) = &began {
            found.began.insert(start.clone(), began.at);
        }
        let outcome = match look {
            Look::Ended(exit) => Outcome::Ended(exit),
            Look::Lost(started) => {
                processes::sweep(&started.supervisor, &self.folder.container(&job.file, spec, start))?;
                Outcome::Lost(started.at)
            }
            Look::Alive | Look::Fresh(_) => {
                if !hand.lives.contains_key(start) {
                    match began.and_then(|began| began.supervisor.open()) {
                        Some(handle) => drop(hand.lives.insert(start.clone(), Live::adopted(handle))),
                        None => found.begins = true,
                    }
                }
                return Ok(State::Alive);
            }
        };
        hand.collect(start)?;
        let (at, earlier_boot) = match began {
            Some(began) => (began.at, !began.supervisor.is_of_this_boot()?),
            None => (outcome.at(), true),
        };
        let state = State::Over { outcome, earlier_boot };
        let mut memory = job.memory();
        memory.false_starts.remove(start);
        memory.over.insert(start.clone(), (state.clone(), at));
        Ok(state)
    }

    /// What keeps a start whose supervisor did not come to life before from being made again.
    fn false_start(&self, job: &Job, start: &Start) -> io::Result<Option<Attempt>> {
        let Some((count, until)) = job.memory().false_starts.get(start).copied() else { return Ok(None) };
        let complaint = match std::fs::read(self.folder.start(&job.file, start).join(attempt::COMPLAINT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            read => last_words(&read.unwrap_or_default()),
        };
        let reason = Reason::new("SupervisorFailed", format!("its supervisor cannot be started: {complaint}"));
        // What keeps one from living may pass (a full disk, a program that is being replaced): not all at once.
        Ok(match count {
            FALSE_STARTS.. => Some(Attempt::Refused(reason)),
            _ if until > self.settings.clock.now() => Some(Attempt::Waits(until, reason)),
            _ => None,
        })
    }

    /// Counts a start as one that did not come to life, until it does.
    pub(super) fn count_false_start(&self, job: &Job, start: &Start) {
        let mut memory = job.memory();
        let count = memory.false_starts.get(start).map_or(1, |(count, _)| count + 1);
        let until = later(self.settings.clock.now(), self.settings.backoff.ceiling(count));
        memory.false_starts.insert(start.clone(), (count, until));
    }

    /// Writes the end of a Job down, and removes what only its function needed. Blocks.
    pub(super) fn finish(&self, job: &Job, state: &JobState, attempts: u32) -> io::Result<()> {
        let end = End { state: state.clone(), attempts, at: self.settings.clock.now() };
        disk::replace(&self.folder.end(&job.file), &end)?;
        disk::remove(&self.folder.ending(&job.file))?;
        for start in self.folder.starts(&job.file)? {
            // What was never started has left what it was to be told.
            attempt::remove_plan(&self.folder.start(&job.file, &start))?;
        }
        self.remove_pods(job, &std::collections::BTreeSet::new())
    }
}

fn failed(reason: Reason) -> JobState {
    JobState::Failed { reason, exit_code: None }
}
