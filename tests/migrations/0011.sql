-- What a database of version 11 may hold: somebody whom the provider confirms no more, a device key of theirs, and a
-- sign-in that waits for a browser on another machine.
update identities set lapsed_at = 1700000000000 where subject = '248289761001';
insert into device_keys (id, principal_id, thumbprint, name, created_at)
    values ('D-0000000001', 'P-0000000001', 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs', 'build host', 1700000000000);
insert into device_calls (handle, thumbprint, device_code, device, pause, next_at, created_at, expires_at)
    values ('hash of a handle', 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs', 'sealed', 'cli', 5, 1700000005000, 1700000000000, 1700000300000);
