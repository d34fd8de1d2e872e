-- Makes the login role of a grant, or brings it to another end. Whole or not at all.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    who text := ask ->> 'object';
    apart numeric := extract(epoch from clock_timestamp() - (ask ->> 'now')::timestamptz);
    attributes text;
    wanted text;
    part record;
    relation text;
begin
    -- VALID UNTIL is compared with this clock, so a grant on a target whose clock is wrong would have a wrong end.
    if abs(apart) > 30 then
        raise exception using errcode = 'PCL03',
            message = format('the clock of the target is %s seconds away from that of Portcullis', round(apart));
    end if;
    if (ask ->> 'ends_at')::timestamptz <= clock_timestamp() then
        raise exception using errcode = 'PCL02', message = 'the grant is over';
    end if;

    if (ask ->> 'is_fenced')::boolean then
        -- INVARIANT: a change that comes too late makes nothing (test `a_late_up_cannot_undo_a_down`).
        insert into fence as known (grant_digits, epoch, role)
        values (ask ->> 'grant', (ask ->> 'epoch')::bigint, ask ->> 'role')
        on conflict (grant_digits) do update
            set epoch = excluded.epoch, role = excluded.role, touched_at = clock_timestamp()
            where not known.closed and known.epoch <= excluded.epoch;
        if not found then
            raise exception using errcode = 'PCL01', message = 'a later change of this grant has been made on the target';
        end if;

        attributes := format('login inherit password %L valid until %L connection limit %s',
            ask ->> 'verifier', ask ->> 'ends_at', (ask ->> 'connection_limit')::integer);
        if current_setting('is_superuser')::boolean then
            -- Others cannot give these away, and must not even name them.
            attributes := attributes || ' nosuperuser nocreatedb nocreaterole noreplication nobypassrls';
        end if;
        if exists (select from pg_roles where rolname = who) then
            execute format('alter role %I ', who) || attributes;
        else
            execute format('create role %I ', who) || attributes;
        end if;

        for wanted in select jsonb_array_elements_text(ask -> 'member_of') loop
            if not exists (select from pg_roles where rolname = wanted) then
                raise exception using errcode = 'PCL02', message = format('the target has no role `%s`', wanted);
            end if;
            if not exists (
                select from pg_auth_members m
                where m.roleid = (select oid from pg_roles where rolname = wanted)
                  and m.member = (select oid from pg_roles where rolname = who)
            ) then
                execute format('grant %I to %I', wanted, who);
            end if;
        end loop;
    -- In another database there is no fence. A change that comes too late finds no role there, or one that is closed.
    elsif not exists (select from pg_roles where rolname = who and rolcanlogin) then
        raise exception using errcode = 'PCL01', message = 'a later change of this grant has been made on the target';
    end if;

    if not (ask ->> 'gives')::boolean then
        perform set_config('portcullis.answer', jsonb_build_object('clock', clock_timestamp())::text, true);
        return;
    end if;
    -- Two GRANTs on one table at the same moment fail with "tuple concurrently updated".
    if jsonb_array_length(ask -> 'privileges') > 0 then
        perform pg_advisory_xact_lock(hashtextextended('portcullis privileges', 0));
    end if;

    for part in
        select * from jsonb_to_recordset(ask -> 'privileges')
            as given (schema text, tables text, only_tables jsonb, sequences text)
    loop
        execute format('grant usage on schema %I to %I', part.schema, who);
        if part.tables <> '' and part.only_tables is null then
            execute format('grant %s on all tables in schema %I to %I', part.tables, part.schema, who);
        elsif part.tables <> '' then
            for relation in select jsonb_array_elements_text(part.only_tables) loop
                execute format('grant %s on table %I.%I to %I', part.tables, part.schema, relation, who);
            end loop;
        end if;
        if part.sequences <> '' then
            execute format('grant %s on all sequences in schema %I to %I', part.sequences, part.schema, who);
        end if;
    end loop;

    if not has_database_privilege(who, current_database(), 'connect') then
        execute format('grant connect on database %I to %I', current_database(), who);
    end if;
    perform set_config('portcullis.answer', jsonb_build_object('clock', clock_timestamp())::text, true);
end
$do$;
