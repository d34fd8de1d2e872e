-- The text of every policy under which something was asked, so that an old request can still be explained.

create table policies (
    version text primary key,
    text text not null,
    time_zone text not null,
    first_used_at bigint not null
);
