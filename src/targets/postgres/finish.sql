-- Ends the sessions of a grant, wherever they are connected and whatever role they have set, waits until they are gone,
-- and then removes the role, unless something of it is left in a database: then the answer says where, and the role stays.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    gone oid := (select role_oid from fence where grant_digits = ask ->> 'grant');
    until timestamptz := clock_timestamp() + interval '4 seconds';
    ended integer[] := '{}';
    live integer[];
    databases jsonb := '[]';
begin
    loop
        -- Activity is remembered until the end of a transaction unless it is forgotten.
        perform pg_stat_clear_snapshot();
        -- The view `pg_stat_activity` puts together much more than who it is, for every session of the server.
        live := array(select pg_stat_get_backend_pid(id) from pg_stat_get_backend_idset() id
            where pg_stat_get_backend_userid(id) = gone);
        exit when live = '{}' or clock_timestamp() > until;
        perform pg_terminate_backend(pid) from unnest(live) as pid;
        ended := array(select distinct pid from unnest(ended || live) as pid);
        perform pg_sleep(0.005);
    end loop;
    if live = '{}' then
        databases := (
            select coalesce(jsonb_agg(distinct coalesce(d.datname, current_database())), '[]')
            from pg_shdepend s left join pg_database d on d.oid = s.dbid
            where s.refclassid = 'pg_authid'::regclass and s.refobjid = gone);
        if databases = '[]' then
            execute format('drop role if exists %I', ask ->> 'object');
        end if;
    end if;
    perform set_config('portcullis.answer', jsonb_build_object(
        'ended', cardinality(ended), 'live', cardinality(live), 'databases', databases)::text, true);
end
$do$;
