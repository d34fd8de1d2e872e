-- What a database of version 1 may hold: one row of each kind, with every column that can be set.
insert into settings (name, value) values ('installation', 'x');
insert into principals (id, name, roles, group_names, created_at, version) values
    ('P-0000000001', 'ada', '["requester"]', '["engineers"]', 1700000000000, 1),
    ('P-0000000002', 'bob', '["reviewer","admin"]', '["reviewers"]', 1700000000000, 4),
    ('P-0000000003', 'rita', '["auditor","operator","reviewer"]', '[]', 1700000000000, 1);
insert into sign_ins (id, principal_id, device, created_at, last_used_at, expires_at, revoked_at) values
    ('S-0000000001', 'P-0000000001', 'laptop', 1700000000000, 1700000001000, 1700000002000, null),
    ('S-0000000002', 'P-0000000001', '', 1700000000000, 1700000001000, 1700000002000, 1700000001500);
insert into tokens (hash, sign_in_id, kind, created_at, expires_at, used_at, successor) values
    ('hash of an access token', 'S-0000000001', 'access', 1700000000000, 1700000600000, null, null),
    ('hash of a refresh token', 'S-0000000001', 'refresh', 1700000000000, 1700000600000, 1700000001000, 'hash of the next'),
    ('hash of the next', 'S-0000000001', 'refresh', 1700000001000, 1700000600000, null, null);
insert into codes (hash, principal_id, created_at, expires_at, used_at) values
    ('hash of a code', 'P-0000000001', 1700000000000, 1700086400000, null),
    ('hash of the bootstrap code', null, 1700000000000, 1700086400000, 1700000000000);
insert into requests (id, kind, state, requester_id, requester_name, target, role, duration, not_before, reason, ticket, snapshot, created_at, decide_by, decided_at, grant_id, version) values
    ('R-0000000001', 'access', 'approved', 'P-0000000001', 'ada', 'orders-db', 'admin', 3600, 1700000100000, 'INC-1 look', 'INC-1',
     '{"policy_version":"3f1a","ways":[{"policy_id":"admin","line":7,"threshold":2,"reviewers":"reviewers","max_duration":"2h","max_total":"8h","decide_within":"1d"}]}',
     1700000000000, 1700086400000, 1700000050000, 'G-0000000001', 3),
    ('R-0000000002', 'extend', 'pending', 'P-0000000001', 'ada', 'orders-db', 'admin', 900, null, 'still at it', null,
     '{"policy_version":"3f1a","ways":[{"policy_id":"open","line":1,"threshold":0,"reviewers":null,"max_duration":"1h","max_total":"2h","decide_within":"1d"}]}',
     1700000200000, 1700000300000, null, 'G-0000000001', 1);
insert into reviews (request_id, reviewer_id, reviewer_name, decision, comment, narrowed, counted_groups, created_at, version) values
    ('R-0000000001', 'P-0000000003', 'rita', 'approve', 'only half', '{"duration":"40m","role":"admin","not_before":"2023-11-14T22:15:00Z"}', '["reviewers"]', 1700000040000, 2),
    ('R-0000000001', 'P-0000000002', 'bob', 'approve', null, '{"duration":"30m"}', '["leads","reviewers"]', 1700000040000, 3);
insert into grants (id, request_id, holder_id, holder_name, target, role, reason, state, duration, max_total, not_before, starts_at, expires_at, max_expires_at, close_kind, close_reason, closed_by_id, closed_by_name, attempts, last_error, extensions, epoch, credential_ends_at, created_at, ended_at, version) values
    ('G-0000000001', 'R-0000000001', 'P-0000000001', 'ada', 'orders-db', 'admin', 'INC-1 look', 'closing', 1800, 28800, 1700000100000, 1700000101000, 1700001901000, 1700028901000,
     'revoke', 'leaving', 'P-0000000002', 'bob', 2, 'connection refused', 0, 2, 1700000701000, 1700000050000, null, 5);
insert into outbox (grant_id, kind, target, trace, due_at, lease_owner, lease_until) values
    ('G-0000000001', 'close', 'orders-db', '018bcfe5', 1700000200000, 'somebody', 1700000230000);
insert into idempotency (principal_id, key, digest, result, created_at) values ('P-0000000001', 'k', 'digest', 'R-0000000001', 1700000000000);
insert into audit (event_id, at, idx, leaf, code, outcome, actor, principal, target, request_id, grant_id, reason, body) values
    ('018bcfe5-0000-7000-8000-000000000001', 1700000000000, 0, null, 'request.submitted', 'success', 'ada', 'ada', 'orders-db', 'R-0000000001', null, 'INC-1 look',
     '{"code":"request.submitted","outcome":"success","actor":{"kind":"principal","id":"P-0000000001","name":"ada"},"principal":"ada","target":"orders-db","role":"admin","request":"R-0000000001","reason":"INC-1 look","details":{"duration":"1h"},"trace":"018bcfe5","channel":"cli"}'),
    ('018bcfe5-0000-7000-8000-000000000002', 1700000050000, 1, null, 'request.approved', 'success', 'bob', 'ada', 'orders-db', 'R-0000000001', 'G-0000000001', null,
     '{"code":"request.approved","outcome":"success","actor":{"kind":"principal","id":"P-0000000002","name":"bob"},"principal":"ada","target":"orders-db","role":"admin","request":"R-0000000001","grant":"G-0000000001","trace":"018bcfe6","channel":"tui","address":"10.0.0.1"}'),
    ('018bcfe5-0000-7000-8000-000000000003', 1700000300000, null, null, 'auth.refused', 'denied', 'anonymous', null, null, null, null, null,
     '{"code":"auth.refused","outcome":"denied","actor":{"kind":"anonymous"},"details":{"code":"unknown"},"trace":"018bcfe7","channel":"api"}');
update log_head set size = 2;
