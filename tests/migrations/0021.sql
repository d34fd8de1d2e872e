-- What a database of version 21 may hold: an end that was due and is not confirmed, with a proposal to override it.
update grants set close_due_at = 1700000000000, overriding = '{"proposed":{"by":{"id":"P-0000000001","name":"ada"},"at":"2023-11-14T22:15:00Z"},"confirmed":null}' where id = 'G-0000000001';
