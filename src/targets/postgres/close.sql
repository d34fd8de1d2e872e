-- The first step of an end: no new login from here on, and no `up` that comes late.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    who text := ask ->> 'object';
    found_oid oid;
begin
    insert into fence as known (grant_digits, epoch, closed)
    values (ask ->> 'grant', (ask ->> 'epoch')::bigint, true)
    on conflict (grant_digits) do update
        set epoch = greatest(known.epoch, excluded.epoch), closed = true, touched_at = clock_timestamp()
        where known.closed or known.epoch <= excluded.epoch;
    if not found then
        raise exception using errcode = 'PCL01', message = 'a later change of this grant has been made on the target';
    end if;

    -- INVARIANT: looked up only now. The fence is where an `up` that is not committed yet is waited for, and it makes the role
    -- (test `an_end_that_waits_for_a_beginning_closes_what_that_made`).
    found_oid := to_regrole(quote_ident(who));
    if found_oid is not null then
        -- Kept because a session of a dropped role has no name any more, only this number.
        update fence set role_oid = found_oid where grant_digits = ask ->> 'grant';
        execute format('alter role %I nologin password null valid until %L', who, '-infinity');
        -- Who is not superuser may only cut the sessions of, and hand over for, a role that it has.
        if not current_setting('is_superuser')::boolean and not pg_has_role(who, 'usage') then
            execute format('grant %I to current_user', who);
        end if;
    end if;
    perform set_config('portcullis.answer', jsonb_build_object('found', found_oid is not null)::text, true);
end
$do$;
