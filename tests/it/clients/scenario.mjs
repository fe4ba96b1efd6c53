// The scenario by node-postgres. The token is TOKEN, the certificate lies in CERTIFICATES, another node's port is OTHER_PORT.

import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as rest } from "node:timers/promises";
import pg from "pg";
import copyStreams from "pg-copy-streams";

const { CLIENT, TOKEN, CERTIFICATES, PGHOST, PGPORT, OTHER_PORT, PGSSLROOTCERT } = process.env;
const READ = "SELECT note FROM orders WHERE id = $1";
const LONG = "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f";
const PARKS = `INSERT INTO parked (id) VALUES ('${CLIENT}')`;
const ca = readFileSync(PGSSLROOTCERT, "utf8");
const writes = (what) => `INSERT INTO written (id) VALUES ('${CLIENT} ${what}')`;

function step(name, done) {
  if (done) console.log(name);
}

async function connect(way) {
  const client = new pg.Client({ application_name: CLIENT, ...way });
  await client.connect();
  return client;
}

const withToken = (way) => connect({ password: TOKEN, ssl: { ca }, ...way });
const withCertificate = () =>
  connect({
    ssl: {
      ca,
      cert: readFileSync(`${CERTIFICATES}/client.crt`, "utf8"),
      key: readFileSync(`${CERTIFICATES}/client.key`, "utf8"),
    },
  });

async function errorOf(act) {
  try {
    await act();
    return {};
  } catch (error) {
    return error;
  }
}

const failsWith = async (code, act) => (await errorOf(act)).code === code;

async function noteOf(client, id) {
  return (await client.query({ name: "read", text: READ, values: [id] })).rows[0].note;
}

// The driver has no call for it: CancelRequest, over a connection of its own.
function cancel(client) {
  const canceller = new pg.Connection({ ssl: { ca } });
  canceller.on("error", () => {});
  canceller.on("connect", () => canceller.requestSsl());
  canceller.on("sslconnect", () => canceller.cancel(client.processID, client.secretKey));
  canceller.connect(Number(PGPORT), PGHOST);
}

async function cancelled(client, text) {
  const again = setInterval(() => cancel(client), 1000);
  const ended = await failsWith("57014", () => client.query(text));
  clearInterval(again);
  return ended;
}

// At another node, until it was approved.
async function repeated() {
  const client = await withToken({ port: Number(OTHER_PORT) });
  for (;;) {
    const error = await errorOf(() => client.query(PARKS));
    if (!error.code) break;
    if (error.code !== "57014") throw error;
    await rest(500);
  }
  await client.end();
  return true;
}

async function copies(client) {
  const out = client.query(copyStreams.to(`COPY (SELECT id, '${CLIENT}' FROM orders WHERE id = 3) TO STDOUT`));
  const chunks = [];
  await pipeline(out, async (source) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  step("copy-out", Buffer.concat(chunks).toString() === `3\t${CLIENT}\n`);
  const copyIn = client.query(copyStreams.from(`COPY written (id) FROM STDIN /* ${CLIENT} */`));
  await pipeline(Readable.from([`${CLIENT} copied\n`]), copyIn);
  step("copy-in", copyIn.rowCount === 1);
}

const client = await withToken();
step("token", (await client.query("SELECT note FROM orders WHERE id = 5")).rows[0].note === "order 5");
const certified = await withCertificate();
step("certificate", (await noteOf(certified, 5)) === "order 5");
await certified.end();
step("prepared", (await noteOf(client, 5)) === "order 5" && (await noteOf(client, 6)) === "order 6");
await client.query("BEGIN");
const inside = await noteOf(client, 6);
await client.query("COMMIT");
step("transaction", inside === "order 6");
await copies(client);
const masked = await client.query("SELECT owner FROM accounts WHERE id = $1", [3]);
step("masked", masked.rows[0].owner === "[redacted]");
step("approved", (await client.query(writes("approve"))).rowCount === 1);
step("rejected", await failsWith("42501", () => client.query(writes("reject"))));
const parked = await errorOf(() => client.query(PARKS));
step("parked", parked.code === "57014" && parked.detail.includes("hold_") && (await repeated()));
step("cancelled-held", await cancelled(client, writes("cancel")));
step("cancelled-running", await cancelled(client, LONG));
await client.end();
process.exit();
