-- Locks: what nobody gets past, whatever policy and people say. Exactly the columns that `kind` names are there.

create table locks (
    id text primary key,
    kind text not null check (kind in ('principal', 'target', 'role', 'tag', 'everything')),
    principal_id text references principals (id),
    principal_name text,
    target text,
    role text,
    tag_name text,
    tag_value text,
    reason text not null,
    placed_by_id text not null references principals (id),
    placed_by_name text not null,
    created_at bigint not null,
    ends_at bigint,
    lifted_by_id text,
    lifted_by_name text,
    lifted_at bigint,
    lift_reason text,
    incident_id text,
    grants_closed bigint not null,
    version bigint not null,
    check (ends_at is null or ends_at > created_at),
    check ((lifted_at is null) = (lifted_by_id is null))
);
create index locks_newest on locks (created_at, id);
create index locks_not_lifted on locks (created_at, id) where lifted_at is null;
create index locks_by_incident on locks (incident_id);
