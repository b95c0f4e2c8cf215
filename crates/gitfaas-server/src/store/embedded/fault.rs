//! What can go wrong in a statement, and what it means for the one who asked.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// Why an operation on a connection failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Said by us.
    #[error("{0}")]
    Store(StoreError),
    /// Said by `SQLite`.
    #[error("{0}")]
    Sql(Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Store(StoreError::Unavailable(error.to_string()))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Sql(error) if is_damage(&error) => Self::Damaged(error.to_string()),
            Fault::Sql(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl Fault {
    /// Whether `SQLite`'s error concerns one operation alone, so that others in its transaction can still be committed.
    pub(super) fn is_isolated(error: &Error) -> bool {
        let of_the_operation = [ErrorCode::ConstraintViolation, ErrorCode::TooBig];
        is_damage(error) || error.sqlite_error_code().is_some_and(|code| of_the_operation.contains(&code))
    }
}

/// Whether the file holds something that was never written there.
fn is_damage(error: &Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => code == ErrorCode::DatabaseCorrupt,
        // No failure of SQLite, so one of reading a value: of another type, out of range, no text.
        None => matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..)
        ),
    }
}
