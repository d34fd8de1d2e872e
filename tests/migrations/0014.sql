-- What a database of version 14 may hold: a row of the index of events, and its segment, far beyond the events that there are.
insert into log_index (id, terms) values (7000000, '');
insert into log_segments (first_idx, events, erased, seen) values (65536000, 65536, 1, 1);
