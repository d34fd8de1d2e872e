-- What a database of version 20 may hold: standing access that nobody has looked at, and some that somebody answers for.
insert into standing (id, target, kind, subject, rights, found_at, gone_at, version) values
    ('A-0000000001', 'orders-db', 'account', 'Mallory', '["is superuser","may log in"]', 1700000000000, 1700000001000, 2);
insert into standing (id, target, kind, subject, rights, found_at, said_by_id, said_by_name, said_at, reason, owner, until_at, version) values
    ('A-0000000002', 'directory', 'member', 'cn=backup', '["is a member of `dba`"]', 1700000000000, 'P-0000000001', 'ada', 1700000001000, 'moves to grants', 'ada', 1702592000000, 2);
