-- Ends one session of a grant, named by its process and the moment when it began, and waits until it is gone.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    who text := ask ->> 'object';
    whose oid := (select oid from pg_roles where rolname = who);
    until timestamptz := clock_timestamp() + interval '4 seconds';
    found_it boolean := false;
    live bigint;
begin
    if whose is null then
        whose := (select role_oid from fence where grant_digits = ask ->> 'grant');
    elsif not current_setting('is_superuser')::boolean and not pg_has_role(whose, 'usage') then
        execute format('grant %I to current_user', who);
    end if;
    loop
        -- Activity is remembered until the end of a transaction unless it is forgotten.
        perform pg_stat_clear_snapshot();
        -- INVARIANT: only a process that still is this session of this grant is told to end; the system gives numbers of
        -- processes out again (test `a_wrong_or_stale_session_touches_nothing`).
        select count(pg_terminate_backend(pid)) into live
        from pg_stat_activity
        where pid = (ask ->> 'pid')::integer and usesysid = whose and backend_type = 'client backend'
          and floor(extract(epoch from backend_start) * 1000)::bigint = (ask ->> 'started')::bigint;
        exit when live = 0 or clock_timestamp() > until;
        found_it := true;
        perform pg_sleep(0.005);
    end loop;
    perform set_config('portcullis.answer', jsonb_build_object('found', found_it, 'live', live)::text, true);
end
$do$;
