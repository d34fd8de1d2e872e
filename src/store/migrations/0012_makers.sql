-- Who made the token of a service account: whoever has seen it reviews nothing that is asked with it.

alter table principals add column maker_id text references principals (id);
alter table requests add column maker_id text;

-- Tokens that are there already were made by whoever the record names last.
update principals set maker_id = (
    select p.id from audit a join principals p on p.name = a.actor
    where a.code in ('service.created', 'service.rotated') and a.principal = principals.name
    order by a.at desc, a.event_id desc limit 1
) where owner_id is not null;
update requests set maker_id = (select p.maker_id from principals p where p.id = requests.requester_id)
where owner_id is not null;
