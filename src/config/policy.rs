//! The `[policy]` table: what a policy's text cannot say about itself.

use crate::config::document::Table;
use crate::config::keys::POLICY;
use crate::config::layers::{Env, Layers, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::domain::zone::Zone;

/// Understands the `[policy]` table. It is read with the catalogue, so that a change holds at once; the environment
/// has no say in it, because all nodes must read the same clock.
pub fn understand<'t>(table: Option<Table<'t>>, notes: &mut Notes<'t>) -> (Zone, Vec<Shown>) {
    let nothing: Env<'_> = &|_| None;
    let layers = Layers::collect(&POLICY, "`[policy]`", table, nothing, &[], notes);
    let (zone, from) = layers.understand("time_zone", Zone::default(), notes, |text, _| {
        text.parse()
            .map_err(|error: crate::domain::zone::ZoneError| Wrong {
                message: error.to_string(),
                hint: "write a name of the IANA database, like `Europe/Berlin` or `UTC`".to_owned(),
            })
    });
    let shown = Shown {
        name: "time_zone",
        value: zone.to_string(),
        origin: from.to_string(),
    };
    (zone, vec![shown])
}
