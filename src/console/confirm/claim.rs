//! Claims: one key, because nothing is given or taken. A claim tells others who is on a request, and lapses by itself.

use crate::console::confirm::{Act, Mutation};
use crate::console::store::{Seen, Subject};
use crate::console::world::World;

/// Claims the request, or gives the claim back when it is one's own. The error says why not.
pub fn claim(world: &World, subject: &Subject) -> Result<Mutation, String> {
    if world.readonly {
        return Err("this console was started with `--readonly`".to_owned());
    }
    world.link.decidable(world.now)?;
    let (Subject::Request(request), Some(Seen::Request(view))) =
        (subject, world.store.get(subject))
    else {
        return Err("only a request can be claimed".to_owned());
    };
    if view.state != "pending" {
        return Err(format!("nobody needs to be on it, it is {}", view.state));
    }
    let now = world.server_now();
    let holder = view.claim.as_ref().filter(|claim| claim.until > now);
    let request = request.clone();
    let act = if holder.is_some_and(|claim| claim.by == world.my_name()) {
        Act::Release { request }
    } else {
        Act::Claim { request }
    };
    Mutation::new(act, view.version)
}
