-- The log may begin anew in another epoch, when an operator declares that history was lost, and go on under another key.

-- The index of the first event of the epoch, and which of the keys of the epoch signs.
alter table log_head add column begins bigint not null default 0;
alter table log_head add column generation bigint not null default 1;

-- Each key but the first: the checkpoint that was signed with it and with the one before.
create table log_links (
    epoch bigint not null,
    generation bigint not null,
    -- The index of the first event of the epoch.
    begins bigint not null,
    at bigint not null,
    note text not null,
    primary key (epoch, generation)
);

-- Each epoch has a tree of its own.
alter table log_nodes rename to log_nodes_before;
create table log_nodes (
    epoch bigint not null,
    level bigint not null,
    idx bigint not null,
    hash text not null,
    primary key (epoch, level, idx)
);
insert into log_nodes (epoch, level, idx, hash) select h.epoch, n.level, n.idx, n.hash from log_nodes_before n, log_head h where h.id = 1;
drop table log_nodes_before;
