-- Standing access: what lets somebody into a target although no grant backs it, and what people said about it.
create table standing (
    id text primary key,
    target text not null,
    kind text not null check (kind in ('account', 'member', 'key')),
    subject text not null,
    rights text not null,
    found_at bigint not null,
    gone_at bigint,
    said_by_id text references principals (id),
    said_by_name text,
    said_at bigint,
    reason text,
    owner text,
    until_at bigint,
    version bigint not null,
    check ((said_at is null) = (said_by_id is null)),
    check ((until_at is null) = (owner is null))
);
create unique index standing_subject on standing (target, kind, subject);
create index standing_newest on standing (found_at, id);
insert into schema_reach (version, oldest) values (20, 17);
