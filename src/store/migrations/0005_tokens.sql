-- How a sign-in came to be, the device key that it is bound to, accounts of machines, and proofs that were seen.

-- The thumbprint (RFC 7638) of the device's key. A sign-in from before this column has none.
alter table sign_ins add column jkt text;
-- code, password, oidc, device or service.
alter table sign_ins add column method text not null default 'code';
alter table sign_ins add column authenticated_at bigint;
-- What was proved, as a JSON list of the words of RFC 8176.
alter table sign_ins add column amr text not null default '[]';
create index sign_ins_by_end on sign_ins (expires_at);

-- A service account has an owner and scopes; a person has neither.
alter table principals add column owner_id text references principals (id);
alter table principals add column owner_name text;
alter table principals add column scopes text;

-- The owner of the service account that asked: whoever it is may not review the request.
alter table requests add column owner_id text;

-- Proofs of possession (RFC 9449) that changed something. Their memory lets no other node take one again.
create table proofs (
    hash text primary key,
    expires_at bigint not null
);
create index proofs_by_end on proofs (expires_at);
