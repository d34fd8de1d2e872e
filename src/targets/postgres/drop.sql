-- Removes the role. What it owned or could has been taken from it before.
do $do$
declare
    ask jsonb := convert_from(decode(current_setting('portcullis.ask'), 'hex'), 'utf8')::jsonb;
begin
    execute format('drop role if exists %I', ask ->> 'object');
    perform set_config('portcullis.answer', '{}', true);
end
$do$;
