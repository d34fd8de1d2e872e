-- When each host last told who gets in there beside grants; and since when at least a piece of standing access is there,
-- where its target says so.
create table standing_reports (
    target text primary key,
    reported_at bigint not null
);
alter table standing add column since_at bigint;
insert into schema_reach (version, oldest) values (22, 17);
