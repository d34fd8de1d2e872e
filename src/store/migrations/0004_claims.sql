-- Who is looking at a pending request, and what its signals are told from.

alter table requests add column claimed_by_id text;
alter table requests add column claimed_by_name text;
alter table requests add column claimed_at bigint;
alter table requests add column claimed_until bigint;

-- A digest of the reason without case, spacing and punctuation. Requests from before this column have none.
alter table requests add column reason_key text;
create index requests_by_reason on requests (requester_id, reason_key, created_at);
