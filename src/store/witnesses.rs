//! What witnesses outside say of the newest checkpoint, which is kept with it.

use anyhow::Context;

use super::Tx;

impl Tx {
    /// Puts a note in the place of the newest one, which it has more signatures than; `false` when that is another by
    /// now.
    pub async fn replace_checkpoint(&mut self, from: &str, to: &str) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update log_head set checkpoint = $2 where id = 1 and checkpoint = $1").bind(from).bind(to).execute(c))
            .context("adding to a checkpoint")?;
        Ok(rows == 1)
    }
}
