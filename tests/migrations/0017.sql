-- What a database of version 17 may hold: an event that waits for its index.
insert into audit_waiting (event_id, at, code, outcome, actor, reason, salt, body) values
    ('abcdefghijklmnop', 1700000400000, 'server.started', 'success', 'portcullis', 'a restart', 'AAAAAAAAAAAAAAAAAAAAAA', '{"trace":"018bcfe8","channel":"system"}');
