-- What a database of version 16 may hold: a log that began anew once.
insert into log_links (epoch, generation, begins, at, note) values (2, 1, 5, 1800000000000, 'a note');
insert into log_nodes (epoch, level, idx, hash) values (2, 8, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
