-- Ends the sessions of a grant, wherever they are connected and whatever role they have set, and waits until they are gone.
-- Answers also in which databases something of the role is left.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    gone oid := (select role_oid from fence where grant_digits = ask ->> 'grant');
    until timestamptz := clock_timestamp() + interval '4 seconds';
    ended integer[] := '{}';
    live integer[];
begin
    loop
        -- Activity is remembered until the end of a transaction unless it is forgotten.
        perform pg_stat_clear_snapshot();
        live := array(select pid from pg_stat_activity where usesysid = gone);
        exit when live = '{}' or clock_timestamp() > until;
        perform pg_terminate_backend(pid) from unnest(live) as pid;
        ended := array(select distinct pid from unnest(ended || live) as pid);
        perform pg_sleep(0.005);
    end loop;
    perform set_config('portcullis.answer', jsonb_build_object(
        'ended', cardinality(ended),
        'live', cardinality(live),
        'databases', (
            select coalesce(jsonb_agg(distinct d.datname), '[]')
            from pg_shdepend s join pg_database d on d.oid = s.dbid
            where s.refclassid = 'pg_authid'::regclass and s.refobjid = gone
        ))::text, true);
end
$do$;
