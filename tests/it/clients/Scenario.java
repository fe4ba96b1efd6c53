// The scenario by pgjdbc, with its defaults. The token is TOKEN, the certificate lies in CERTIFICATES (its key as DER), another
// node's port is OTHER_PORT.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public class Scenario {
    static final String CLIENT = System.getenv("CLIENT");
    static final String PARKS = "INSERT INTO parked (id) VALUES ('" + CLIENT + "')";
    static final String LONG = "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f";

    static Connection connect(String port, String... settings) throws SQLException {
        Properties all = new Properties();
        all.setProperty("user", System.getenv("PGUSER"));
        all.setProperty("sslmode", "verify-full");
        all.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        all.setProperty("ApplicationName", CLIENT);
        for (int n = 0; n < settings.length; n += 2) {
            all.setProperty(settings[n], settings[n + 1]);
        }
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + port + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection(url, all);
    }

    static Connection withToken(String port) throws SQLException {
        return connect(port, "password", System.getenv("TOKEN"));
    }

    static Connection withCertificate() throws SQLException {
        String folder = System.getenv("CERTIFICATES");
        return connect(System.getenv("PGPORT"), "sslcert", folder + "/client.crt", "sslkey", folder + "/client.pk8",
            "password", "");
    }

    static void step(String name, boolean done) {
        if (done) {
            System.out.println(name);
        }
    }

    static String writes(String what) {
        return "INSERT INTO written (id) VALUES ('" + CLIENT + " " + what + "')";
    }

    static String one(Connection connection, String text, long id) throws SQLException {
        try (var statement = connection.prepareStatement(text)) {
            statement.setLong(1, id);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getString(1);
            }
        }
    }

    static String note(Connection connection, long id) throws SQLException {
        return one(connection, "SELECT note FROM orders WHERE id = ?", id);
    }

    /** Prepared on the server from the fifth execution on, which is the driver's default. */
    static boolean prepared(Connection connection) throws SQLException {
        boolean all = true;
        try (var statement = connection.prepareStatement("SELECT note FROM orders WHERE id = ?")) {
            for (long id = 1; id <= 8; id++) {
                statement.setLong(1, id);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    all &= rows.getString(1).equals("order " + id);
                }
            }
        }
        return all;
    }

    static int update(Connection connection, String text) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate(text);
        }
    }

    static PSQLException errorOf(Connection connection, String text) throws SQLException {
        try {
            update(connection, text);
            return null;
        } catch (PSQLException error) {
            return error;
        }
    }

    /** It sends a CancelRequest, and goes on waiting for the answer. */
    static boolean cancelled(Connection connection, String text) throws SQLException {
        try (Statement waiting = connection.createStatement()) {
            waiting.setQueryTimeout(3);
            waiting.execute(text);
            return false;
        } catch (SQLException error) {
            return error.getSQLState().equals("57014");
        }
    }

    /** At another node, until it was approved. */
    static boolean repeated() throws Exception {
        try (Connection connection = withToken(System.getenv("OTHER_PORT"))) {
            for (PSQLException error; (error = errorOf(connection, PARKS)) != null; Thread.sleep(500)) {
                if (!error.getSQLState().equals("57014")) {
                    throw error;
                }
            }
        }
        return true;
    }

    static void copies(Connection connection) throws Exception {
        CopyManager copying = connection.unwrap(PGConnection.class).getCopyAPI();
        StringWriter out = new StringWriter();
        copying.copyOut("COPY (SELECT id, '" + CLIENT + "' FROM orders WHERE id = 3) TO STDOUT", out);
        step("copy-out", out.toString().equals("3\t" + CLIENT + "\n"));
        StringReader row = new StringReader(CLIENT + " copied\n");
        step("copy-in", copying.copyIn("COPY written (id) FROM STDIN /* " + CLIENT + " */", row) == 1);
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = withToken(System.getenv("PGPORT"))) {
            step("token", note(connection, 5).equals("order 5"));
            try (Connection certified = withCertificate()) {
                step("certificate", note(certified, 5).equals("order 5"));
            }
            step("prepared", prepared(connection));
            connection.setAutoCommit(false);
            String inside = note(connection, 6);
            connection.commit();
            connection.setAutoCommit(true);
            step("transaction", inside.equals("order 6"));
            copies(connection);
            step("masked", one(connection, "SELECT owner FROM accounts WHERE id = ?", 3).equals("[redacted]"));
            step("approved", update(connection, writes("approve")) == 1);
            step("rejected", errorOf(connection, writes("reject")).getSQLState().equals("42501"));
            PSQLException error = errorOf(connection, PARKS);
            boolean parked = error.getSQLState().equals("57014")
                && error.getServerErrorMessage().getDetail().contains("hold_");
            step("parked", parked && repeated());
            step("cancelled-held", cancelled(connection, writes("cancel")));
            step("cancelled-running", cancelled(connection, LONG));
        }
    }
}
