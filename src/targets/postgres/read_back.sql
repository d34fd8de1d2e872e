-- Asks, after everything was committed, whether anything of a grant is left.
select set_config('portcullis.answer', jsonb_build_object(
    'found', to_regrole(quote_ident(ask ->> 'object')) is not null,
    'live', (
        select count(*) from pg_stat_get_backend_idset() id
        where pg_stat_get_backend_userid(id) = (select role_oid from fence where grant_digits = ask ->> 'grant'))
    )::text, true)
from (select convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb) as asked (ask);
