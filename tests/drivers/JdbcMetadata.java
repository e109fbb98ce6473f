import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/** What DatabaseMetaData says of tables made here. Arguments: the server's JDBC address, optionally a user. */
public class JdbcMetadata {
    interface Query {
        ResultSet run() throws SQLException;
    }

    /** The named columns of every row, joined by commas. */
    static List<String> rows(Query query, String... columns) throws SQLException {
        List<String> rows = new ArrayList<>();
        try (ResultSet result = query.run()) {
            while (result.next()) {
                StringBuilder row = new StringBuilder();
                for (String column : columns) {
                    if (row.length() > 0) {
                        row.append(',');
                    }
                    row.append(result.getString(column));
                }
                rows.add(row.toString());
            }
        }
        return rows;
    }

    static void check(String what, Object found, Object expected) {
        if (!found.equals(expected)) {
            throw new AssertionError(what + ": " + found + ", expected " + expected);
        }
    }

    public static void main(String[] args) throws Exception {
        String user = args.length > 1 ? args[1] : "ann";
        try (Connection connection = DriverManager.getConnection(args[0], user, "");
                Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS jdbc_line, jdbc_order CASCADE");
            statement.execute("CREATE TABLE jdbc_order (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                    + " customer varchar(40) NOT NULL DEFAULT 'none', total numeric(10,2), placed timestamptz,"
                    + " tags text[], UNIQUE (customer, placed))");
            statement.execute("CREATE TABLE jdbc_line (order_id bigint REFERENCES jdbc_order ON DELETE CASCADE,"
                    + " line int, note text, PRIMARY KEY (order_id, line))");
            statement.execute("CREATE INDEX jdbc_line_note ON jdbc_line (note DESC, line)");
            statement.execute("CREATE VIEW jdbc_view AS SELECT customer, total FROM jdbc_order");
            statement.execute("COMMENT ON COLUMN jdbc_order.total IS 'with tax'");
            try {
                metadata(connection);
            } finally {
                statement.execute("DROP VIEW jdbc_view");
                statement.execute("DROP TABLE jdbc_line, jdbc_order");
            }
        }
        System.out.println("JDBC metadata: ok");
    }

    static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        check("product", data.getDatabaseProductName(), "PostgreSQL");
        check("major version", data.getDatabaseMajorVersion(), 15);
        check("identifier length", data.getMaxColumnNameLength(), 63);
        check("keywords", data.getSQLKeywords().contains("abort"), true);

        check("tables", rows(() -> data.getTables(null, "public", "jdbc\\_%", new String[] {"TABLE", "VIEW"}),
                "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"),
                List.of("public,jdbc_line,TABLE", "public,jdbc_order,TABLE", "public,jdbc_view,VIEW"));
        check("columns", rows(() -> data.getColumns(null, "public", "jdbc\\_order", "%"),
                "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE",
                "ORDINAL_POSITION", "IS_AUTOINCREMENT", "REMARKS"),
                List.of("id,int8," + Types.BIGINT + ",19,0,NO,1,YES,null",
                        "customer,varchar," + Types.VARCHAR + ",40,0,NO,2,NO,null",
                        "total,numeric," + Types.NUMERIC + ",10,2,YES,3,NO,with tax",
                        "placed,timestamptz," + Types.TIMESTAMP + ",35,6,YES,4,NO,null",
                        "tags,_text," + Types.ARRAY + ",2147483647,0,YES,5,NO,null"));
        check("default", rows(() -> data.getColumns(null, "public", "jdbc\\_order", "customer"), "COLUMN_DEF"),
                List.of("'none'::character varying"));
        check("primary keys", rows(() -> data.getPrimaryKeys(null, "public", "jdbc_line"),
                "COLUMN_NAME", "KEY_SEQ", "PK_NAME"),
                List.of("order_id,1,jdbc_line_pkey", "line,2,jdbc_line_pkey"));
        check("imported keys", rows(() -> data.getImportedKeys(null, "public", "jdbc_line"),
                "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ", "DELETE_RULE", "FK_NAME",
                "PK_NAME"),
                List.of("jdbc_order,id,jdbc_line,order_id,1," + DatabaseMetaData.importedKeyCascade
                        + ",jdbc_line_order_id_fkey,jdbc_order_pkey"));
        check("exported keys", rows(() -> data.getExportedKeys(null, "public", "jdbc_order"), "FKTABLE_NAME"),
                List.of("jdbc_line"));
        check("cross reference", rows(() -> data.getCrossReference(null, "public", "jdbc_order", null, "public",
                "jdbc_line"), "FKCOLUMN_NAME"), List.of("order_id"));
        check("indexes", rows(() -> data.getIndexInfo(null, "public", "jdbc_line", false, true),
                "NON_UNIQUE", "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC"),
                List.of("f,jdbc_line_pkey,1,order_id,A", "f,jdbc_line_pkey,2,line,A",
                        "t,jdbc_line_note,1,note,D", "t,jdbc_line_note,2,line,A"));
        check("best row identifier", rows(() -> data.getBestRowIdentifier(null, "public", "jdbc_order",
                DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"), List.of("id"));
        check("schemas", rows(data::getSchemas, "TABLE_SCHEM").contains("public"), true);
        check("catalogs", rows(data::getCatalogs, "TABLE_CAT").isEmpty(), false);
        check("table types", rows(data::getTableTypes, "TABLE_TYPE").contains("TABLE"), true);
        check("types", rows(data::getTypeInfo, "TYPE_NAME").containsAll(List.of("int4", "text", "jsonb", "_int4")), true);
        check("functions", rows(() -> data.getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME").isEmpty(), false);
        rows(() -> data.getFunctionColumns(null, "pg_catalog", "lower", "%"), "COLUMN_NAME", "TYPE_NAME");
        rows(() -> data.getProcedures(null, null, "%"), "PROCEDURE_NAME");
        rows(() -> data.getProcedureColumns(null, null, "%", "%"), "COLUMN_NAME");
        check("table privileges", rows(() -> data.getTablePrivileges(null, "public", "jdbc\\_line"), "PRIVILEGE")
                .contains("SELECT"), true);
        check("column privileges", rows(() -> data.getColumnPrivileges(null, "public", "jdbc_line", "note"),
                "PRIVILEGE").contains("UPDATE"), true);
        rows(() -> data.getUDTs(null, null, "%", null), "TYPE_NAME");
        rows(() -> data.getVersionColumns(null, "public", "jdbc_line"), "COLUMN_NAME");
        rows(data::getClientInfoProperties, "NAME");

        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery("SELECT o.id, o.total, l.note, 1 + 1 AS two FROM jdbc_order o"
                        + " JOIN jdbc_line l ON l.order_id = o.id")) {
            ResultSetMetaData columns = result.getMetaData();
            check("column table", columns.getTableName(1), "jdbc_order");
            check("column label", columns.getColumnLabel(4), "two");
            check("auto-increment", columns.isAutoIncrement(1), true);
            check("scale", columns.getScale(2), 2);
            check("nullable", columns.isNullable(1), ResultSetMetaData.columnNoNulls);
            check("base table", ((org.postgresql.PGResultSetMetaData) columns).getBaseTableName(3), "jdbc_line");
        }
    }
}
