-- Break-glass: each use with its sign-offs, and the sealed codes that were made in advance.

create table sealed_codes (
    id text primary key,
    hash text not null unique,
    principal_id text not null references principals (id),
    principal_name text not null,
    made_by_id text not null references principals (id),
    made_by_name text not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint,
    revoked_at bigint,
    -- The sign-in that it opened.
    sign_in_id text references sign_ins (id),
    -- The one call for which it counted as the second factor.
    proved_digest text
);
create index sealed_codes_by_person on sealed_codes (principal_id, created_at);
create index sealed_codes_by_sign_in on sealed_codes (sign_in_id);

create table break_glass (
    -- A use has the name of the request that was filed with it.
    request_id text primary key references requests (id),
    grant_id text not null references grants (id),
    person_id text not null references principals (id),
    person_name text not null,
    target text not null,
    role text not null,
    -- Everybody who would have reviewed, as a JSON list.
    skipped text not null,
    -- The sealed code that opened the sign-in, and who made it, as JSON.
    code text,
    created_at bigint not null,
    -- justified or not_justified; none while it waits.
    verdict text,
    reviewed_at bigint,
    version bigint not null,
    check ((verdict is null) = (reviewed_at is null))
);
-- Nobody has two that wait, however many are asked for at once.
create unique index break_glass_one_open on break_glass (person_id) where verdict is null;
create unique index break_glass_by_grant on break_glass (grant_id);
create index break_glass_newest on break_glass (created_at, request_id);

create table break_glass_sign_offs (
    request_id text not null references break_glass (request_id),
    reviewer_id text not null references principals (id),
    reviewer_name text not null,
    verdict text not null,
    comment text not null,
    counted_groups text not null,
    created_at bigint not null,
    -- The version of the use that this sign-off led to.
    version bigint not null,
    primary key (request_id, reviewer_id)
);
