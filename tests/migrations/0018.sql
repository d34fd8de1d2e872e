-- It brings its one row itself.
select 1;
