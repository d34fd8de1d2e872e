-- What a database of version 6 may hold: somebody who comes from a provider, and a sign-in that was begun there.
insert into identities (issuer, subject, principal_id, refresh_token, created_at, checked_at, asking_until)
    values ('https://id.example.com', '248289761001', 'P-0000000001', 'sealed', 1700000000000, 1700000000000, 0);
insert into provider_calls (state, nonce, redirect_uri, code_challenge, device, created_at, expires_at)
    values ('hash of a state', 'n-0S6_WzA2Mj', 'http://127.0.0.1:40000/', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'cli', 1700000000000, 1700000600000);
