-- Second factors, proofs of them that are bound to calls, local passwords, and how often something was tried.

create table factors (
    id text primary key,
    principal_id text not null references principals (id),
    -- totp or passkey.
    way text not null,
    name text not null,
    created_at bigint not null,
    confirmed_at bigint,
    last_used_at bigint,
    -- The newest step of a TOTP code that was taken. Its secret is derived from the master key, so none is here.
    last_step bigint not null,
    -- What is public of a passkey, as JSON.
    public text
);
create index factors_by_principal on factors (principal_id);

create table recovery_codes (
    hash text primary key,
    principal_id text not null references principals (id),
    created_at bigint not null,
    used_at bigint
);
create index recovery_codes_by_principal on recovery_codes (principal_id);

create table step_ups (
    hash text primary key,
    principal_id text not null references principals (id),
    sign_in_id text not null,
    way text not null,
    proved_at bigint not null
);
create index step_ups_by_age on step_ups (proved_at);

-- Each call that a proof is good for, once.
create table step_up_digests (
    proof text not null references step_ups (hash) on delete cascade,
    digest text not null,
    used_at bigint,
    primary key (proof, digest)
);

create table passwords (
    principal_id text primary key references principals (id),
    hash text not null,
    set_at bigint not null
);

create table tries (
    subject text primary key,
    began_at bigint not null,
    count bigint not null
);

-- What a person is told at each sign-in of the next days.
create table notices (
    id text primary key,
    principal_id text not null references principals (id),
    text text not null,
    created_at bigint not null
);
create index notices_by_principal on notices (principal_id);
