"""What deploy/check.sh asks of the chart, the manifests, the alerts and the dashboard. Prints each failure, exits with 1."""

import json
import pathlib
import re
import sys

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "helm" / "countersign"
# The oldest and the newest that the schemas at hand know, as the chart says it supports.
KUBERNETES = ["1.25", "1.32"]
# Kinds of operators, which no schema of Kubernetes has.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}

failures: list[str] = []


def fail(what: str) -> None:
    failures.append(what)
    print(f"error: {what}")


def rendered(helm, values: dict) -> list[dict]:
    chart = helm.Chart.load(str(CHART))
    texts = chart.render(values, name="prod", namespace="gateway")
    manifests = [text for name, text in texts.items() if name.endswith(".yaml")]
    return [one for text in manifests for one in yaml.safe_load_all(text) if one]


def check_chart() -> None:
    import helm_python as helm

    for values in [{}, {"nodes": 5, "founder": None}, {"monitoring": {"serviceMonitor": True, "prometheusRule": True, "dashboard": True}},
                   {"service": {"type": "LoadBalancer"}, "ssh": {"hostKeySecretName": "gateway-host-key"}, "secretMounts": [{"secretName": "orders", "mountPath": "/etc/countersign/secrets"}]}]:
        documents = rendered(helm, values)
        for document in documents:
            if document["kind"] in FOREIGN:
                continue
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except Exception as error:  # noqa: BLE001 - the library has several
                    fail(f"chart with {values}: {document['kind']} is no {version} manifest: {error}")
    findings = helm.lint(str(CHART), strict=True)
    for message in findings.get("messages", []):
        # 1 is information, 2 a warning, 3 an error.
        if message["severity"] >= 2:
            fail(f"helm lint: {message}")
    for wrong in [{"nodes": 4}, {"nodes": 3, "founder": "zero"}, {"unknown": True}, {"storage": {"size": "50"}}]:
        try:
            rendered(helm, wrong)
            fail(f"the chart takes {wrong}")
        except Exception:  # noqa: BLE001, S110 - refused is what it should be
            pass


def metrics_of_the_source() -> set[str]:
    source = (HERE.parent / "node" / "src" / "metrics").rglob("*.rs")
    return {name for file in source for name in re.findall(r'"(countersign_[a-z0-9_]+)"', file.read_text())}


def named(text: str) -> set[str]:
    names = set(re.findall(r"\bcountersign_[a-z0-9_]+", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def check_monitoring() -> None:
    known = metrics_of_the_source()
    if len(known) < 20:
        fail("the metrics of the source were not found")
    monitoring = HERE / "monitoring"
    for file in ["alerts.yaml", "alerts_test.yaml", "dashboard.json"]:
        for name in sorted(named((monitoring / file).read_text()) - known):
            fail(f"{file}: no node has a metric {name}")
    on_dashboard = named((monitoring / "dashboard.json").read_text())
    for name in sorted(known - on_dashboard - {"countersign_node_initialised", "countersign_node_draining", "countersign_node_passed_checks",
                                               "countersign_recording_segments_total", "countersign_node_disk_size_bytes"}):
        fail(f"dashboard.json does not show {name}")
    rules = yaml.safe_load((monitoring / "alerts.yaml").read_text())
    pages = {page.name for page in (monitoring / "runbooks").glob("*.md")}
    used = set()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        page = rule["annotations"]["runbook"].removeprefix("runbooks/")
        used.add(page)
        if page not in pages:
            fail(f"{rule['alert']}: there is no page {page}")
        elif rule["alert"] not in (monitoring / "runbooks" / page).read_text():
            # A page's title names the alerts that it is about.
            fail(f"{page} does not name {rule['alert']}")
    for page in sorted(pages - used):
        fail(f"no alert leads to {page}")
    panels = json.loads((monitoring / "dashboard.json").read_text())["panels"]
    if len({panel["id"] for panel in panels}) != len(panels):
        fail("dashboard.json: two panels have one id")


def nodes_of_compose(folder: str) -> None:
    """Writes each service's environment, for `countersign check`, which knows every variable that may begin with COUNTERSIGN_."""
    services = yaml.safe_load((HERE / "compose" / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        lines = [f"{key}={value}" for key, value in service["environment"].items()]
        pathlib.Path(folder, f"{name}.env").write_text("\n".join(lines) + "\n")


def nodes_of_the_chart(folder: str) -> None:
    """Writes each node's configuration, for `countersign check`."""
    import helm_python as helm

    for document in rendered(helm, {}):
        if document["kind"] == "ConfigMap":
            for name, text in document["data"].items():
                pathlib.Path(folder, name).write_text(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["nodes"]:
        nodes_of_the_chart(sys.argv[2])
        nodes_of_compose(sys.argv[2])
        sys.exit(0)
    check_chart()
    check_monitoring()
    sys.exit(1 if failures else 0)
