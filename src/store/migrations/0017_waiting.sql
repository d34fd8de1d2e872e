-- Events wait in a table of their own until they are numbered, and are written where they stay in the order of their
-- indexes: no row is written twice, and the record has no dead ones. What has a column is not in `body` as well; what a
-- row of before has there stays as it was, and its id goes there, too.

drop index audit_waiting;
create table audit_waiting (
    -- Sixteen bytes of a UUID, version 7.
    event_id bytea not null,
    at bigint not null,
    code text not null,
    outcome text not null,
    actor text not null,
    principal text,
    target text,
    request_id text,
    grant_id text,
    reason text,
    address text,
    -- What reason and address are hashed with in the log. Once they are erased there is none, and the hashes are in `body`.
    salt text,
    body text not null,
    primary key (at, event_id)
);

alter table audit rename to audit_before;
create table audit (
    idx bigint primary key,
    event_id bytea,
    at bigint not null,
    code text not null,
    outcome text not null,
    actor text not null,
    principal text,
    target text,
    request_id text,
    grant_id text,
    reason text,
    address text,
    salt text,
    body text not null
);
insert into audit (idx, at, code, outcome, actor, principal, target, request_id, grant_id, reason, address, salt, body)
    select idx, at, code, outcome, actor, principal, target, request_id, grant_id, reason, address, salt, '{"id":"' || event_id || '",' || substr(body, 2)
    from audit_before where idx is not null order by idx;
-- Those that wait are numbered now, in their order.
insert into audit (idx, at, code, outcome, actor, principal, target, request_id, grant_id, reason, address, salt, body)
    select (select size from log_head where id = 1) - 1 + row_number() over (order by at, event_id), at, code, outcome, actor, principal, target,
        request_id, grant_id, reason, address, salt, '{"id":"' || event_id || '",' || substr(body, 2)
    from audit_before where idx is null order by at, event_id;
update log_head set size = size + (select count(*) from audit_before where idx is null) where id = 1;
drop table audit_before;
create index audit_by_request on audit (request_id);
create index audit_by_grant on audit (grant_id);
create index audit_by_time on audit (at);
