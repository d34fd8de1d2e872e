//! What a [`super::Tx`] holds: a transaction, a search, a bare connection for one statement, or a turn at SQLite's
//! writer.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use anyhow::Context;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Transaction};

use super::ring::Member;
use super::search::Search;
use super::writer::Turn;

/// A connection to SQLite, and what its end means.
pub(in crate::store) enum Sqlite {
    Bare(PoolConnection<sqlx::Sqlite>),
    Read(Transaction<'static, sqlx::Sqlite>),
    Search(Search<sqlx::Sqlite>),
    Write(Turn),
}

/// A connection to PostgreSQL, and the host that it is to.
pub(in crate::store) struct Postgres {
    member: Arc<Member>,
    held: Held,
}

/// What the end of a connection means.
pub(in crate::store) enum Held {
    Bare(PoolConnection<sqlx::Postgres>),
    Transaction(Transaction<'static, sqlx::Postgres>),
    Search(Search<sqlx::Postgres>),
}

impl Sqlite {
    pub(in crate::store) async fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::Bare(_) => Ok(()),
            Self::Read(transaction) => transaction.commit().await.context("committing"),
            Self::Search(search) => {
                search.end();
                Ok(())
            }
            Self::Write(turn) => turn.commit().await,
        }
    }
}

impl Postgres {
    pub(in crate::store) fn new(member: Arc<Member>, held: Held) -> Self {
        Self { member, held }
    }

    /// The host, which knows when nothing more is to be expected from it.
    pub(in crate::store) fn member(&self) -> Arc<Member> {
        Arc::clone(&self.member)
    }

    pub(in crate::store) async fn commit(self) -> anyhow::Result<()> {
        match self.held {
            Held::Bare(_) => Ok(()),
            Held::Transaction(transaction) => self.member.committed(transaction.commit()).await,
            Held::Search(search) => {
                search.end();
                Ok(())
            }
        }
    }

    /// Ends a search that has found what it was to find.
    pub(in crate::store) fn found(self) {
        if let Held::Search(search) = self.held {
            search.end();
        }
    }
}

impl Deref for Sqlite {
    type Target = <sqlx::Sqlite as Database>::Connection;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Bare(connection) => connection,
            Self::Read(transaction) => transaction,
            Self::Search(search) => search,
            Self::Write(turn) => turn,
        }
    }
}

impl DerefMut for Sqlite {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Bare(connection) => connection,
            Self::Read(transaction) => transaction,
            Self::Search(search) => search,
            Self::Write(turn) => turn,
        }
    }
}

impl Deref for Postgres {
    type Target = <sqlx::Postgres as Database>::Connection;

    fn deref(&self) -> &Self::Target {
        match &self.held {
            Held::Bare(connection) => connection,
            Held::Transaction(transaction) => transaction,
            Held::Search(search) => search,
        }
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match &mut self.held {
            Held::Bare(connection) => connection,
            Held::Transaction(transaction) => transaction,
            Held::Search(search) => search,
        }
    }
}
