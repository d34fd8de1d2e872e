-- Sign-in at an identity provider: who is who there, and sign-ins that were begun and not finished.

create table identities (
    issuer text not null,
    -- With the issuer it is who somebody is. Names and addresses change, and may become somebody else's.
    subject text not null,
    principal_id text not null unique references principals (id),
    -- The provider's refresh token, sealed with a key of the installation; none where the provider gives none.
    refresh_token text,
    created_at bigint not null,
    -- When the provider last said what groups this person has.
    checked_at bigint not null,
    -- One node at a time asks the provider, because it may take a refresh token only once.
    asking_until bigint not null,
    -- When the provider said that this person is nobody there any more.
    gone_at bigint,
    primary key (issuer, subject)
);

create table provider_calls (
    -- A hash of the state that comes back with the answer.
    state text primary key,
    nonce text not null,
    redirect_uri text not null,
    code_challenge text not null,
    device text not null,
    -- What a step-up is for, as JSON; none for a sign-in.
    step_up text,
    created_at bigint not null,
    expires_at bigint not null
);
create index provider_calls_by_end on provider_calls (expires_at);
