-- How far the history has been delivered to each place outside, and which node is at it.

create table siem_cursors (
    name text primary key,
    -- The first event that has not been delivered.
    next_idx bigint not null,
    lease_owner text,
    lease_until bigint not null default 0,
    delivered_at bigint,
    -- Since when it does not work, how often it was tried since, and why it does not.
    failed_since bigint,
    attempts bigint not null default 0,
    error text,
    -- Whether that is on record.
    told bigint not null default 0
);

-- Events below the first are gone, but for their hashes; those below the second are going.
alter table log_head add column minimum bigint not null default 0;
alter table log_head add column prune_to bigint not null default 0;
