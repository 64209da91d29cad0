//! What can go wrong below a use case. What a person did wrong is never one of these: that is the use case's answer.

use std::borrow::Cow;

/// A failure of the store; the transaction has been rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Somebody else changed the row meanwhile.
    #[error("the row was changed by somebody else meanwhile")]
    Conflict,
    /// The database could not take it now, and may later: locked, or a use case that took too long.
    #[error("the database is busy")]
    Busy,
    /// Somebody else has locked a row for longer than it was to be waited for.
    #[error("a row is locked by somebody else")]
    Locked,
    /// The engine asks to run the transaction again.
    #[error("the database asks to try the transaction again")]
    Retry,
    /// The reply to COMMIT was lost: done or not, nobody knows.
    #[error("the reply to COMMIT was lost")]
    CommitUnknown,
    /// The database is not there, or refuses.
    #[error("the database is not available: {0}")]
    Unavailable(Cow<'static, str>),
    /// A row holds what it cannot hold.
    #[error("{table}.{column} of {id} cannot be read")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        id: String,
    },
    /// A row cannot be read: written by a newer version, or damaged.
    #[error("a row cannot be read: {0}")]
    Unreadable(Cow<'static, str>),
    /// A use case panicked; its part of the transaction was rolled back.
    #[error("a use case panicked")]
    Panicked,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// A row that cannot be read.
    pub fn inconsistent(table: &'static str, column: &'static str, id: impl std::fmt::Display) -> Self {
        Self::Inconsistent { table, column, id: id.to_string() }
    }

    /// Its kind, as it is counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Busy | Self::Locked => "busy",
            Self::Retry => "retry",
            Self::CommitUnknown => "commit_unknown",
            Self::Unavailable(_) => "unavailable",
            Self::Inconsistent { .. } | Self::Unreadable(_) => "unreadable",
            Self::Panicked => "panicked",
            Self::Closed => "closed",
        }
    }

    /// Whether what is kept is at fault, and trying again helps nothing.
    pub fn is_about_a_row(&self) -> bool {
        matches!(self, Self::Inconsistent { .. } | Self::Unreadable(_))
    }

    /// Whether it is not for a part of a transaction to deal with: it passes by itself (a conflict), or the database is busy or
    /// gone. The whole is given up, and done again.
    pub fn is_for_the_whole(&self) -> bool {
        self.passes() || matches!(self, Self::Busy | Self::Locked | Self::Closed)
    }

    /// Whether the same use case may succeed if it is simply run again.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Conflict | Self::Retry)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let Some(database) = error.as_database_error() {
            match database.code().as_deref() {
                // PostgreSQL: serialization failure, deadlock, read-only (a demoted primary).
                Some("40001" | "40P01" | "25006") => return Self::Retry,
                // PostgreSQL: lock timeout.
                Some("55P03") => return Self::Locked,
                // PostgreSQL: statement timeout; SQLite: busy, busy snapshot, locked.
                Some("57014" | "25P03" | "5" | "6" | "261" | "517") => return Self::Busy,
                _ => {}
            }
            return Self::Unavailable(
                format!("{} ({})", database.message(), database.code().unwrap_or_default()).into(),
            );
        }
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Unreadable(error.to_string().into())
            }
            sqlx::Error::PoolTimedOut => Self::Unavailable("no connection was free in time".into()),
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::RowNotFound => Self::Unavailable("a row that must be there is not".into()),
            other => Self::Unavailable(other.to_string().into()),
        }
    }
}
