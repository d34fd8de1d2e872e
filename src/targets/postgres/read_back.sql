-- Asks, after everything was committed, whether anything of a grant is left.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    gone oid := (select role_oid from fence where grant_digits = ask ->> 'grant');
begin
    perform set_config('portcullis.answer', jsonb_build_object(
        'found', exists (select from pg_roles where rolname = ask ->> 'object'),
        'live', (select count(*) from pg_stat_activity where usesysid = gone))::text, true);
end
$do$;
