-- Notices: who is to be told of what, by which channel; what was sent stays for a while, so that nothing is sent twice.

create table notices_out (
    -- A hash of what caused it, its kind, the channel and the person.
    id text primary key,
    -- An event, or a grant with its end. One row of each cause that is no event has no channel: it is dealt with.
    cause text not null,
    kind text not null,
    channel text not null,
    -- Empty where the channel is a room.
    principal_id text not null,
    request_id text,
    urgent bigint not null,
    -- Ids, names and moments; nothing that somebody typed freely.
    body text not null,
    created_at bigint not null,
    due_at bigint not null,
    give_up_at bigint not null,
    -- The message that it is part of, from the first attempt on: what is repeated is the same message.
    message text,
    lease_owner text,
    lease_until bigint not null default 0,
    attempts bigint not null default 0,
    error text,
    sent_at bigint,
    given_up_at bigint
);
create index notices_due on notices_out (channel, due_at) where sent_at is null and given_up_at is null;
create index notices_by_cause on notices_out (cause);
create index notices_by_message on notices_out (message);
create index notices_by_request on notices_out (request_id, kind);
create index notices_by_reader on notices_out (channel, principal_id, sent_at);
create index notices_by_age on notices_out (created_at);

-- Up to where the history was read for notices.
create table notices_cursor (
    id bigint primary key,
    next_idx bigint not null
);

-- What people want of notices.
create table notice_wishes (
    principal_id text primary key references principals (id),
    address text,
    -- JSON lists; null for every channel.
    channels text,
    kinds_off text not null,
    quiet_times text,
    quiet_zone text,
    updated_at bigint not null
);

insert into schema_reach (version, oldest) values (19, 17);
