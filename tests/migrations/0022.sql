-- What a database of version 22 may hold: a host that has reported, and a key that is older than Portcullis knows it.
insert into standing_reports (target, reported_at) values ('bastion', 1700000000000);
insert into standing (id, target, kind, subject, rights, found_at, since_at, version) values
    ('A-0000000003', 'bastion', 'key', 'root SHA256:x', '["may log in"]', 1700000000000, 1600000000000, 1);
