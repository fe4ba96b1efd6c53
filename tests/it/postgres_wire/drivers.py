"""One read and one write that will be held, by the driver that the first argument names. Settings come as libpq's."""

import asyncio
import os
import ssl
import sys

DRIVER = sys.argv[1]
READ = "SELECT note FROM orders WHERE id = 5"
WRITE = f"INSERT INTO written (id) VALUES ('{DRIVER}')"


def tls():
    return ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])


def by_psycopg():
    import psycopg

    with psycopg.connect(autocommit=True) as connection:
        note = connection.execute(READ).fetchone()[0]
        return note, connection.execute(WRITE).rowcount


def by_pg8000():
    import pg8000.dbapi

    connection = pg8000.dbapi.connect(
        user=os.environ["PGUSER"],
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        database=os.environ["PGDATABASE"],
        password=os.environ["PGPASSWORD"],
        ssl_context=tls(),
    )
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(READ)
    note = cursor.fetchone()[0]
    cursor.execute(WRITE)
    return note, cursor.rowcount


def by_asyncpg():
    import asyncpg

    async def run():
        connection = await asyncpg.connect(ssl=tls())
        note = await connection.fetchval(READ)
        status = await connection.execute(WRITE)
        await connection.close()
        return note, int(status.split()[-1])

    return asyncio.run(run())


note, written = {"psycopg": by_psycopg, "pg8000": by_pg8000, "asyncpg": by_asyncpg}[DRIVER]()
print(f"{note}, {written} written")
