//! Requests of every kind that an API server might be sent: each of the pieces that paths and queries are made of beside each
//! other, drawn in an order that is always the same; the adapter's own corpus; and what was ever taken for something else.

use std::collections::BTreeSet;

/// A method and a target, as they stand in the request line.
pub(super) type Asked = (&'static str, String);

/// Requests, and what the adapter takes them for. Here the requests alone count.
const CORPUS: &str = include_str!("../../../protocols/kubernetes/src/classify/tests/corpus.txt");
/// How many are drawn.
const DRAWN: usize = 6_000;

const METHODS: &[&str] = &["GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "DELETE"];
/// Tried with each of the strange targets beside those above.
const STRANGE_METHODS: &[&str] = &["get", "Get", "DELETEX", "OPTIONS", "TRACE", "LIST", "WATCH"];

const PREFIXES: &[&str] = &[
    "/api/v1",
    "/api/v1",
    "/api/v2",
    "/api/watch",
    "/apis/apps/v1",
    "/apis/coordination.k8s.io/v1",
    "/apis/rbac.authorization.k8s.io/v1",
    "/apis/authorization.k8s.io/v1",
    "/apis/metrics.k8s.io/v1beta1",
    "/apis/shop.example.com/v1alpha1",
    "/apis/namespaces/pods",
    "/apis/watch/v1",
];
const SPECIAL: &[&str] = &["", "", "", "", "", "", "", "", "/watch", "/watch/namespaces/shop"];
const SCOPES: &[&str] = &[
    "",
    "",
    "/namespaces/shop",
    "/namespaces/shop",
    "/namespaces/namespaces",
    "/namespaces/status",
    "/namespaces/watch",
    "/namespaces/0",
];
const RESOURCES: &[&str] = &[
    "",
    "/pods",
    "/pods",
    "/secrets",
    "/configmaps",
    "/namespaces",
    "/namespaces/shop/status",
    "/namespaces/shop/finalize",
    "/namespaces/shop/finalize/status",
    "/nodes",
    "/services",
    "/serviceaccounts",
    "/events",
    "/bindings",
    "/leases",
    "/deployments",
    "/clusterroles",
    "/selfsubjectaccessreviews",
    "/podtemplates",
    "/pod",
    "/status",
    "/finalize",
    "/watch",
    "/api",
    "/v1",
    "/no-such-things",
];
const NAMES: &[&str] = &[
    "",
    "",
    "/web",
    "/web-0.shop",
    "/system:node",
    "/system:serviceaccount:shop:web",
    "/a@b*c+d~e_f",
    "/Web",
    "/status",
    "/watch",
    "/namespaces",
    "/0",
    "/LONG",
];
const BELOW: &[&str] = &[
    "",
    "",
    "",
    "/status",
    "/scale",
    "/exec",
    "/attach",
    "/portforward",
    "/log",
    "/proxy",
    "/proxy/",
    "/proxy/api/v1/namespaces/shop/secrets",
    "/proxy/a%20b/c",
    "/eviction",
    "/binding",
    "/token",
    "/finalize",
    "/approval",
    "/ephemeralcontainers",
    "/rollback",
    "/no_such.thing",
    "/watch",
];
const QUERIES: &[&str] = &[
    "",
    "",
    "",
    "",
    "watch",
    "watch=",
    "watch=1",
    "watch=0",
    "watch=true",
    "watch=false",
    "watch=FALSE",
    "watch=False",
    "watch=f",
    "watch=no",
    "watch=00",
    "watch=%30",
    "watch=+0",
    "watch=true&timeoutSeconds=5",
    "timeoutSeconds=5",
    "timeoutSeconds=five",
    "timeoutSeconds=five&watch=true",
    "timeoutSeconds=five&watch=false",
    "timeoutSeconds=99999999999999999999&fieldSelector=metadata.name%3Dweb",
    "limit=many&fieldSelector=metadata.name%3Dweb",
    "limit=many&watch=1",
    "limit=&fieldSelector=metadata.name%3Dweb",
    "limit=-1&watch=1&fieldSelector=metadata.name%3Dweb",
    "allowWatchBookmarks=maybe&watch=1&fieldSelector=metadata.name%3Dweb",
    "resourceVersion=x&watch=0&fieldSelector=metadata.name%3Dweb",
    "resourceVersionMatch=x&fieldSelector=metadata.name%3Dweb",
    "sendInitialEvents=perhaps&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3Db&fieldSelector=metadata.name%3Dweb",
    "labelSelector=!!&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a+in&watch=1",
    "labelSelector=app%3Dweb%2C!old%2Ctier!%3Ddb%2Cx%3D%3Dy%2Cz&fieldSelector=metadata.name%3Dweb",
    "labelSelector=shop.example.com%2Fapp%3DWeb_1.0&fieldSelector=metadata.name%3Dweb",
    "labelSelector=Shop.example.com%2Fapp&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a..b%2Fapp&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%2Fb%2Fc&fieldSelector=metadata.name%3Dweb",
    "labelSelector=%2Fb&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%2F&fieldSelector=metadata.name%3Dweb",
    "labelSelector=-a&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a.&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3D-&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3D&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3Db%3Dc&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%2C&fieldSelector=metadata.name%3Dweb",
    "labelSelector=%2Ca&fieldSelector=metadata.name%3Dweb",
    "labelSelector=%2C&fieldSelector=metadata.name%3Dweb",
    "labelSelector=&fieldSelector=metadata.name%3Dweb",
    "labelSelector=+a+%3D+b+&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a+in+(b%2Cc)&fieldSelector=metadata.name%3Dweb",
    "labelSelector=in&fieldSelector=metadata.name%3Dweb",
    "labelSelector=notin%3Da&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3E1&fieldSelector=metadata.name%3Dweb",
    "labelSelector=!a%3Db&fieldSelector=metadata.name%3Dweb",
    "labelSelector=a%3D%C3%A4&fieldSelector=metadata.name%3Dweb",
    "labelSelector=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&fieldSelector=metadata.name%3Dweb",
    "labelSelector=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&fieldSelector=metadata.name%3Dweb",
    "limit=1_0&fieldSelector=metadata.name%3Dweb",
    "limit=0x10&fieldSelector=metadata.name%3Dweb",
    "limit=010&timeoutSeconds=-9223372036854775808&fieldSelector=metadata.name%3Dweb",
    "limit=9223372036854775808&fieldSelector=metadata.name%3Dweb",
    "limit=%2B5&fieldSelector=metadata.name%3Dweb",
    "limit=+5&fieldSelector=metadata.name%3Dweb",
    "limit&fieldSelector=metadata.name%3Dweb",
    "continue=%00&fieldSelector=metadata.name%3Dweb",
    "fieldSelector=metadata.name%3Dweb",
    "fieldSelector=metadata.name=web",
    "fieldSelector=status.phase%3Da%3Db%2Cmetadata.name%3Dweb",
    "fieldSelector=status.phase%3D%3D%3Db%2Cmetadata.name%3Dweb",
    "fieldSelector=status.phase!%3D%3Db%2Cmetadata.name%3Dweb",
    "fieldSelector=status.phase!%3Db%2Cmetadata.name%3Dweb",
    "fieldSelector=!%3Db%2Cmetadata.name%3Dweb",
    "fieldSelector=%3D%2Cmetadata.name%3Dweb",
    "fieldSelector=status.phase%2Cmetadata.name%3Dweb",
    "fieldSelector=metadata.name%3Dweb%2Cmetadata.name!%3Dweb",
    "fieldSelector=metadata.name!%3Da%2Cmetadata.name%3Dweb",
    "fieldSelector=metadata.name%3D%3Dweb",
    "fieldSelector=metadata.name!%3Dweb",
    "fieldSelector=metadata.name%3Dweb%2Cstatus.phase%3DRunning",
    "fieldSelector=status.phase%3DRunning%2Cmetadata.name%3Dweb",
    "fieldSelector=metadata.name%3Da%2Cmetadata.name%3Db",
    "fieldSelector=metadata.name%3Dweb%2C",
    "fieldSelector=%2Cmetadata.name%3Dweb",
    "fieldSelector=metadata.name%3Dweb%2Cbroken",
    "fieldSelector=broken",
    "fieldSelector=broken&watch=1",
    "fieldSelector=metadata.name",
    "fieldSelector=metadata.name%3D",
    "fieldSelector=metadata.name%3D%2Cmetadata.name%3Dweb",
    "fieldSelector=+metadata.name%3Dweb",
    "fieldSelector=metadata.name%3D+web",
    "fieldSelector=metadata.name%3D..",
    "fieldSelector=metadata.name%3Da%2Fb",
    "fieldSelector=metadata.name%3Da%25b",
    "fieldSelector=metadata.name%3Da%3Db",
    "fieldSelector=metadata.name%3Da%5C%2Cb",
    "fieldSelector=metadata.name%3D%C3%A4",
    "fieldSelector=Metadata.name%3Dweb",
    "fieldSelector=metadata.namespace%3Dprod",
    "fieldSelector=metadata.name%3DWeb&watch=1",
    "fieldSelector=",
    "fieldSelector",
    "fieldselector=metadata.name%3Dweb",
    "namespace=prod",
    "name=web",
    "resource=secrets",
    "verb=get",
    "_method=DELETE",
    "method=DELETE",
    "dryRun=All",
    "dryRun=all",
    "dryrun=All",
    "dryRun=All&dryRun=",
    "watch=0&watch=1",
    "watch=1&watch=0",
    "Watch=1",
    "watch=1&watch=1",
    "fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db",
    "fieldManager=kubectl&fieldValidation=Strict",
    "force=true",
    "propagationPolicy=Foreground&gracePeriodSeconds=0",
    "pretty=true",
    "exact=true&export=true",
    "command=ls&command=-l&container=web",
    "command=rm&command=-rf&command=%2F&stdin=true&tty=true",
    "ports=80&ports=443",
    "follow=true&tailLines=10&previous=false",
    "path=%2Fetc%2Fpasswd",
    "x=%",
    "x=%zz",
    "watch=1;y=2",
    "a%3Db=c",
    "&",
    "=1",
    "w%61tch=1",
    "watch%00=1",
    "watch=%00",
];

/// Targets of which each was taken for another somewhere.
const STRANGE: &[&str] = &[
    "/",
    "//",
    "/api",
    "/api/",
    "/apis",
    "/apis/apps",
    "/apis/apps/",
    "/apis/apps/v1",
    "/api/v1",
    "/api/v1/",
    "/api/v1?watch=1",
    "/version",
    "/version/",
    "/openapi/v2",
    "/openapi/v3/apis/apps/v1",
    "/healthz",
    "/healthz/etcd",
    "/livez?verbose",
    "/metrics",
    "/logs/",
    "/debug/pprof/heap",
    "/.well-known/openid-configuration",
    "/swagger.json",
    "/apix/v1/pods",
    "/apis/v1/pods",
    "/API/v1/pods",
    "/api/V1/pods",
    "/api//v1/pods",
    "//api/v1/pods",
    "/api/v1/namespaces//secrets",
    "/api/v1/namespaces/",
    "/api/v1/namespaces/shop/",
    "/api/v1/namespaces/shop/secrets/",
    "/api/v1/namespaces/shop/secrets/db/",
    "/api/v1/namespaces/../pods",
    "/api/v1/namespaces/shop/../prod/secrets",
    "/api/v1/./pods",
    "/api/v1/namespaces%2fprod%2fsecrets%2fdb",
    "/api/v1/namespaces%2Fprod/secrets",
    "/api/v1/%6eamespaces/prod/secrets",
    "/api/v1/namespaces/prod/secret%73",
    "/api/v1/namespaces/prod/secrets/a%252fb",
    "/api/v1/namespaces/prod/secrets/%2e%2e",
    "/api/v1/namespaces/prod/secrets;a=b",
    "/api/v1/namespaces/prod\\secrets",
    "/api/v1/namespaces/prod/secrets#fragment",
    "/api/v1/Namespaces/prod/secrets",
    "/api/v1/namespaces/Prod/secrets",
    "/api/v1/namespaces/prod/Secrets",
    "/api/v1/namespaces/prod/pods/web/Exec",
    "/api/v1/namespaces/prod/pods/web/exec/more",
    "/api/v1/namespaces/prod/pods/web/log/more",
    "/api/v1/namespaces/status",
    "/api/v1/namespaces/finalize",
    "/api/v1/namespaces/x/status",
    "/api/v1/namespaces/x/status/y",
    "/api/v1/namespaces/x/finalize",
    "/api/v1/namespaces/x/finalize/y",
    "/api/v1/namespaces/x/statuses",
    "/api/v1/namespaces/namespaces/namespaces",
    "/api/v1/namespaces/namespaces/namespaces/x",
    "/api/v1/watch",
    "/api/v1/watch/",
    "/api/v1/watch/namespaces",
    "/api/v1/watch/namespaces/shop",
    "/api/v1/watch/namespaces/shop/pods",
    "/api/v1/watch/namespaces/shop/pods/web",
    "/api/v1/watch/namespaces/shop/pods/web/status",
    "/api/v1/watch/pods?watch=0",
    "/api/v1/proxy/namespaces/shop/services/web",
    "/api/v1/proxy/nodes/n1",
    "/api/v1/proxy",
    "/api/v1/pods/proxy",
    "/api/v1/nodes/n1/proxy/metrics",
    "/api/v1/nodes/n1:10250/proxy/run/shop/web/web?cmd=id",
    "/api/v1/nodes/https:n1:10250/proxy/",
    "/api/v1/namespaces/shop/services/https:web:443/proxy/../x",
    "/api/v1/namespaces/shop/services/web/proxy//x",
    "/api/v1/namespaces/shop/services/web/proxy/a?b=%zz&b=1;2",
    "/api/v1/pods?fieldSelector=metadata.name%3Dweb",
    "/api/v1/namespaces?fieldSelector=metadata.name%3Dshop",
    "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb&watch=true",
    "/api/v1/pods?",
    "/api/v1/pods??watch=1",
    "/api/v1/pods?watch=1#",
    "/apis/apps/v1/namespaces/shop/deployments/web/scale",
    "/apis/extensions/v1beta1/namespaces/shop/deployments/web/rollback",
    "/apis/custom.example.com/v1/namespaces/shop/pods/web/exec",
    "/apis/custom.example.com/v1/status/status/status",
    "http://elsewhere.example/api/v1/pods",
    "api/v1/pods",
    "*",
];

/// All of them, each once.
pub(super) fn all() -> BTreeSet<Asked> {
    let mut all = BTreeSet::new();
    for target in STRANGE {
        for method in METHODS.iter().chain(STRANGE_METHODS) {
            all.insert((*method, (*target).to_owned()));
        }
    }
    for line in CORPUS.lines().filter(|line| !line.starts_with("# ")) {
        let (method, target) = line.split(" | ").next().unwrap().split_once(' ').unwrap();
        all.insert((method, target.to_owned()));
    }
    // Every query once where it counts most.
    for query in QUERIES {
        for place in ["/api/v1/namespaces/shop/pods", "/api/v1/namespaces/shop/pods/web"] {
            for method in METHODS {
                all.insert((*method, joined(place, query)));
            }
        }
    }
    let mut draw = Draw(0x0c0d_e51e);
    for _ in 0..DRAWN {
        let method = draw.of(METHODS);
        let parts = [PREFIXES, SPECIAL, SCOPES, RESOURCES, NAMES, BELOW].map(|from| draw.of(from));
        let path = parts.concat().replace("LONG", &"n".repeat(253));
        all.insert((method, joined(&path, draw.of(QUERIES))));
    }
    all
}

fn joined(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Numbers that look drawn and are always the same (Knuth's multiplier; the high bits are the better ones).
struct Draw(u64);

impl Draw {
    fn of(&mut self, from: &[&'static str]) -> &'static str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = usize::try_from(self.0 >> 33).unwrap() % from.len();
        from[place]
    }
}
