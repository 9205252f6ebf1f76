PREPARE by_kind (int, text) AS SELECT * FROM item WHERE kind = $1 AND name <> $2;
PREPARE by_list (int, int) AS SELECT * FROM item WHERE id IN ($1, $2, 7) AND kind < 40;
PREPARE by_day (date) AS SELECT * FROM measure WHERE day = $1;
PREPARE by_next (int) AS SELECT * FROM item WHERE kind = $1 + 1;
