insert into passkey_questions (id, principal_id, sign_in_id, about, state, asked_at)
values ('Q-0000000001', 'P-0000000001', (select id from sign_ins limit 1), 'hash of digests', '{}', 1800000002000);
