-- The tamper-evident log: a Merkle tree over the numbered events. What people typed, and where they were, lies beside
-- the body, which has a salted hash of it: so it can be erased and the tree stands.

alter table audit add column salt text;
alter table audit add column address text;
-- Leaves are computed from the rows, so that a changed row shows.
alter table audit drop column leaf;

-- How many events are in the tree, and its full subtrees from the left, in base64.
alter table log_head add column tree_size bigint not null default 0;
alter table log_head add column frontier text not null default '';
-- The newest signed note about the tree, and the size that it is about.
alter table log_head add column checkpoint text;
alter table log_head add column checkpoint_size bigint not null default 0;

-- The roots of full subtrees of 256, 65,536, … leaves: the tiles above the lowest ones.
create table log_nodes (
    level bigint not null,
    idx bigint not null,
    hash text not null,
    primary key (level, idx)
);
