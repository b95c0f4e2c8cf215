//! Why queued runs wait, and for how many others, or have no room to. Derived when it is asked, never stored: it changes
//! with every run that ends.

use std::collections::HashMap;

use gitfaas_core::gate::{Gate, Pauser};
use gitfaas_core::id::RunId;
use gitfaas_core::run::{Phase, Reason, Run};
use gitfaas_core::topic::TopicName;

use super::{Engine, EngineError, ErrorCode};
use crate::store::{Bound, Place};

/// How many runs before one are counted: a line may be long, and every look at a run would walk along it.
const COUNTED: u32 = 1000;

/// Why a queued run waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in its topic's line, 1 for the next; `None` beyond the thousandth.
    pub position: Option<u32>,
    /// `Paused`, `WaitingForSlot` or `ClusterUnreachable`; `None` when it is about to go.
    pub reason: Option<Reason>,
}

impl Engine {
    /// Says which queue is full, and how long it is; or that so many runs never have room in it.
    pub(super) async fn queue_full(&self, topic: &TopicName, bound: Bound, runs: usize) -> EngineError {
        let of = (bound == Bound::Topic).then_some(topic);
        let loads = self.parts.store.loads(of).await.unwrap_or_default();
        let queued: u64 = loads.iter().map(|load| load.queued).sum();
        let (whose, most) = match bound {
            Bound::Topic => (format!("of the topic `{topic}`"), self.settings.room.per_topic),
            Bound::All => ("of all topics together".to_owned(), self.settings.room.in_all),
        };
        if runs as u64 > most {
            let detail = format!(
                "the topic `{topic}` has {runs} functions, and no more than {most} runs {whose} may wait to be applied; nothing \
                 was stored. Allow more of them to wait (--max-queued, --max-queued-topic)"
            );
            return EngineError::new(ErrorCode::Unplannable, detail);
        }
        let detail = format!(
            "the queue is full: {queued} runs {whose} wait to be applied, of {most} at most; publish again later, nothing was stored"
        );
        EngineError::new(ErrorCode::QueueFull, detail)
    }

    /// Those of the runs that wait in the line of a topic with a `concurrency`, or of one that is paused, and all that
    /// are queued while the cluster cannot be reached.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn waits(
        &self,
        runs: impl IntoIterator<Item = &Run> + Send,
    ) -> Result<HashMap<RunId, Waiting>, EngineError> {
        let queued: Vec<&Run> = runs.into_iter().filter(|run| run.phase == Phase::Queued).collect();
        let mut waiting = HashMap::new();
        for run in queued {
            if let Some(why) = self.why_queued(run).await? {
                waiting.insert(run.id, why);
            }
        }
        Ok(waiting)
    }

    /// Why a queued run waits; `None` when nothing holds its topic's runs back, or when it waits for its own next time.
    pub(super) async fn why_queued(&self, run: &Run) -> Result<Option<Waiting>, EngineError> {
        let (gate, now) = (self.gate(&run.topic), self.now());
        let retried = run.apply_failures > 0 && run.due_at.is_some_and(|due| due > now);
        if !gate.holds() || (retried && gate.paused().is_none()) {
            return Ok(self.cut_off().map(|reason| Waiting { position: None, reason: Some(reason) }));
        }
        let place = self.parts.store.place(run, now, COUNTED).await?;
        let position = (place.ahead < COUNTED).then_some(place.ahead + 1);
        let reason = why(&run.topic, &gate, place, position).or_else(|| self.cut_off());
        Ok(Some(Waiting { position, reason }))
    }
}

fn why(topic: &TopicName, gate: &Gate, place: Place, position: Option<u32>) -> Option<Reason> {
    let place_in_line = position.map_or_else(|| format!("behind {COUNTED} others"), |at| format!("position {at}"));
    match (gate.paused(), gate.concurrency) {
        (Some((Pauser::Config, since)), _) => {
            Some(Reason::new("Paused", format!("the config pauses the topic {topic} since {since}, {place_in_line}")))
        }
        (Some((Pauser::Operator, since)), _) => {
            Some(Reason::new("Paused", format!("the topic {topic} was paused at {since}, {place_in_line}")))
        }
        (None, Some(most)) if place.live + u64::from(place.ahead) >= u64::from(most.get()) => {
            Some(Reason::new("WaitingForSlot", format!("waiting for a slot, {place_in_line}")))
        }
        (None, _) => None,
    }
}
