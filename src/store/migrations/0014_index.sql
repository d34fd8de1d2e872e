-- What events are found by: for each segment of the numbered events, which of them have a value, a word or three letters
-- in a row. It is written after events have their index, from nothing but the events, and can be thrown away at any time.
create table log_index (
    id integer primary key,
    terms bytea not null
);
-- The segments that are there, and how often texts in them were erased: by now, and before they were written.
create table log_segments (
    first_idx bigint primary key,
    events bigint not null,
    erased bigint not null,
    seen bigint not null
);

-- Searches do not read these any more.
drop index audit_by_code;
drop index audit_by_outcome;
drop index audit_by_actor;
drop index audit_by_target;
