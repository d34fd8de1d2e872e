-- What a database of version 2 may hold besides: a lock of each kind, one of them lifted, one with an end.
insert into locks (id, kind, principal_id, principal_name, target, role, tag_name, tag_value, reason, placed_by_id, placed_by_name, created_at, ends_at, lifted_by_id, lifted_by_name, lifted_at, lift_reason, incident_id, grants_closed, version) values
    ('L-0000000001', 'role', null, null, 'orders-db', 'admin', null, null, 'INC-1 leak', 'P-0000000002', 'bob', 1700000000000, null, 'P-0000000001', 'ada', 1700000001000, 'calm again', null, 1, 2),
    ('L-0000000002', 'principal', 'P-0000000001', 'ada', null, null, null, null, 'INC-1 leak', 'P-0000000002', 'bob', 1700000000000, 1700000060000, null, null, null, null, null, 0, 1),
    ('L-0000000003', 'target', null, null, 'orders-db', null, null, null, 'INC-1 leak', 'P-0000000002', 'bob', 1700000000000, 1700000060000, null, null, null, null, 'I-0000000001', 0, 1),
    ('L-0000000004', 'tag', null, null, null, null, 'env', 'prod', 'INC-1 leak', 'P-0000000002', 'bob', 1700000000000, 1700000060000, null, null, null, null, null, 0, 1),
    ('L-0000000005', 'everything', null, null, null, null, null, null, 'INC-1 leak', 'P-0000000002', 'bob', 1700000000000, null, null, null, null, null, null, 0, 1);
