-- What a database of version 19 may hold: a notice that was sent, one that waits, and what somebody wants of notices.
insert into notices_out (id, cause, kind, channel, principal_id, request_id, urgent, body, created_at, due_at, give_up_at, message, attempts, sent_at) values
    ('4b1f', 'event:abcdefghijklmnop', 'review', 'mail', 'P-0000000001', 'R-0000000001', 0, '{"kind":"review","happened":"waits","at":"2023-11-14T22:13:20Z"}', 1700000000000, 1700000000000, 1700086400000, 'a1b2', 1, 1700000001000);
insert into notices_out (id, cause, kind, channel, principal_id, urgent, body, created_at, due_at, give_up_at) values
    ('4b20', 'event:abcdefghijklmnoq', 'break_glass', 'room', '', 1, '{"kind":"break_glass","happened":"broke_glass","at":"2023-11-14T22:13:20Z"}', 1700000000000, 1700000000000, 1700086400000);
insert into notices_cursor (id, next_idx) values (1, 7);
insert into notice_wishes (principal_id, address, channels, kinds_off, quiet_times, quiet_zone, updated_at)
    values ('P-0000000001', 'ada@example.com', '["mail"]', '["active"]', '22:00-07:00', 'Europe/Berlin', 1700000000000);
