"""The scenario by psycopg 3, every statement in libpq's pipeline mode where the client is called so. The token is TOKEN, the
certificate lies in CERTIFICATES, another node's port is OTHER_PORT."""

import os
import threading
import time

import psycopg

CLIENT = os.environ["CLIENT"]
PIPELINED = CLIENT.endswith("pipeline")
READ = "SELECT note FROM orders WHERE id = %s"
LONG = "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f"
PARKS = f"INSERT INTO parked (id) VALUES ('{CLIENT}')"


def connect(**ways):
    return psycopg.connect(
        sslmode="verify-full", autocommit=True, application_name=CLIENT, **ways
    )


def with_token(**ways):
    return connect(password=os.environ["TOKEN"], **ways)


def writes(what):
    return f"INSERT INTO written (id) VALUES ('{CLIENT} {what}')"


def step(name, done):
    if done:
        print(name, flush=True)


def run(connection, *statement, **how):
    """The cursor of a statement, whose answer is there."""
    if not PIPELINED:
        return connection.execute(*statement, **how)
    with connection.pipeline():
        return connection.execute(*statement, **how)


def note(connection, number, **how):
    return run(connection, READ, [number], **how).fetchone()[0]


def error_of(act):
    try:
        act()
    except psycopg.Error as error:
        return error
    return None


def fails_with(code, act):
    error = error_of(act)
    return error is not None and error.sqlstate == code


def cancelled(connection, text):
    """Cancels until the statement ends."""
    over = threading.Event()

    def cancel():
        while not over.wait(1):
            connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    ended = fails_with("57014", lambda: run(connection, text))
    over.set()
    thread.join()
    return ended


def repeated():
    """At another node, until it was approved."""
    with with_token(port=os.environ["OTHER_PORT"]) as connection:
        while (error := error_of(lambda: run(connection, PARKS))) is not None:
            if error.sqlstate != "57014":
                raise error
            time.sleep(0.5)
    return True


def prepared(connection):
    notes = [note(connection, n, prepare=True) for n in (5, 6)]
    with connection.pipeline():
        cursors = [connection.execute(READ, [n], prepare=True) for n in (7, 8)]
        notes += [cursor.fetchone()[0] for cursor in cursors]
    return notes == [f"order {n}" for n in (5, 6, 7, 8)]


def copies(connection):
    with connection.cursor() as cursor:
        out = f"COPY (SELECT id, '{CLIENT}' FROM orders WHERE id = 3) TO STDOUT"
        with cursor.copy(out) as copy:
            step("copy-out", list(copy.rows()) == [("3", CLIENT)])
        with cursor.copy(f"COPY written (id) FROM STDIN /* {CLIENT} */") as copy:
            copy.write_row([f"{CLIENT} copied"])
        step("copy-in", cursor.rowcount == 1)


with with_token() as connection:
    step("token", note(connection, 5) == "order 5")
    folder = os.environ["CERTIFICATES"]
    pair = {"sslcert": f"{folder}/client.crt", "sslkey": f"{folder}/client.key"}
    with connect(**pair) as certified:
        step("certificate", note(certified, 5) == "order 5")
    step("prepared", prepared(connection))
    with connection.transaction():
        inside = note(connection, 6)
    step("transaction", inside == "order 6")
    if not PIPELINED:
        copies(connection)
    masked = run(connection, "SELECT owner FROM accounts WHERE id = %s", [3], binary=True)
    step("masked", masked.fetchone() == ("[redacted]",))
    if PIPELINED:
        with connection.pipeline():
            written = connection.execute(writes("approve"))
            behind = connection.execute(READ, [9])
        step("approved", written.rowcount == 1 and behind.fetchone() == ("order 9",))
    else:
        step("approved", run(connection, writes("approve")).rowcount == 1)
    step("rejected", fails_with("42501", lambda: run(connection, writes("reject"))))
    error = error_of(lambda: run(connection, PARKS))
    parked = error.sqlstate == "57014" and "hold_" in error.diag.message_detail
    step("parked", parked and repeated())
    step("cancelled-held", cancelled(connection, writes("cancel")))
    step("cancelled-running", cancelled(connection, LONG))
