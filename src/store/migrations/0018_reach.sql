-- Who may go on with this database: a node that knows the schema `oldest` or a later one, whatever came since. Each
-- migration says it, so that nodes of the version before go on while newer ones come up.
create table schema_reach (
    version bigint primary key,
    oldest bigint not null
);
insert into schema_reach (version, oldest) values (18, 17);
