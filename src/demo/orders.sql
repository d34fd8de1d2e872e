-- The database of the demonstration: enough rows that a question has an answer.
create role orders_owner nologin;
-- What every real server has as well: ways in that no grant backs.
create role grafana login;
create role old_backup login superuser;
create table orders (
    id bigint generated always as identity primary key,
    customer text not null,
    region text not null,
    state text not null,
    cents bigint not null,
    placed_at timestamptz not null
);
alter table orders owner to orders_owner;
insert into orders (customer, region, state, cents, placed_at)
select 'customer-' || (n * 7919 % 211),
       (array['north', 'south', 'east', 'west'])[1 + n * 31 % 4],
       case when n % 97 = 0 then 'stuck' when n % 5 = 0 then 'new' else 'shipped' end,
       500 + n * 104729 % 95000,
       now() - n * interval '7 minutes'
from generate_series(1, 5000) as n;
