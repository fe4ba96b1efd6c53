//! Reads what EXPLAIN says in JSON: the document, and the rows that are expected to be changed and returned.

use crate::upstream::OwnRow;
use countersign_core::evidence::{
    EstimatedChange, Estimates, MAX_LINE, MAX_LISTED, MAX_PLAN, Plan,
};
use serde_json::Value;

/// The plan of the rows of an EXPLAIN.
pub(super) fn read(rows: &[OwnRow]) -> (Plan, Option<Estimates>) {
    let text = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    let document: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let Some(document) = document else {
        return (Plan::Absent("the target's plan could not be read".to_owned()), None);
    };
    let estimates = document.pointer("/0/Plan").map(estimates);
    // Without the white space that the target puts in.
    let text = document.to_string();
    if text.len() > MAX_PLAN {
        let reason =
            format!("the plan has {} bytes, more than the {MAX_PLAN} that are kept", text.len());
        return (Plan::Absent(reason), estimates);
    }
    (Plan::Known(text), estimates)
}

fn estimates(top: &Value) -> Estimates {
    let mut changed = Vec::new();
    collect(top, &mut changed);
    Estimates { returned: rows(top), changed }
}

/// Every node that changes rows, wherever it stands in the plan.
fn collect(node: &Value, changed: &mut Vec<EstimatedChange>) {
    let below = node.get("Plans").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if text(node, "Node Type") == "ModifyTable" && changed.len() < MAX_LISTED {
        // The node itself returns rows only where RETURNING asks for them; those it changes come from below.
        let source = below
            .iter()
            .filter(|one| matches!(text(one, "Parent Relationship"), "Outer" | "Member"));
        let mut what = format!("{} on {}", text(node, "Operation"), text(node, "Relation Name"));
        what.truncate(what.floor_char_boundary(MAX_LINE));
        changed.push(EstimatedChange { what, rows: source.map(rows).fold(0, u64::saturating_add) });
    }
    for one in below {
        collect(one, changed);
    }
}

fn text<'a>(node: &'a Value, field: &str) -> &'a str {
    node.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn rows(node: &Value) -> u64 {
    node.get("Plan Rows").and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Plan, Option<Estimates>) {
        read(&[vec![Some(text.to_owned())]])
    }

    #[test]
    fn the_rows_of_a_change_are_those_that_come_from_below_it() {
        let (plan, estimates) = of(
            r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Update",
            "Relation Name": "accounts", "Plan Rows": 0, "Plans": [
              {"Node Type": "ModifyTable", "Operation": "Delete", "Relation Name": "orders", "Plan Rows": 4,
               "Parent Relationship": "InitPlan", "Plans": [
                 {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 4}]},
              {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 300},
              {"Node Type": "Result", "Parent Relationship": "SubPlan", "Plan Rows": 9}]}}]"#,
        );
        let estimates = estimates.unwrap();
        let changed: Vec<_> =
            estimates.changed.iter().map(|one| (one.what.as_str(), one.rows)).collect();
        assert_eq!(changed, [("Update on accounts", 300), ("Delete on orders", 4)]);
        assert_eq!(estimates.returned, 0);
        assert!(matches!(plan, Plan::Known(text) if text.starts_with("[{\"Plan\":{")));
    }

    #[test]
    fn what_is_no_plan_is_none_and_what_is_too_long_is_left_out() {
        for text in ["", "no json", "[[[["] {
            assert!(matches!(of(text), (Plan::Absent(_), None)), "{text}");
        }
        assert!(matches!(of("[]"), (Plan::Known(_), None)));
        let filter = "x".repeat(MAX_PLAN);
        let long = format!(
            r#"[{{"Plan": {{"Node Type": "Seq Scan", "Plan Rows": 7, "Filter": "{filter}"}}}}]"#
        );
        let (plan, estimates) = of(&long);
        assert!(matches!(plan, Plan::Absent(reason) if reason.contains("bytes")));
        assert_eq!(estimates.unwrap().returned, 7);
    }
}
