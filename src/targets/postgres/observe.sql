-- Lists everything of this installation, and forgets fences that are so old that no late change can come any more.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    like_ours text := '^' || (ask ->> 'prefix') || '[0-9a-z]{10}$';
    weak text[] := '{}';
begin
    delete from fence where closed and touched_at < clock_timestamp() - interval '30 days';
    if current_setting('is_superuser')::boolean then
        weak := array(
            select format('line %s of pg_hba.conf lets people in by `%s`, which does not look at the end of a role',
                line_number, auth_method)
            from pg_hba_file_rules where auth_method in ('trust', 'cert')
        );
    end if;
    perform set_config('portcullis.answer', jsonb_build_object(
        'warnings', to_jsonb(weak),
        'roles', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'object', r.rolname,
                'sessions', coalesce(a.sessions, 0),
                'valid_until', case
                    when r.rolvaliduntil = '-infinity' then to_timestamp(0)
                    when isfinite(r.rolvaliduntil) then r.rolvaliduntil end,
                'risen', r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls,
                'can_login', r.rolcanlogin,
                'connection_limit', r.rolconnlimit,
                'role', f.role,
                'closed', coalesce(f.closed, false),
                'member_of', (
                    select coalesce(jsonb_agg(g.rolname order by g.rolname), '[]')
                    from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid)
            )), '[]')
            from pg_roles r
            left join fence f on f.grant_digits = right(r.rolname, 10)
            left join (select usesysid, count(*) as sessions from pg_stat_activity group by usesysid) a on a.usesysid = r.oid
            where r.rolname ~ like_ours
        ),
        -- Sessions that outlived their role, as when somebody dropped it by hand.
        'ghosts', (
            select coalesce(jsonb_agg(jsonb_build_object('digits', f.grant_digits, 'sessions', a.sessions)), '[]')
            from fence f
            join (select usesysid, count(*) as sessions from pg_stat_activity group by usesysid) a on a.usesysid = f.role_oid
            where not exists (select from pg_roles r where r.oid = f.role_oid)
        ),
        -- Who else may log in. Ours are known by their names, and whoever asks is known to ask. A grant of another
        -- installation ends by itself, which standing access does not.
        'standing', (
            select coalesce(jsonb_agg(jsonb_build_object('subject', r.rolname, 'rights', (
                select jsonb_agg(what order by what) from (
                    select case when isfinite(r.rolvaliduntil)
                        then format('may log in until %s', to_char(r.rolvaliduntil at time zone 'utc', 'YYYY-MM-DD HH24:MI"Z"'))
                        else 'may log in' end
                    union all select 'is superuser' where r.rolsuper
                    union all select 'may make roles' where r.rolcreaterole
                    union all select 'may make databases' where r.rolcreatedb
                    union all select 'may replicate' where r.rolreplication
                    union all select 'is let past row security' where r.rolbypassrls
                    union all select format('is a member of `%s`', g.rolname)
                        from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid
                ) as held (what)))), '[]')
            from pg_roles r
            where r.rolcanlogin and r.rolname !~ like_ours and r.rolname <> current_user
              and coalesce(r.rolvaliduntil, 'infinity') > clock_timestamp()
              and not (r.rolname ~ '^pcl_[0-9a-z]+_[0-9a-z]{10}$' and coalesce(isfinite(r.rolvaliduntil), false)
                  and not (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls))
        ))::text, true);
end
$do$;
