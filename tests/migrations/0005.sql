-- What a database of version 5 may hold: a sign-in bound to a device, a service account, its request's owner, a proof.
update sign_ins set jkt = 'Xr2WMTo_2C3XINdCuTqgdN2bGr7PElIKKmV8vbKCEbY', method = 'oidc', authenticated_at = 1700000000000, amr = '["pwd","otp"]' where revoked_at is null;
insert into principals (id, name, roles, group_names, created_at, version, owner_id, owner_name, scopes)
    values ('P-0000000009', 'deploy-bot', '["requester"]', '["engineers"]', 1700000000000, 1, 'P-0000000001', 'ada', '["request:orders-db/readonly"]');
update requests set owner_id = 'P-0000000001' where id = 'R-0000000002';
insert into proofs (hash, expires_at) values ('hash of a proof', 1700000060000);
