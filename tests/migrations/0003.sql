-- What a database of version 3 may hold besides: an incident about a grant and a request.
insert into incidents (id, reason, ask, started_by_id, started_by_name, created_at, token, appeared) values
    ('I-0000000001', 'INC-1 leak', '{"scope":{"targets":[],"tags":{"env":"prod"},"principals":[],"filter":null,"everything":false},"lock":true,"deny_pending":true}',
     'P-0000000002', 'bob', 1700000000000, 'nonce', '["G-0000000009"]');
insert into incident_items (incident_id, place, item_id, holder, target, role, fate, changed) values
    ('I-0000000001', 0, 'G-0000000001', 'ada', 'orders-db', 'admin', 'revoking', null),
    ('I-0000000001', 1, 'R-0000000001', 'ada', 'orders-db', 'admin', 'changed', 'bob approved it');
