//! Which keys of a log a key vouches for, that of today for those of before and the other way round.
//!
//! A key vouches for the next by its signature beside that one's. Backwards a signature is no evidence: anybody can put
//! theirs beside another's. There it is what an entry says of the log that the later key signed: the event with which the
//! key was changed names the one before, and the first entry of an epoch the key that signed last.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::epochs::{follow, recovered};
use crate::client::verify::read_checkpoint;
use crate::tlog::{VerifyingKey, check_inclusion, leaf_hash};
use crate::wire::{LogEntry, LogLinkView};

use super::parts::hashes;

/// The code of the event with which a key was changed.
const ROTATED: &str = "audit.key_rotated";

/// Whether a trusted key vouches for this one, through these links.
pub fn vouches(trusted: &VerifyingKey, key: &VerifyingKey, links: &[LogLinkView]) -> bool {
    let ahead = |count: usize| {
        let chain = links.get(..count).map(|links| follow(trusted, links));
        chain.is_some_and(|chain| chain.is_ok_and(|chain| chain.key == *key))
    };
    trusted == key || (1..=links.len()).any(ahead) || vouches_back(trusted, key, links)
}

fn vouches_back(trusted: &VerifyingKey, key: &VerifyingKey, links: &[LogLinkView]) -> bool {
    let mut at = trusted.clone();
    for link in links.iter().rev() {
        if link.key != at.to_string() {
            continue;
        }
        match before(&at, link) {
            Some(before) => at = before,
            None => return false,
        }
        if at == *key {
            return true;
        }
    }
    false
}

/// The key before the one of a link, as the log itself says.
fn before(at: &VerifyingKey, link: &LogLinkView) -> Option<VerifyingKey> {
    let log = read_checkpoint(&link.checkpoint, at).ok()?;
    let bytes = STANDARD.decode(link.entry.as_ref()?).ok()?;
    let entry = LogEntry::decode(&bytes).ok()?;
    let said = |name: &str| entry.body.get("details")?.get(name)?.as_str();
    if link.generation == 1 {
        recovered(link, &log).ok()?;
        return said("signed_key")?.parse().ok();
    }
    let proof = hashes(link.inclusion.as_deref()?)?;
    let place = log.size.checked_sub(1)?;
    check_inclusion(leaf_hash(&bytes), place, (log.size, log.root), &proof).ok()?;
    let fits = entry.text("code") == Some(ROTATED) && said("to")? == at.to_string();
    let from: VerifyingKey = said("from")?.parse().ok()?;
    (fits && from.name() == at.name()).then_some(from)
}
