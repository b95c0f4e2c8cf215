//! Expire: forget what is older than the retention says.

use jiff::Timestamp;

use super::{Engine, EngineError};

/// Requests forgotten in one durable step: short enough that a publish beside it does not notice.
const STEP: usize = 200;

impl Engine {
    /// Forgets the requests whose last run finished longer ago than the retention, which is another one for those with a
    /// dead letter; returns how many.
    ///
    /// # Errors
    /// When the store does not answer; nothing is lost, call again.
    pub async fn expire(&self) -> Result<usize, EngineError> {
        let before = |retention| self.now().checked_sub(retention).unwrap_or(Timestamp::MIN);
        let ended_before = before(self.settings.retention);
        let dead_before = before(self.settings.retention.max(self.settings.dead_letter_retention));
        let mut expired = 0;
        loop {
            let step = self.parts.store.expire(ended_before, dead_before, STEP).await?;
            expired += step;
            if step < STEP || self.stopping.is_cancelled() {
                return Ok(expired);
            }
        }
    }
}
