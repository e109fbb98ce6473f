-- What people type into psql first, against a server started with --demo. Run with -v ON_ERROR_STOP=1.
\d
\dt
\d messages
\di
\dn
\df
\l
BEGIN;
CREATE TABLE psql_notes (id int PRIMARY KEY, body text NOT NULL);
INSERT INTO psql_notes SELECT i, 'note ' || i::text FROM generate_series(1, 3) i;
\d psql_notes
SAVEPOINT before_update;
UPDATE psql_notes SET body = upper(body) WHERE id = 2;
ROLLBACK TO SAVEPOINT before_update;
SELECT body FROM psql_notes WHERE id = 2;
-- Rows by a cursor, as with FETCH_COUNT.
\set FETCH_COUNT 2
SELECT * FROM psql_notes ORDER BY id;
\unset FETCH_COUNT
COMMIT;
DROP TABLE psql_notes;
CHECKPOINT;
