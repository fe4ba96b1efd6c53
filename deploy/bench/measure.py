"""The measuring half of bench.sh, which sets everything up and passes it by the environment. Standard library only.

Rounds alternate between the ways that are compared, so that a machine whose speed drifts treats them alike; figures are
medians of the rounds. Processor time is that of the processes themselves (utime + stime in /proc/PID/stat), with the
node's grammar process counted to the node.
"""

import json
import os
import pathlib
import re
import ssl
import statistics
import struct
import subprocess
import sys
import time
import urllib.request

ENV = os.environ
PLACE = pathlib.Path(ENV["CS_BENCH_PLACE"])
SECS = int(ENV["CS_BENCH_SECS"])
ROUNDS = int(ENV["CS_BENCH_ROUNDS"])
NODES = [int(ENV[f"CS_PID_{n}"]) for n in range(1, int(ENV["CS_NODES"]) + 1)]
TICKS = os.sysconf("SC_CLK_TCK")


def stat_of(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def family(pid):
    """The process and its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int(stat_of(entry.name)[1]), []).append(int(entry.name))
            except OSError:
                continue
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(parents.get(found[-1], []))
    return found


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        for member in family(pid):
            fields = stat_of(member)
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def direct():
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": ENV["CS_POSTGRES_PORT"],
        "PGUSER": "orders_app",
        "PGPASSWORD": ENV["CS_POSTGRES_PASSWORD"],
        "PGDATABASE": "orders",
        "PGSSLMODE": "require",
    }


def proxy(setting):
    """A proxy in front of the same database, and its process; None when it is not installed."""
    if setting not in ENV:
        return None
    port, pid = ENV[setting].split()
    return {**direct(), "PGPORT": port}, [int(pid)]


def gateway(node, target=None):
    host, port = ENV[f"CS_PG_{node}"].rsplit(":", 1)
    return {
        "PGHOST": host,
        "PGPORT": port,
        "PGUSER": "app",
        "PGPASSWORD": ENV["CS_AGENT_TOKEN"],
        "PGDATABASE": target or ENV["CS_TARGET_PG"],
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": ENV["CS_CA"],
    }


def ways():
    """What is compared: name, how to connect, whose processor time it costs."""
    first = leader()
    second = first % len(NODES) + 1
    found = {
        "direct": (direct(), []),
        "HAProxy (TCP)": proxy("CS_BENCH_HAPROXY"),
        "PgBouncer (session)": proxy("CS_BENCH_PGBOUNCER"),
        "Countersign, batched": (gateway(first, "batched"), [NODES[first - 1]]),
        "Countersign, before_reply": (gateway(first), [NODES[first - 1]]),
        "Countersign, before_reply, a follower": (gateway(second), [NODES[second - 1]]),
    }
    return {name: way for name, way in found.items() if way}


def script(name, text):
    path = PLACE / name
    path.write_text(text)
    return str(path)


def start_pgbench(way, arguments):
    command = ["pgbench", "-n", *arguments]
    return subprocess.Popen(command, env={**ENV, **way}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process):
    """Transactions, and transactions a second without the time of connecting."""
    out, err = process.communicate(timeout=600)
    if process.returncode != 0:
        raise SystemExit(f"pgbench failed: {err.strip()[-500:]}")
    done = int(re.search(r"actually processed: (\d+)", out)[1])
    return done, float(re.search(r"tps = ([\d.]+)", out)[1])


def pgbench(way, arguments):
    return result(start_pgbench(way, arguments))


def leader():
    """The serving node is the leader unless said otherwise: the best case, without forwarding."""
    context = ssl.create_default_context(cafile=ENV["CS_CA"])
    request = urllib.request.Request(ENV["CS_API_1"] + "/v1/cluster", headers={"Authorization": "Bearer " + ENV["CS_ADMIN_TOKEN"]})
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return int(json.load(answer)["leader"])


def audit_head():
    context = ssl.create_default_context(cafile=ENV["CS_CA"])
    request = urllib.request.Request(ENV["CS_API_1"] + "/v1/audit/head", headers={"Authorization": "Bearer " + ENV["CS_ADMIN_TOKEN"]})
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return int(json.load(answer)["sequence"])


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"{os.cpu_count()} cores of {model[1] if model else 'an unknown processor'}, {int(memory[1]) >> 20} GiB, load at start {load}")
    print(f"client, node(s) and PostgreSQL share these cores; {SECS} s a measurement, median of {ROUNDS} rounds")
    times = []
    with open(PLACE / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 512)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    print(f"fdatasync on the disk of the log: p50 {times[100]:.2f} ms, p99 {times[198]:.2f} ms")


def reads():
    rows = int(ENV["CS_BENCH_SCALE"]) * 100_000
    select = script("select.sql", f"\\set aid random(1, {rows})\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n")
    compared = ways()
    print("\n## Point reads (pgbench -S's statement), allowed by policy\n")
    print("| protocol | clients | way | tps | of direct | of PgBouncer | own CPU a transaction | of PgBouncer's | cluster CPU a transaction |")
    print("|---|---|---|---|---|---|---|---|---|")
    for protocol in ENV["CS_BENCH_PROTOCOLS"].split():
        for clients in ENV["CS_BENCH_CLIENTS"].split():
            arguments = ["-M", protocol, "-c", clients, "-j", "1" if clients == "1" else "2", "-T", str(SECS), "-f", select]
            found = {name: {"tps": [], "own": [], "cluster": []} for name in compared}
            for _ in range(ROUNDS):
                for name, (way, pids) in compared.items():
                    own, cluster = cpu_seconds(pids), cpu_seconds(NODES)
                    done, tps = pgbench(way, arguments)
                    found[name]["tps"].append(tps)
                    found[name]["own"].append((cpu_seconds(pids) - own) / done * 1e6)
                    found[name]["cluster"].append((cpu_seconds(NODES) - cluster) / done * 1e6)
            told = {name: {what: statistics.median(all) for what, all in of.items()} for name, of in found.items()}
            bouncer = told.get("PgBouncer (session)")
            for name, of in told.items():
                ours = name.startswith("Countersign")
                print(
                    f"| {protocol} | {clients} | {name} | {of['tps']:.0f} | {of['tps'] / told['direct']['tps']:.2f} "
                    f"| {ratio(of['tps'], bouncer and bouncer['tps'])} | {of['own']:.0f} us "
                    f"| {ratio(of['own'], bouncer and bouncer['own'])} | {format(of['cluster'], '.0f') + ' us' if ours else '-'} |",
                    flush=True,
                )


def ratio(value, base):
    return f"{value / base:.2f}" if base else "-"


def intents():
    one = script("one.sql", "SELECT 1;\n")
    print("\n## Intents committed a second, all nodes together, beside etcd's puts\n")
    print("Each transaction is `SELECT 1`, whose answer waits for the commit of its intent; in flight = sessions, spread over the nodes.\n")
    print("| in flight | intents a second | audit events a second | cluster CPU an intent | etcd: puts of 256 B a second | etcd CPU a put |")
    print("|---|---|---|---|---|---|")
    for total in map(int, ENV["CS_BENCH_IN_FLIGHT"].split()):
        shares = [total] if total < len(NODES) else [total // len(NODES) + (n < total % len(NODES)) for n in range(len(NODES))]
        order = [leader()] + [n for n in range(1, len(NODES) + 1) if n != leader()]
        rates, events, costs = [], [], []
        for _ in range(ROUNDS):
            cpu, head, began = cpu_seconds(NODES), audit_head(), time.monotonic()
            running = [
                start_pgbench(gateway(node), ["-M", "prepared", "-c", str(share), "-j", "1", "-T", str(SECS), "-f", one])
                for node, share in zip(order, shares)
            ]
            results = [result(process) for process in running]
            took = time.monotonic() - began
            rates.append(sum(tps for _, tps in results))
            events.append((audit_head() - head) / took)
            costs.append((cpu_seconds(NODES) - cpu) / sum(done for done, _ in results) * 1e6)
        puts, put_cost = etcd_puts(total)
        print(
            f"| {total} | {statistics.median(rates):.0f} | {statistics.median(events):.0f} | {statistics.median(costs):.0f} us | {puts} | {put_cost} |",
            flush=True,
        )


def etcd_revision(endpoint):
    out = subprocess.run(
        ["etcdctl", "--endpoints", endpoint, "endpoint", "status", "-w", "json"],
        env={**ENV, "ETCDCTL_API": "3"}, capture_output=True, text=True, check=True,
    )
    return json.loads(out.stdout)[0]["Status"]["header"]["revision"], json.loads(out.stdout)[0]["Status"]


def etcd_leader(endpoints):
    for endpoint in endpoints:
        status = etcd_revision(endpoint)[1]
        if status["leader"] == status["header"]["member_id"]:
            return endpoint
    raise SystemExit("etcd has no leader")


def etcd_puts(in_flight):
    """gRPC puts by h2load, one in flight a connection, to the leader; counted by etcd's own revision."""
    if not ENV.get("CS_BENCH_ETCD"):
        return "not installed", "-"
    endpoint = etcd_leader(ENV["CS_BENCH_ETCD"].split(","))
    pids = [int(pid) for pid in ENV["CS_BENCH_ETCD_PIDS"].split()]
    # PutRequest{key = 1, value = 2} behind gRPC's five bytes: not compressed, length.
    message = b"\x0a\x05bench" + b"\x12\x80\x02" + b"v" * 256
    body = PLACE / "put.bin"
    body.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    before, cpu = etcd_revision(endpoint)[0], cpu_seconds(pids)
    subprocess.run(
        ["h2load", "-D", str(SECS), "-c", str(in_flight), "-m", "1", "-t", "1", "-d", str(body),
         "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{endpoint}/etcdserverpb.KV/Put"],
        capture_output=True, check=True, timeout=SECS + 60,
    )
    done = etcd_revision(endpoint)[0] - before
    return f"{done / SECS:.0f}", f"{(cpu_seconds(pids) - cpu) / max(done, 1) * 1e6:.0f} us"


def stream():
    megabytes = int(ENV["CS_BENCH_STREAM_MB"])
    select = script("stream.sql", "SELECT body FROM big;\n")
    compared = {name: way for name, way in ways().items() if "before_reply" not in name}
    kinds = {
        "SELECT": ["pgbench", "-n", "-M", "simple", "-c", "1", "-t", "1", "-f", select],
        "COPY out": ["psql", "-X", "-q", "-c", "COPY public.big TO STDOUT"],
    }
    print(f"\n## One result of {megabytes} MB (rows of 1 KB), one client\n")
    print("pgbench keeps the whole result in its memory, on any way; psql passes a COPY on.\n")
    print("| kind | way | MB/s | of HAProxy | own CPU a GB |")
    print("|---|---|---|---|---|")
    for kind, command in kinds.items():
        speeds, costs = {name: [] for name in compared}, {name: [] for name in compared}
        for _ in range(ROUNDS):
            for name, (way, pids) in compared.items():
                cpu, began = cpu_seconds(pids), time.monotonic()
                subprocess.run(command, env={**ENV, **way}, stdout=subprocess.DEVNULL, check=True, timeout=600)
                speeds[name].append(megabytes / (time.monotonic() - began))
                costs[name].append((cpu_seconds(pids) - cpu) / megabytes * 1024)
        base = speeds.get("HAProxy (TCP)")
        for name in compared:
            speed = statistics.median(speeds[name])
            own = f"{statistics.median(costs[name]):.2f} s" if compared[name][1] else "-"
            print(f"| {kind} | {name} | {speed:.0f} | {ratio(speed, base and statistics.median(base))} | {own} |", flush=True)
    peaks = [memory_of(pid, "VmHWM") for pid in NODES]
    print(f"\nMost memory of a node so far: {max(peaks) >> 10} MiB.")


def memory_of(pid, what):
    """In KiB."""
    return int(re.search(what + r":\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def idle():
    """Sessions that have run one read and wait: what the node's memory grows by."""
    sessions, first = 200, leader()
    sleep = script("idle.sql", "SELECT 1;\n\\sleep 4 s\n")
    arguments = ["-M", "prepared", "-j", "1", "-t", "1", "-f", sleep]
    # What the first sessions make the node allocate once is not theirs.
    pgbench(gateway(first), ["-c", "20", *arguments])
    before = memory_of(NODES[first - 1], "VmRSS")
    running = start_pgbench(gateway(first), ["-c", str(sessions), *arguments])
    most = 0
    while running.poll() is None:
        most = max(most, memory_of(NODES[first - 1], "VmRSS"))
        time.sleep(0.1)
    result(running)
    print("\n## Memory of an idle session\n")
    print(f"{(most - before) / sessions:.0f} KiB a session ({sessions} sessions; {before >> 10} MiB before them).", flush=True)


def held():
    """Sessions that wait for an approval, by held.py."""
    print("\n## Sessions that wait for an approval, at one node\n")
    print("| sessions | memory of an idle one | more for a held one | node's memory | its descriptors | logins took | holds took |")
    print("|---|---|---|---|---|---|---|", flush=True)
    beside = pathlib.Path(__file__).with_name("held.py")
    subprocess.run([sys.executable, beside], env={**ENV, "CS_BENCH_HELD_NODE": str(leader())}, check=True)


if __name__ == "__main__":
    machine()
    for name, measure in [("reads", reads), ("stream", stream), ("intents", intents), ("idle", idle), ("held", held)]:
        if ENV["CS_BENCH_ONLY"] in ("all", name):
            measure()
