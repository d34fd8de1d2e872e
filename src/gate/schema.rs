//! When the database has become one for newer nodes than this: nothing more is decided here, what ends access goes on.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::refusal::Refusal;
use crate::store::migrate::known;

use super::{Error, Gate, Writing};

/// What a node has to know to go on with the database, as it was seen last.
#[derive(Default)]
pub(super) struct Needs(AtomicI64);

impl Gate {
    /// Says no to what gives access where this node is too old for the database, its clock is another, the log is not
    /// what was signed, or it does not keep up. INVARIANT: only what gives access asks this
    /// (`a_node_that_is_too_old_decides_nothing_and_everything_ends`).
    pub(super) async fn may_give(&self, writing: &mut Writing) -> Result<(), Error> {
        self.fits()?;
        self.clocks_agree()?;
        self.log_is_ours()?;
        self.log_keeps_up(writing).await
    }

    /// Says no where this node is too old for the database.
    pub fn fits(&self) -> Result<(), Refusal> {
        let (needs, knows) = (self.needs.0.load(Ordering::Relaxed), known());
        if needs > knows {
            return Err(Refusal::NodeTooOld { needs, knows });
        }
        Ok(())
    }

    /// Looks who may go on with the database, and says once that this node may not, or may again.
    pub async fn watch_schema(&self) -> Result<(), Error> {
        let needs = self.store.glance().await?.oldest_schema().await?;
        let before = self.needs.0.swap(needs, Ordering::Relaxed);
        let knows = known();
        match (before > knows, needs > knows) {
            (false, true) => tracing::error!(
                needs,
                knows,
                "the database has become one for newer nodes: nothing more is decided here until this one is updated; what ends access goes on"
            ),
            (true, false) => tracing::warn!("this node goes on with the database"),
            _ => {}
        }
        Ok(())
    }
}
