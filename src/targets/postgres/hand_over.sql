-- Takes from a role all that it owns and may in this database. Run in each database that has something of it.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
    who text := ask ->> 'object';
    keeper text := ask ->> 'keeper';
    us oid := (select oid from pg_roles where rolname = who);
    owned integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('portcullis privileges', 0));
    us := (select oid from pg_roles where rolname = who);
    if us is not null then
        owned := (
            select count(*) from pg_shdepend
            where refclassid = 'pg_authid'::regclass and refobjid = us and deptype = 'o'
              and dbid in (0, (select oid from pg_database where datname = current_database()))
        );
        if owned > 0 then
            -- INVARIANT: the keeper has no rights. Were it the admin, a view or a SECURITY DEFINER function that the
            -- holder left behind would run with the admin's (test `what_a_holder_left_behind_has_no_rights`).
            if not exists (select from pg_roles where rolname = keeper) then
                execute format('create role %I nologin', keeper);
            end if;
            if not current_setting('is_superuser')::boolean and not pg_has_role(keeper, 'usage') then
                execute format('grant %I to current_user', keeper);
            end if;
            execute format('reassign owned by %I to %I', who, keeper);
        end if;
        execute format('drop owned by %I', who);
    end if;
    perform set_config('portcullis.answer', jsonb_build_object('owned', owned)::text, true);
end
$do$;
