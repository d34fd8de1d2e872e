-- What a database of version 12 may hold: a service account whose token somebody else made than its owner, and a
-- request that was asked with it.
update principals set maker_id = 'P-0000000002' where id = 'P-0000000009';
update requests set maker_id = 'P-0000000002' where id = 'R-0000000002';
