// The PostgreSQL JDBC driver. Usage: java -cp postgresql.jar Jdbc.java PORT, against a server started with --demo.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;

public class Jdbc {
    private static int port;

    private static Connection connect(String... settings) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "ann");
        for (int i = 0; i < settings.length; i += 2) {
            properties.setProperty(settings[i], settings[i + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + port + "/sinew", properties);
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void equal(Object expected, Object found) {
        check(expected == null ? found == null : expected.equals(found), "expected " + expected + ", found " + found);
    }

    private static void fails(String state, Action action) throws Exception {
        try {
            action.run();
        } catch (SQLException error) {
            equal(state, error.getSQLState());
            return;
        }
        throw new AssertionError("expected an error " + state);
    }

    private interface Action {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        port = Integer.parseInt(arguments[0]);
        transactions();
        // Server-side statements from the first run on, results in binary.
        types("prepareThreshold", "1", "binaryTransfer", "true");
        // Never prepared on the server, text only.
        types("prepareThreshold", "0", "binaryTransfer", "false");
        types("preferQueryMode", "simple");
        threshold();
        batches();
        fetchSize();
        cypher("prepareThreshold", "1", "binaryTransfer", "true");
        cypher("prepareThreshold", "0", "binaryTransfer", "false");
        copy();
        generatedKeys();
        metadata();
        notifications();
        agent();
        System.out.println("jdbc: ok");
    }

    private static void transactions() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("CREATE TABLE jdbc_t (id int PRIMARY KEY, name text)");
            statement.executeUpdate("INSERT INTO jdbc_t VALUES (1, 'one')");
            connection.commit();
            Savepoint savepoint = connection.setSavepoint("s");
            fails("23505", () -> statement.executeUpdate("INSERT INTO jdbc_t VALUES (1, 'again')"));
            fails("25P02", () -> statement.executeQuery("SELECT 1"));
            connection.rollback(savepoint);
            statement.executeUpdate("INSERT INTO jdbc_t VALUES (2, 'two')");
            connection.releaseSavepoint(savepoint);
            connection.commit();
            statement.executeUpdate("DELETE FROM jdbc_t");
            connection.rollback();
            equal(2L, number(connection, "SELECT count(*) FROM jdbc_t"));
            connection.rollback();
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            equal("serializable", text(connection, "SHOW transaction_isolation"));
            connection.commit();
            connection.setReadOnly(true);
            fails("25006", () -> statement.executeUpdate("INSERT INTO jdbc_t VALUES (3, 'three')"));
            connection.rollback();
            connection.setReadOnly(false);
            statement.execute("DROP TABLE jdbc_t");
            connection.commit();
            statement.setQueryTimeout(1);
            fails("57014", () -> statement.execute("SELECT pg_sleep(30)"));
        }
    }

    private static void types(String... settings) throws Exception {
        // The driver cannot write bytes into the text of a statement.
        boolean hasBytes = !Arrays.asList(settings).contains("simple");
        try (Connection connection = connect(settings); Statement statement = connection.createStatement()) {
            statement.execute(
                "CREATE TABLE jdbc_types (i int, l bigint, s smallint, n numeric(12,3), d double precision, r real, b boolean,"
                    + " t text, v varchar(10), x bytea, day date, ts timestamp, tz timestamptz, u uuid, j jsonb, a int[], ta text[])");
            OffsetDateTime at = OffsetDateTime.of(2026, 1, 2, 3, 4, 5, 678_901_000, ZoneOffset.UTC);
            UUID uuid = UUID.fromString("6f1f0d9e-0000-7000-8000-000000000001");
            PGobject json = new PGobject();
            json.setType("jsonb");
            json.setValue("{\"a\": [1, null]}");
            String insert = "INSERT INTO jdbc_types VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            try (PreparedStatement prepared = connection.prepareStatement(insert)) {
                for (int round = 0; round < 3; round++) {
                    prepared.setInt(1, 42 + round);
                    prepared.setLong(2, 1L << 40);
                    prepared.setShort(3, (short) -7);
                    prepared.setBigDecimal(4, new BigDecimal("12345.678"));
                    prepared.setDouble(5, 1.5);
                    prepared.setFloat(6, 0.25f);
                    prepared.setBoolean(7, true);
                    prepared.setString(8, "text 'quoted' \\ ü");
                    prepared.setString(9, "short");
                    if (hasBytes) {
                        prepared.setBytes(10, new byte[] {0, 1, (byte) 255});
                    } else {
                        prepared.setNull(10, Types.BINARY);
                    }
                    prepared.setObject(11, LocalDate.of(2026, 2, 28));
                    prepared.setObject(12, LocalDateTime.of(2026, 1, 2, 3, 4, 5));
                    prepared.setObject(13, at);
                    prepared.setObject(14, uuid);
                    prepared.setObject(15, json);
                    prepared.setArray(16, connection.createArrayOf("int4", new Object[] {1, null, 3}));
                    prepared.setArray(17, connection.createArrayOf("text", new Object[] {"a", "b \"c\"", null}));
                    equal(1, prepared.executeUpdate());
                }
                for (int column = 1; column <= 17; column++) {
                    int[] types = {Types.INTEGER, Types.BIGINT, Types.SMALLINT, Types.NUMERIC, Types.DOUBLE, Types.REAL, Types.BOOLEAN,
                        Types.VARCHAR, Types.VARCHAR, Types.BINARY, Types.DATE, Types.TIMESTAMP, Types.TIMESTAMP_WITH_TIMEZONE,
                        Types.OTHER, Types.OTHER, Types.ARRAY, Types.ARRAY};
                    prepared.setNull(column, types[column - 1]);
                }
                equal(1, prepared.executeUpdate());
            }
            try (PreparedStatement prepared = connection.prepareStatement("SELECT * FROM jdbc_types WHERE i >= ? ORDER BY i")) {
                for (int round = 0; round < 7; round++) {
                    prepared.setInt(1, 42);
                    try (ResultSet rows = prepared.executeQuery()) {
                        check(rows.next(), "a row");
                        equal(42, rows.getInt(1));
                        equal(1L << 40, rows.getLong(2));
                        equal((short) -7, rows.getShort(3));
                        equal(new BigDecimal("12345.678"), rows.getBigDecimal(4));
                        equal(1.5, rows.getDouble(5));
                        equal(0.25f, rows.getFloat(6));
                        equal(true, rows.getBoolean(7));
                        equal("text 'quoted' \\ ü", rows.getString(8));
                        equal("short", rows.getString(9));
                        check(!hasBytes || Arrays.equals(new byte[] {0, 1, (byte) 255}, rows.getBytes(10)), "bytes");
                        equal(LocalDate.of(2026, 2, 28), rows.getObject(11, LocalDate.class));
                        equal(LocalDateTime.of(2026, 1, 2, 3, 4, 5), rows.getObject(12, LocalDateTime.class));
                        equal(at, rows.getObject(13, OffsetDateTime.class));
                        equal(uuid, rows.getObject(14));
                        equal("{\"a\": [1, null]}", rows.getString(15));
                        Array numbers = rows.getArray(16);
                        equal(Arrays.asList(1, null, 3), Arrays.asList((Object[]) numbers.getArray()));
                        equal(Arrays.asList("a", "b \"c\"", null), Arrays.asList((Object[]) rows.getArray(17).getArray()));
                        check(rows.next() && rows.next() && !rows.next(), "three rows");
                    }
                }
            }
            equal(1L, number(connection, "SELECT count(*) FROM jdbc_types WHERE i IS NULL AND a IS NULL"));
            statement.execute("DROP TABLE jdbc_types");
        }
    }

    /// The driver prepares a statement on the server when it has run five times, and asks for binary results then.
    private static void threshold() throws Exception {
        try (Connection connection = connect()) {
            try (PreparedStatement prepared = connection.prepareStatement("SELECT ?::int + 1, now(), ?::text")) {
                for (int round = 0; round < 10; round++) {
                    prepared.setInt(1, round);
                    prepared.setString(2, "x" + round);
                    try (ResultSet rows = prepared.executeQuery()) {
                        check(rows.next(), "a row");
                        equal(round + 1, rows.getInt(1));
                        check(rows.getTimestamp(2) != null, "a time");
                        equal("x" + round, rows.getString(3));
                    }
                }
                equal(1L, number(connection, "SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql AND statement LIKE '%now()%'"));
            }
            // A changed table: the driver prepares anew.
            try (Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE jdbc_shape (a int)");
                statement.execute("INSERT INTO jdbc_shape VALUES (1)");
                try (PreparedStatement prepared = connection.prepareStatement("SELECT * FROM jdbc_shape")) {
                    for (int round = 0; round < 7; round++) {
                        try (ResultSet rows = prepared.executeQuery()) {
                            check(rows.next(), "a row");
                        }
                    }
                    statement.execute("ALTER TABLE jdbc_shape ADD COLUMN b text DEFAULT 'new'");
                    try (ResultSet rows = prepared.executeQuery()) {
                        check(rows.next(), "a row");
                        equal("new", rows.getString("b"));
                    }
                }
                statement.execute("DROP TABLE jdbc_shape");
            }
        }
    }

    private static void batches() throws Exception {
        for (String rewrite : List.of("true", "false")) {
            try (Connection connection = connect("reWriteBatchedInserts", rewrite); Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE jdbc_batch (id int PRIMARY KEY, name text)");
                connection.setAutoCommit(false);
                try (PreparedStatement prepared = connection.prepareStatement("INSERT INTO jdbc_batch VALUES (?, ?)")) {
                    for (int i = 0; i < 1000; i++) {
                        prepared.setInt(1, i);
                        prepared.setString(2, "name " + i);
                        prepared.addBatch();
                    }
                    equal(1000, prepared.executeBatch().length);
                    connection.commit();
                    prepared.setInt(1, 2000);
                    prepared.setString(2, "fine");
                    prepared.addBatch();
                    prepared.setInt(1, 5);
                    prepared.setString(2, "taken");
                    prepared.addBatch();
                    try {
                        prepared.executeBatch();
                        throw new AssertionError("a duplicate was accepted");
                    } catch (BatchUpdateException error) {
                        equal("23505", error.getSQLState());
                    }
                    connection.rollback();
                }
                equal(1000L, number(connection, "SELECT count(*) FROM jdbc_batch"));
                statement.addBatch("UPDATE jdbc_batch SET name = 'x' WHERE id < 10");
                statement.addBatch("DELETE FROM jdbc_batch WHERE id >= 990");
                check(Arrays.equals(new int[] {10, 10}, statement.executeBatch()), "counts of a batch");
                statement.execute("DROP TABLE jdbc_batch");
                connection.commit();
            }
        }
    }

    private static void fetchSize() throws Exception {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement(); Statement other = connection.createStatement()) {
                statement.setFetchSize(100);
                long sum = 0;
                try (ResultSet rows = statement.executeQuery("SELECT i, 'row ' || i FROM generate_series(1, 5050) i")) {
                    while (rows.next()) {
                        sum += rows.getLong(1);
                        if (rows.getInt(1) % 1000 == 0) {
                            equal("row " + rows.getInt(1), rows.getString(2));
                            equal(true, other.execute("SELECT 1"));
                        }
                    }
                }
                equal(5050L * 5051 / 2, sum);
                statement.setMaxRows(7);
                try (ResultSet rows = statement.executeQuery("SELECT generate_series(1, 100)")) {
                    int count = 0;
                    while (rows.next()) {
                        count++;
                    }
                    equal(7, count);
                }
            }
            connection.commit();
        }
        try (Connection connection = connect();
            Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
            ResultSet rows = statement.executeQuery("SELECT generate_series(1, 10)")) {
            check(rows.last() && rows.getInt(1) == 10 && rows.previous() && rows.getInt(1) == 9, "scrolling");
        }
    }

    private static void copy() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE jdbc_copy (a int, b text)");
            CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < 5000; i++) {
                lines.append(i).append(",\"row, ").append(i).append("\"\n");
            }
            equal(5000L, manager.copyIn("COPY jdbc_copy FROM STDIN (FORMAT csv)", new StringReader(lines.toString())));
            StringWriter out = new StringWriter();
            equal(3L, manager.copyOut("COPY (SELECT * FROM jdbc_copy WHERE a < 3 ORDER BY a) TO STDOUT (FORMAT csv, HEADER)", out));
            equal("a,b\n0,\"row, 0\"\n1,\"row, 1\"\n2,\"row, 2\"\n", out.toString());
            fails("22P02", () -> manager.copyIn("COPY jdbc_copy FROM STDIN (FORMAT csv)", new StringReader("1,a\nx,b\n")));
            equal(5000L, number(connection, "SELECT count(*) FROM jdbc_copy"));
            statement.execute("DROP TABLE jdbc_copy");
        }
    }

    private static void generatedKeys() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE jdbc_keys (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)");
            List<Long> keys = new ArrayList<>();
            try (PreparedStatement prepared =
                connection.prepareStatement("INSERT INTO jdbc_keys (name) VALUES (?), (?)", Statement.RETURN_GENERATED_KEYS)) {
                prepared.setString(1, "one");
                prepared.setString(2, "two");
                equal(2, prepared.executeUpdate());
                try (ResultSet rows = prepared.getGeneratedKeys()) {
                    while (rows.next()) {
                        keys.add(rows.getLong("id"));
                    }
                }
            }
            check(keys.size() == 2 && keys.get(0) < keys.get(1), "keys " + keys);
            try (PreparedStatement prepared = connection.prepareStatement("INSERT INTO jdbc_keys (name) VALUES (?)", new String[] {"id"})) {
                prepared.setString(1, "three");
                prepared.executeUpdate();
                try (ResultSet rows = prepared.getGeneratedKeys()) {
                    check(rows.next() && rows.getLong(1) > keys.get(1), "a third key");
                }
            }
            statement.execute("DROP TABLE jdbc_keys");
        }
    }

    private static void metadata() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE jdbc_meta (id int PRIMARY KEY, name varchar(20) NOT NULL)");
            DatabaseMetaData data = connection.getMetaData();
            equal("PostgreSQL", data.getDatabaseProductName());
            try (ResultSet rows = data.getTables(null, "public", "jdbc_meta", new String[] {"TABLE"})) {
                check(rows.next() && rows.getString("TABLE_NAME").equals("jdbc_meta"), "the table is listed");
            }
            try (ResultSet rows = data.getColumns(null, "public", "jdbc_meta", null)) {
                check(rows.next() && rows.getString("COLUMN_NAME").equals("id"), "a first column");
                check(rows.next() && rows.getInt("COLUMN_SIZE") == 20 && rows.getInt("NULLABLE") == 0, "a second column");
            }
            statement.execute("DROP TABLE jdbc_meta");
        }
    }

    private static void notifications() throws Exception {
        try (Connection listener = connect(); Connection sender = connect()) {
            try (Statement statement = listener.createStatement()) {
                statement.execute("LISTEN jdbc_channel");
            }
            try (Statement statement = sender.createStatement()) {
                statement.execute("NOTIFY jdbc_channel, 'hello'");
            }
            PGNotification[] told = listener.unwrap(PGConnection.class).getNotifications(10_000);
            check(told != null && told.length == 1, "one notification");
            equal("jdbc_channel", told[0].getName());
            equal("hello", told[0].getParameter());
        }
    }

    /** Parameters, columns and portals of Cypher, whose braces and colons the driver leaves alone. */
    private static void cypher(String... settings) throws Exception {
        OffsetDateTime seen = OffsetDateTime.of(2026, 1, 2, 3, 4, 5, 678_000_000, ZoneOffset.UTC);
        try (Connection connection = connect(settings); Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            try (PreparedStatement create = connection.prepareStatement(
                "CREATE (:JdbcPerson {i: ?, name: ?, weight: ?, ok: ?, born: ?, seen: ?, moved: ?, tags: ?})")) {
                for (int i = 0; i < 1000; i++) {
                    create.setInt(1, i);
                    create.setString(2, "name " + i);
                    create.setDouble(3, i / 2.0);
                    create.setBoolean(4, i % 2 == 0);
                    create.setObject(5, LocalDate.of(2000, 1, 1).plusDays(i));
                    create.setObject(6, seen.plusSeconds(i));
                    create.setObject(7, LocalDateTime.of(2000, 1, 1, 0, 0).plusHours(i));
                    create.setArray(8, connection.createArrayOf("text", new String[] {"a", "b " + i}));
                    create.addBatch();
                }
                create.executeBatch();
            }
            connection.commit();
            try (PreparedStatement match = connection.prepareStatement(
                "MATCH (p:JdbcPerson {i: ?}) WHERE p.born = ? AND p.name IN ? AND p.weight < ?"
                    + " RETURN p.i, p.name, p.weight, p.ok, p.born, p.seen, p.moved, p.tags, p.i + 1 AS next, p")) {
                match.setLong(1, 3);
                match.setObject(2, LocalDate.of(2000, 1, 4));
                match.setArray(3, connection.createArrayOf("text", new String[] {"name 3", "name 4"}));
                match.setBigDecimal(4, new BigDecimal("1.75"));
                for (int turn = 0; turn < 3; turn++) {
                    try (ResultSet row = match.executeQuery()) {
                        check(row.next(), "a person");
                        equal(Types.BIGINT, row.getMetaData().getColumnType(9));
                        equal("next", row.getMetaData().getColumnLabel(9));
                        equal(3L, row.getObject(1));
                        equal("name 3", row.getObject(2));
                        equal(1.5, row.getObject(3));
                        equal(false, row.getObject(4));
                        equal(LocalDate.of(2000, 1, 4), row.getObject(5, LocalDate.class));
                        equal(seen.plusSeconds(3), row.getObject(6, OffsetDateTime.class));
                        equal(LocalDateTime.of(2000, 1, 1, 3, 0), row.getObject(7, LocalDateTime.class));
                        equal("[\"a\", \"b 3\"]", row.getString(8));
                        equal(4L, row.getLong(9));
                        check(((PGobject) row.getObject(10)).getValue().contains("\"labels\": [\"JdbcPerson\"]"), "a node");
                        check(!row.next(), "one person");
                    }
                }
            }
            // By portals of 70 rows, while the connection does something else.
            try (PreparedStatement match = connection.prepareStatement("MATCH (p:JdbcPerson) WHERE p.i >= ? RETURN p.i, p.name ORDER BY p.i")) {
                match.setFetchSize(70);
                match.setInt(1, 10);
                int expected = 10;
                try (ResultSet rows = match.executeQuery()) {
                    while (rows.next()) {
                        equal(expected, rows.getInt(1));
                        equal("name " + expected, rows.getString(2));
                        if (expected % 100 == 0) {
                            statement.execute("MATCH (p:JdbcPerson {i: 990}) SET p.name = 'changed'");
                        }
                        expected++;
                    }
                }
                equal(1000, expected);
            }
            connection.rollback();
            try (PreparedStatement map = connection.prepareStatement("UNWIND ? AS row MATCH (p:JdbcPerson {i: row.i}) RETURN count(p)")) {
                PGobject rows = new PGobject();
                rows.setType("jsonb");
                rows.setValue("[{\"i\": 1}, {\"i\": 2}, {\"i\": 5000}]");
                map.setObject(1, rows);
                try (ResultSet counted = map.executeQuery()) {
                    counted.next();
                    equal(2L, counted.getLong(1));
                }
            }
            Savepoint savepoint = connection.setSavepoint("s");
            statement.execute("MATCH (p:JdbcPerson) DETACH DELETE p");
            equal(0L, number(connection, "MATCH (p:JdbcPerson) RETURN count(*)"));
            connection.rollback(savepoint);
            equal(1000L, number(connection, "MATCH (p:JdbcPerson) RETURN count(*)"));
            statement.execute("MATCH (p:JdbcPerson) DETACH DELETE p");
            connection.commit();
        }
    }

    private static void agent() throws Exception {
        try (Connection connection = connect("escapeSyntaxCallMode", "call")) {
            try (CallableStatement call = connection.prepareCall("CALL execute_agent(?, ?)")) {
                call.setString(1, "assistant");
                call.setString(2, "What do you know about the harbour?");
                check(call.execute(), "the run gives a row");
                try (ResultSet rows = call.getResultSet()) {
                    check(rows.next(), "a row");
                    equal("succeeded", rows.getString("status"));
                    check(rows.getInt("steps") > 0, "steps");
                }
            }
            try (PreparedStatement prepared =
                connection.prepareStatement("MATCH (p:Person) WHERE p.name = $1 RETURN p.name".replace("$1", "?"))) {
                prepared.setString(1, "Nobody");
                try (ResultSet rows = prepared.executeQuery()) {
                    check(!rows.next(), "no row");
                }
            }
        }
    }

    private static long number(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getLong(1);
        }
    }

    private static String text(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getString(1);
        }
    }
}
