-- What a database of version 8 may hold: the policy under which the sample requests were made.
insert into policies (version, text, time_zone, first_used_at) values
    ('3f1a', '@id("admin") forbid (principal, action, resource);', 'UTC', 1700000000000);
