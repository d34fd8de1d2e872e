-- Makes the guard: a procedure of this installation that ends sessions which outlive their grant. Whoever keeps it running
-- on the target's side needs nothing of Portcullis for that.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    home text := ask ->> 'schema';
    body text := format($body$
declare
    until timestamptz := clock_timestamp() + lasting;
    past record;
begin
    -- A procedure that commits cannot have this as its own setting.
    perform pg_catalog.set_config('search_path', 'pg_catalog,pg_temp', false);
    loop
        for past in
            select r.oid, r.rolname from pg_roles r
            where r.rolname ~ %1$L and r.rolvaliduntil <= clock_timestamp()
              and exists (select from pg_stat_activity a where a.usesysid = r.oid)
        loop
            begin
                if not current_setting('is_superuser')::boolean and not pg_has_role(past.oid, 'usage') then
                    execute format('grant %%I to current_user', past.rolname);
                end if;
                perform pg_terminate_backend(pid) from pg_stat_activity where usesysid = past.oid;
            exception when others then
                -- One that cannot be cut, or that is gone meanwhile, must not save the others.
                raise warning 'sessions of %% do not end: %%', past.rolname, sqlerrm;
            end;
        end loop;
        update %2$I.guarded set at = clock_timestamp();
        commit;
        exit when clock_timestamp() >= until;
        perform pg_sleep(5);
    end loop;
end
$body$, '^' || (ask ->> 'prefix') || '[0-9a-z]{10}$', home);
    known regprocedure := to_regprocedure(format('%I.guard(interval)', home));
begin
    perform pg_advisory_xact_lock(hashtextextended(home, 0));
    if to_regclass(format('%I.guarded', home)) is null then
        execute format('create table %I.guarded (at timestamptz not null)', home);
        execute format('insert into %I.guarded values (''-infinity'')', home);
    end if;
    if known is null or (select prosrc from pg_proc where oid = known) <> body then
        execute format(
            'create or replace procedure %I.guard(lasting interval default ''0'') language plpgsql as %L', home, body);
        execute format('revoke all on procedure %I.guard(interval) from public', home);
    end if;
    perform set_config('portcullis.answer', jsonb_build_object('idle', (
        select case when isfinite(at) then floor(extract(epoch from clock_timestamp() - at))::bigint end
        from guarded))::text, true);
end
$do$;
