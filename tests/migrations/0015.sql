insert into siem_cursors (name, next_idx, failed_since, attempts, error) values ('splunk', 1, 1800000000000, 2, 'connecting');
