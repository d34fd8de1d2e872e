insert into factors (id, principal_id, way, name, created_at, confirmed_at, last_used_at, last_step, public)
values ('F-0000000001', 'P-0000000001', 'totp', 'phone', 1800000000000, 1800000001000, 1800000002000, 60000000, null);
insert into recovery_codes (hash, principal_id, created_at, used_at) values ('hash of a recovery code', 'P-0000000001', 1800000001000, null);
insert into step_ups (hash, principal_id, sign_in_id, way, proved_at)
values ('hash of a proof', 'P-0000000001', (select id from sign_ins limit 1), 'totp', 1800000002000);
insert into step_up_digests (proof, digest, used_at) values ('hash of a proof', 'digest', null);
insert into passwords (principal_id, hash, set_at) values ('P-0000000001', 'argon2id$65536$3$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 1800000000000);
insert into tries (subject, began_at, count) values ('second factor P-0000000001', 1800000000000, 2);
insert into notices (id, principal_id, text, created_at) values ('N-1', 'P-0000000001', 'an admin removed your second factors', 1800000000000);
