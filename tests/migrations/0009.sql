-- What a database of version 9 may hold: a sealed code that opened a sign-in, a use that was done with it, one sign-off.
insert into sealed_codes (id, hash, principal_id, principal_name, made_by_id, made_by_name, created_at, expires_at, used_at, revoked_at, sign_in_id, proved_digest) values
    ('C-0000000001', 'hash of a sealed code', 'P-0000000001', 'ada', 'P-0000000002', 'bob', 1700000000000, 1707776000000, 1700000001000, null,
     'S-0000000001', 'digest'),
    ('C-0000000002', 'hash of another', 'P-0000000001', 'ada', 'P-0000000002', 'bob', 1700000000000, 1707776000000, null, 1700000002000, null, null);
insert into break_glass (request_id, grant_id, person_id, person_name, target, role, skipped, code, created_at, verdict, reviewed_at, version) values
    ('R-0000000001', 'G-0000000001', 'P-0000000001', 'ada', 'orders-db', 'admin', '[{"id":"P-0000000002","name":"bob"}]',
     '{"id":"C-0000000001","made_by":{"id":"P-0000000003","name":"rita"}}', 1700000000000, null, null, 2);
insert into break_glass_sign_offs (request_id, reviewer_id, reviewer_name, verdict, comment, counted_groups, created_at, version) values
    ('R-0000000001', 'P-0000000002', 'bob', 'justified', 'looked at the log', '["reviewers"]', 1700000003000, 2);
