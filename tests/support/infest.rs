//! A database that somebody broke: attacks in every column that people are shown.

use super::world::World;

/// Fills the rows of a world with attacks. There have to be requests, a grant and events already.
pub(crate) async fn infest(world: &World, attacks: &[String]) {
    let mut attacks: Vec<String> = attacks
        .iter()
        .filter(|attack| !attack.contains('\0') && !attack.is_empty())
        .map(|attack| format!("'{}'", attack.replace('\'', "''")))
        .collect();
    let mut sql = String::new();
    // More rows, so that every attack has a place: decided requests and grants that are over.
    let count = attacks.len().div_ceil(5);
    for number in 0..count {
        let id = format!("{number:010}");
        let mut next = || attacks.pop().unwrap_or_else(|| "'the last'".to_owned());
        let (reason, ticket) = (next(), next());
        sql.push_str(&format!(
            "insert into requests (id, kind, state, requester_id, requester_name, target, role, duration, not_before, \
             reason, ticket, snapshot, created_at, decide_by, decided_at, grant_id, version) select 'R-{id}', kind, \
             'denied', requester_id, requester_name, target, role, duration, not_before, {reason}, {ticket}, snapshot, \
             created_at, decide_by, created_at, null, 2 from requests limit 1;\n"
        ));
        let (reason, why, error) = (next(), next(), next());
        sql.push_str(&format!(
            "insert into grants (id, request_id, holder_id, holder_name, target, role, reason, state, duration, \
             max_total, not_before, starts_at, expires_at, max_expires_at, close_kind, close_reason, closed_by_name, \
             attempts, last_error, extensions, epoch, created_at, ended_at, version) select 'G-{id}', request_id, \
             holder_id, holder_name, target, role, {reason}, 'revoked', duration, max_total, not_before, starts_at, \
             expires_at, max_expires_at, 'revoke', {why}, holder_name, 1, {error}, 0, 1, created_at, created_at, 5 \
             from grants limit 1;\n"
        ));
    }
    // Many of them on the rows that people open; names are checked when they are read, so they stay.
    sql.push_str(
        "update requests set reason = (select group_concat(reason, ' ') from (select reason from requests where state \
         = 'denied' limit 30)) where state = 'pending';\n\
         update grants set reason = (select group_concat(reason, ' ') from (select reason from requests where state = \
         'denied' limit 30)) where state = 'active';\n\
         insert into audit_waiting (event_id, at, code, outcome, actor, principal, target, request_id, grant_id, reason, body) \
         select randomblob(16), audit.at, code, outcome, actor, principal, audit.target, requests.id, \
         null, requests.reason, body from requests join audit on audit.code \
         = 'request.submitted' where requests.state = 'denied' group by requests.id;\n\
         insert into locks (id, kind, tag_name, tag_value, reason, placed_by_id, placed_by_name, created_at, lifted_by_id, \
         lifted_by_name, lifted_at, lift_reason, grants_closed, version) select 'L-' || substr(id, 3), 'tag', 'env', ticket, \
         reason, requester_id, requester_name, created_at, requester_id, requester_name, created_at, reason, 0, 2 from \
         requests where state = 'denied';\n\
         insert into incidents (id, reason, ask, started_by_id, started_by_name, created_at, token, appeared) select 'I-' || \
         substr(id, 3), reason, json_object('scope', json_object('targets', json('[]'), 'tags', json('{}'), 'principals', \
         json('[]'), 'filter', ticket, 'everything', json('false')), 'lock', json('false'), 'deny_pending', json('false')), \
         requester_id, requester_name, created_at, id, '[]' from requests where state = 'denied';\n\
         insert into incident_items (incident_id, place, item_id, holder, target, role, fate, changed) select 'I-' || \
         substr(requests.id, 3), 0, grants.id, holder_name, grants.target, grants.role, 'changed', requests.ticket from \
         requests join grants on substr(grants.id, 3) = substr(requests.id, 3) where requests.state = 'denied';\n\
         insert into break_glass (request_id, grant_id, person_id, person_name, target, role, skipped, created_at, verdict, \
         reviewed_at, version) select id, 'G-' || substr(id, 3), requester_id, requester_name, target, role, '[]', created_at, \
         'justified', created_at, 2 from requests where state = 'denied' and 'G-' || substr(id, 3) in (select id from grants);\n\
         insert into break_glass_sign_offs (request_id, reviewer_id, reviewer_name, verdict, comment, counted_groups, \
         created_at, version) select id, requester_id, requester_name, 'justified', coalesce(ticket, reason), '[]', created_at, 2 \
         from requests where id in (select request_id from break_glass);\n\
         update sign_ins set device = (select reason from requests where state = 'denied' limit 1);\n",
    );
    world.execute(&sql).await;
}
