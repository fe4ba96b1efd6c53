//! Answers of the API as a node would give them.

use serde_json::{Value, json};

/// The fingerprint of [`hold`].
pub(crate) const FINGERPRINT: &str =
    "abababababababababababababababababababababababababababababababab";

/// A hold whose text tries to deceive.
pub(crate) fn hold(state: &str) -> Value {
    json!({
        "id": "hold_1",
        "state": state,
        "created_at": "2026-11-22T20:00:00.000Z",
        "expires_at": "2026-11-22T21:00:00.000Z",
        "agent": {"issuer": "https://issuer", "subject": "ci-bot", "name": "ci-bot\u{200b}", "owner": "sam", "groups": ["ci"],
            "workload": {"repository": "shop", "branch": "main\u{202e}", "job": ""}},
        "session_id": "ses_1",
        "target": "orders",
        "protocol": "postgres",
        "operation": {
            "id": "op_1",
            "text": "DELETE FROM accounts -- \u{202e}only one\u{202c}\nWHERE true;",
            "excerpt": false,
            "text_length": 47,
            "parameters": [
                {"shown": "7", "base64": "Nw==", "format": 0, "type_oid": 23},
                {"format": 1, "type_oid": 25},
            ],
            "parameter_count": 2,
            "summary": "DELETE FROM public.accounts",
            "shape": null,
            "actions": ["postgres:write"],
            "resources": ["public.accounts"],
            "context": {"search_path": "public", "transaction": "idle"},
        },
        "fingerprint": FINGERPRINT,
        "key": "abandon-ability-able-about",
        "policy_revision": 12,
        "rules": ["everything-else"],
        "reviewers": {
            "groups": ["dba"], "quorum": 2, "missing": 1, "rejection": "ends", "break_glass": "incident",
            "requirements": [{"reviewers": "dba", "quorum": 2, "approvals": 1, "escalation": null}],
        },
        "evidence": {
            "at": "2026-11-22T20:00:01.000Z",
            "plan": [{"Plan": {"Node Type": "ModifyTable", "Operation": "Delete", "Filter": "note = '\u{202e}'"}}],
            "returned_rows": 0,
            "affected_rows": 300,
            "changes": [{"what": "Delete on accounts", "rows": 300}],
            "transaction": {
                "session_id": "0199-session", "waiting": false,
                "age_ms": 61_500,
                "locks": ["RowExclusiveLock on public.accounts\u{200b}"],
                "locks_left_out": 2,
            },
        },
        "previous": [{
            "id": "hold_0", "state": "consumed", "created_at": "2026-11-21T20:00:00.000Z", "policy_revision": 11,
            "decisions": [{
                "reviewer": {"issuer": "https://issuer", "subject": "ina", "name": "ina\u{200b}"},
                "decision": "break_glass", "for_seconds": 0, "comment": "the site\u{1b} is down",
                "at": "2026-11-21T20:01:00.000Z", "node": 2,
            }],
        }],
        "reason_required": true,
        "grantable_seconds": null,
        "decisions": [{
            "reviewer": {"issuer": "https://issuer", "subject": "dana", "name": "dana"},
            "decision": "approve", "for_seconds": 0, "comment": "looks\u{1b}[31m fine", "at": "2026-11-22T20:01:00.000Z", "node": 3,
        }],
        "waiting": true,
        "node": 1,
    })
}

/// A cluster of three nodes, with a quorum, or without when it tolerates nothing.
pub(crate) fn cluster(tolerates: u32) -> Value {
    let quorum = tolerates > 0;
    let node = |id: u64, role: &str, healthy: bool| {
        json!({
            "id": id, "address": format!("127.0.0.1:740{id}"), "api": format!("https://127.0.0.1:744{id}"),
            "role": role, "voter": true, "healthy": healthy, "last_applied": 40 + id, "lag": 3 - id, "version": "0.1.0",
            "incarnation": id,
        })
    };
    let (leader, verdict) = if quorum {
        (json!(3), "tolerates 1 more failure")
    } else {
        (json!(null), "no quorum: 1 of 3 nodes answers")
    };
    json!({
        "cluster_id": "c", "name": "dev", "node": 1, "leader": leader, "term": 4, "committed_index": 43,
        "applied_index": 43, "log_time": "2026-11-22T20:00:00.000Z", "policy_revision": 12,
        "nodes": [node(1, "follower", true), node(2, "follower", quorum), node(3, if quorum {"leader"} else {"unknown"}, quorum)],
        "tolerates": tolerates, "quorum": quorum, "verdict": verdict,
    })
}

/// What a dry run says of a changed policy and a new target.
pub(crate) fn applied() -> Value {
    let (before, after) = ("permit(principal);\n// end\n", "permit(principal, action);\n// end\n");
    json!({
        "dry_run": true,
        "results": [
            {"kind": "Policy", "name": "sample", "action": "changed", "before": {"cedar": before}, "after": {"cedar": after},
             "changes": [{"pointer": "/cedar", "before": before, "after": after}]},
            {"kind": "Target", "name": "orders", "action": "created", "after": {"postgres": {"address": "a:1"}},
             "changes": [{"pointer": "", "after": {"postgres": {"address": "a:1"}}}]},
            {"kind": "Binding", "name": "admins", "action": "unchanged", "changes": []},
        ],
        "warnings": ["no policy names target orders"],
    })
}
