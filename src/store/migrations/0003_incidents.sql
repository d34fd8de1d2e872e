-- Incidents: one deliberate act on many grants and requests, what became of each, and what was there but not shown.

create table incidents (
    id text primary key,
    reason text not null,
    -- The scope and what was asked for, as JSON.
    ask text not null,
    started_by_id text not null references principals (id),
    started_by_name text not null,
    created_at bigint not null,
    -- A hash of the dry run's token: each is committed once.
    token text not null unique,
    -- Ids, as JSON.
    appeared text not null
);
create index incidents_newest on incidents (created_at, id);

create table incident_items (
    incident_id text not null references incidents (id),
    place bigint not null,
    item_id text not null,
    holder text not null,
    target text not null,
    role text not null,
    fate text not null,
    changed text,
    primary key (incident_id, place)
);
create index incident_items_by_item on incident_items (item_id);
