-- What a database of version 13 may hold: a node of the tree above its tiles, and an event with texts beside it.
insert into log_nodes (level, idx, hash) values (8, 4, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
update audit set salt = 'AAAAAAAAAAAAAAAAAAAAAA', address = '10.0.0.1' where idx is not null;
