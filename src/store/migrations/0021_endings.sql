-- When the target had to have confirmed the end of a grant, for what is overdue; and, as JSON, who proposed and who confirmed
-- that it counts as ended although its target never did.
alter table grants add column close_due_at bigint;
alter table grants add column overriding text;
insert into schema_reach (version, oldest) values (21, 17);
