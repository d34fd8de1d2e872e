-- Identities that the provider confirms no more; and device keys of people, which the device flow starts from.

-- Since when the provider takes the refresh token no more.
alter table identities add column lapsed_at bigint;

create table device_keys (
    id text primary key,
    principal_id text not null references principals (id),
    -- What the key is known by (RFC 7638).
    thumbprint text not null unique,
    name text not null,
    created_at bigint not null,
    last_used_at bigint,
    revoked_at bigint
);
create index device_keys_by_principal on device_keys (principal_id);

create table device_calls (
    -- A hash of what the program asks with whether the person is done.
    handle text primary key,
    thumbprint text not null,
    -- The provider's device code, sealed with a key of the installation.
    device_code text not null,
    device text not null,
    -- Seconds between two questions, as the provider wants it.
    pause bigint not null,
    next_at bigint not null,
    created_at bigint not null,
    expires_at bigint not null
);
create index device_calls_by_end on device_calls (expires_at);
