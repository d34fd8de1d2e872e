-- What passkeys were asked to sign, or to be made for: each question can be answered once, and only for minutes.

create table passkey_questions (
    id text primary key,
    principal_id text not null references principals (id),
    sign_in_id text not null,
    -- The hash of the digests of the calls; of the factor where a passkey is being added.
    about text not null,
    -- What the answer is judged by, as JSON.
    state text not null,
    asked_at bigint not null
);
create index passkey_questions_by_age on passkey_questions (asked_at);
create index passkey_questions_by_sign_in on passkey_questions (sign_in_id);
create index tries_by_age on tries (began_at);
