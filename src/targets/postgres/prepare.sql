-- Makes the fence on a target that has none, and refuses one that belongs to somebody else:
-- its owner could put a trigger on it, and have our rights.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    home text := ask ->> 'schema';
begin
    perform pg_advisory_xact_lock(hashtextextended(home, 0));
    if to_regclass(format('%I.fence', home)) is null then
        execute format('create schema if not exists %I', home);
        execute format(
            'create table %I.fence ('
            'grant_digits text primary key, epoch bigint not null, role text, closed boolean not null default false,'
            'role_oid oid, touched_at timestamptz not null default clock_timestamp())', home);
    end if;
    if exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = home and c.relname = 'fence'
          and (c.relowner <> current_user::regrole or n.nspowner <> current_user::regrole)
    ) then
        raise exception using errcode = 'PCL02',
            message = format('the schema `%s` belongs to another user than `%s`', home, current_user);
    end if;
    perform set_config('portcullis.answer', '{}', true);
end
$do$;
