"""The scenario by asyncpg. The token is TOKEN, the certificate lies in CERTIFICATES, another node's port is OTHER_PORT."""

import asyncio
import io
import os
import ssl

import asyncpg

CLIENT = os.environ["CLIENT"]
READ = "SELECT note FROM orders WHERE id = $1"
LONG = "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f"
PARKS = f"INSERT INTO parked (id) VALUES ('{CLIENT}')"
NAMED = {"server_settings": {"application_name": CLIENT}}


def tls():
    return ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])


async def with_token(**ways):
    return await asyncpg.connect(ssl=tls(), password=os.environ["TOKEN"], **NAMED, **ways)


async def with_certificate():
    folder = os.environ["CERTIFICATES"]
    context = tls()
    context.load_cert_chain(f"{folder}/client.crt", f"{folder}/client.key")
    return await asyncpg.connect(ssl=context, **NAMED)


def writes(what):
    return f"INSERT INTO written (id) VALUES ('{CLIENT} {what}')"


def step(name, done):
    if done:
        print(name, flush=True)


async def error_of(act):
    try:
        await act
    except asyncpg.PostgresError as error:
        return error
    return None


async def fails_with(code, act):
    error = await error_of(act)
    return error is not None and error.sqlstate == code


async def cancelled(connection, text):
    """asyncpg cancels at the server what its own time-out ends, and waits for that; then the connection goes on."""
    try:
        await connection.execute(text, timeout=3)
    except asyncio.TimeoutError:
        return await connection.fetchval(READ, 5) == "order 5"
    return False


async def repeated():
    """At another node, until it was approved."""
    connection = await with_token(port=int(os.environ["OTHER_PORT"]))
    while (error := await error_of(connection.execute(PARKS))) is not None:
        if error.sqlstate != "57014":
            raise error
        await asyncio.sleep(0.5)
    await connection.close()
    return True


async def copies(connection):
    out = io.BytesIO()
    query = f"SELECT id, '{CLIENT}' FROM orders WHERE id = 3"
    await connection.copy_from_query(query, output=out)
    step("copy-out", out.getvalue().decode() == f"3\t{CLIENT}\n")
    rows = [(f"{CLIENT} copied",)]
    source = io.BytesIO("".join(f"{row[0]}\n" for row in rows).encode())
    copied = await connection.copy_to_table("written", source=source, columns=["id"])
    step("copy-in", copied == "COPY 1")


async def main():
    connection = await with_token()
    step("token", await connection.fetchval(READ, 5) == "order 5")
    certified = await with_certificate()
    step("certificate", await certified.fetchval(READ, 5) == "order 5")
    await certified.close()
    prepared = await connection.prepare(READ)
    step("prepared", [await prepared.fetchval(n) for n in (5, 6)] == ["order 5", "order 6"])
    async with connection.transaction():
        inside = await connection.fetchval(READ, 6)
    step("transaction", inside == "order 6")
    await copies(connection)
    masked = await connection.fetchval("SELECT owner FROM accounts WHERE id = $1", 3)
    step("masked", masked == "[redacted]")
    step("approved", await connection.execute(writes("approve")) == "INSERT 0 1")
    step("rejected", await fails_with("42501", connection.execute(writes("reject"))))
    error = await error_of(connection.execute(PARKS))
    step("parked", error.sqlstate == "57014" and "hold_" in error.detail and await repeated())
    step("cancelled-held", await cancelled(connection, writes("cancel")))
    step("cancelled-running", await cancelled(connection, LONG))
    await connection.close()


asyncio.run(main())
