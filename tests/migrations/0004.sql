-- What a database of version 4 may hold: a claimed request, and one whose reason has its key.
update requests set claimed_by_id = 'P-0000000002', claimed_by_name = 'bob', claimed_at = 1700000210000, claimed_until = 1700000510000,
    reason_key = '0123456789abcdef0123456789abcdef' where id = 'R-0000000002';
