//! What somebody wants written, done in a savepoint of its own within a transaction of many.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::store::StoreError;
use crate::store::embedded::fault::Fault;

/// What one caller wants, and how to tell them.
pub(super) trait Operation: Send {
    /// How much room it takes.
    fn weight(&self) -> u32;
    /// Whether it belongs to nothing that is under way.
    fn is_new(&self) -> bool;
    /// Does it, inside a transaction; an error means that nothing of it may stay.
    fn perform(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// Remembers why it cannot be done, though its neighbours can.
    fn refuse(&mut self, error: StoreError);
    /// Tells the caller: what came of it, if it is durable.
    fn answer(self: Box<Self>, durable: Result<(), StoreError>);
}

/// Somebody who waits until their work is done.
pub(super) struct Waiting<T, F> {
    work: Option<F>,
    is_new: bool,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    room: OwnedSemaphorePermit,
}

impl<T, F> Waiting<T, F> {
    /// `room` is given back with the answer.
    pub(super) fn new(
        work: F,
        is_new: bool,
        reply: oneshot::Sender<Result<T, StoreError>>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self { work: Some(work), is_new, done: None, reply, room }
    }
}

impl<T, F> Operation for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn weight(&self) -> u32 {
        u32::try_from(self.room.num_permits()).unwrap_or(u32::MAX)
    }

    fn is_new(&self) -> bool {
        self.is_new
    }

    fn perform(&mut self, connection: &Connection) -> Result<(), Fault> {
        if let Some(work) = self.work.take() {
            self.done = Some(Ok(work(connection)?));
        }
        Ok(())
    }

    fn refuse(&mut self, error: StoreError) {
        self.done = Some(Err(error));
    }

    fn answer(self: Box<Self>, durable: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        // A caller that went away needs no answer.
        let _ = reply.send(durable.and_then(|()| done.unwrap_or_else(|| Err(ended()))));
    }
}

/// Does all of the batch in one transaction. On an error nothing of it is known to be durable.
pub(super) fn transact(connection: &Connection, batch: &mut [Box<dyn Operation>]) -> Result<(), Fault> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for operation in batch {
        perform(connection, operation.as_mut())?;
    }
    Ok(execute(connection, "COMMIT")?)
}

fn perform(connection: &Connection, operation: &mut dyn Operation) -> rusqlite::Result<()> {
    execute(connection, "SAVEPOINT operation")?;
    let error = match catch_unwind(AssertUnwindSafe(|| operation.perform(connection))) {
        Ok(Ok(())) => return execute(connection, "RELEASE operation"),
        // What concerns the disk, or took the whole transaction back, concerns everybody.
        Ok(Err(Fault::Sql(error))) if connection.is_autocommit() || !Fault::is_isolated(&error) => return Err(error),
        Ok(Err(fault)) => fault.into(),
        Err(_) => StoreError::Unavailable("writing this failed unexpectedly, see the log".to_owned()),
    };
    operation.refuse(error);
    execute(connection, "ROLLBACK TO operation")?;
    execute(connection, "RELEASE operation")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// That nobody will do it any more.
pub(super) fn ended() -> StoreError {
    StoreError::Unavailable("its writer ended unexpectedly; restart the server".to_owned())
}
