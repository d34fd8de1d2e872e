-- The first schema. Portable SQL: text, bigint (moments in milliseconds since 1970, durations in seconds) and nothing else.

create table settings (
    name text primary key,
    value text not null
);

create table principals (
    id text primary key,
    name text not null unique,
    roles text not null,
    group_names text not null,
    created_at bigint not null,
    version bigint not null
);

create table sign_ins (
    id text primary key,
    principal_id text not null references principals (id),
    device text not null,
    created_at bigint not null,
    last_used_at bigint not null,
    expires_at bigint not null,
    revoked_at bigint
);
create index sign_ins_by_principal on sign_ins (principal_id, created_at);

create table tokens (
    hash text primary key,
    sign_in_id text not null references sign_ins (id),
    kind text not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint,
    successor text
);
create index tokens_by_sign_in on tokens (sign_in_id);

create table codes (
    hash text primary key,
    principal_id text references principals (id),
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint
);

create table requests (
    id text primary key,
    kind text not null,
    state text not null,
    requester_id text not null references principals (id),
    requester_name text not null,
    target text not null,
    role text not null,
    duration bigint not null check (duration > 0),
    not_before bigint,
    reason text not null,
    ticket text,
    snapshot text not null,
    created_at bigint not null,
    decide_by bigint not null check (decide_by > created_at),
    decided_at bigint,
    grant_id text,
    version bigint not null,
    check (state = 'pending' or decided_at is not null)
);
create unique index requests_one_pending on requests (requester_id, target, role) where state = 'pending' and kind = 'access';
create index requests_by_state on requests (state, created_at, id);
create index requests_by_requester on requests (requester_id, created_at, id);
create index requests_newest on requests (created_at, id);
create index requests_by_grant on requests (grant_id);
create index requests_by_deadline on requests (decide_by) where state = 'pending';

create table reviews (
    request_id text not null references requests (id),
    reviewer_id text not null references principals (id),
    reviewer_name text not null,
    decision text not null,
    comment text,
    narrowed text not null,
    counted_groups text not null,
    created_at bigint not null,
    -- The version of the request that this review led to: reviews are read in the order in which they were given.
    version bigint not null,
    primary key (request_id, reviewer_id)
);

create table grants (
    id text primary key,
    request_id text not null references requests (id),
    holder_id text not null references principals (id),
    holder_name text not null,
    target text not null,
    role text not null,
    reason text not null,
    state text not null,
    duration bigint not null,
    max_total bigint not null,
    not_before bigint not null,
    starts_at bigint,
    expires_at bigint not null,
    max_expires_at bigint not null,
    close_kind text,
    close_reason text,
    closed_by_id text,
    closed_by_name text,
    attempts bigint not null,
    last_error text,
    extensions bigint not null,
    epoch bigint not null,
    credential_ends_at bigint,
    created_at bigint not null,
    ended_at bigint,
    version bigint not null,
    check (not_before < expires_at and expires_at <= max_expires_at),
    check (state <> 'active' or starts_at is not null),
    check (state <> 'closing' or close_kind is not null)
);
create index grants_newest on grants (created_at, id);
create index grants_by_state on grants (state, expires_at, id);
create index grants_by_holder on grants (holder_id, created_at, id);
create index grants_by_target on grants (target, holder_id, created_at);

create table outbox (
    grant_id text not null references grants (id),
    kind text not null,
    target text not null,
    trace text not null,
    due_at bigint not null,
    lease_owner text,
    lease_until bigint not null,
    primary key (grant_id, kind)
);
create index outbox_due on outbox (due_at, lease_until);
create index outbox_by_target on outbox (target, due_at);

create table idempotency (
    principal_id text not null,
    key text not null,
    digest text not null,
    result text not null,
    created_at bigint not null,
    primary key (principal_id, key)
);
create index idempotency_age on idempotency (created_at);

-- An event is inserted in the transaction of its change. `idx` is given afterwards by the sequencer, dense from 0;
-- `leaf` is for the Merkle log that a later step builds over the same order.
create table audit (
    event_id text primary key,
    at bigint not null,
    idx bigint unique,
    leaf text,
    code text not null,
    outcome text not null,
    actor text not null,
    principal text,
    target text,
    request_id text,
    grant_id text,
    reason text,
    body text not null
);
create index audit_waiting on audit (at, event_id) where idx is null;
create index audit_by_actor on audit (actor, idx);
create index audit_by_code on audit (code, idx);
create index audit_by_outcome on audit (outcome, idx);
create index audit_by_target on audit (target, idx);
create index audit_by_request on audit (request_id, idx);
create index audit_by_grant on audit (grant_id, idx);
create index audit_by_time on audit (at, idx);

create table log_head (
    id bigint primary key check (id = 1),
    epoch bigint not null,
    size bigint not null,
    root text
);
insert into log_head (id, epoch, size) values (1, 1, 0);
