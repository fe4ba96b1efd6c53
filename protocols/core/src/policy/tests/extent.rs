//! What a hostile policy or operation can cost: texts are read within the stack of a working thread, and judgements stop.

use super::{
    super::{
        Asked, Finding, MAX_NESTING, MAX_OPERATORS, MAX_POLICY_BYTES, MAX_RULE_BYTES, Matter, Who,
        find,
    },
    *,
};
use std::{fmt::Write, thread};

/// The stack of the threads that blocking work is done on.
const STACK: usize = 2 * 1024 * 1024;

/// Compiles on a thread with a stack such as the nodes' have.
fn compiled(text: String) -> Result<Policies, Vec<PolicyProblem>> {
    let compile = move || Policies::compile(&documents(&text));
    thread::Builder::new().stack_size(STACK).spawn(compile).unwrap().join().unwrap()
}

fn when(condition: &str) -> String {
    format!("permit(principal, action, resource) when {{ {condition} }};")
}

fn nested(levels: usize) -> [String; 4] {
    let brackets = format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    let signs = format!("{}true", "!(".repeat(levels)) + &")".repeat(levels);
    let ifs = format!("{}false{}", "if true then false else ".repeat(levels), "");
    let sets = format!("{}1{} == []", "[".repeat(levels), "]".repeat(levels));
    [brackets, signs, ifs, sets].map(|condition| when(&condition))
}

#[test]
fn the_deepest_rule_that_is_taken_is_read_within_the_stack() {
    for text in nested(MAX_NESTING / 2 - 2) {
        // Strict typing may refuse it; what counts is that it is read to the end.
        drop(compiled(text));
    }
    let brackets = MAX_NESTING - 2;
    compiled(when(&format!("{}true{}", "(".repeat(brackets), ")".repeat(brackets)))).unwrap();
    for (chained, operators) in [("&&", 2), ("||", 2)] {
        let terms = (MAX_OPERATORS - 4) / (operators + 3);
        let chain = vec!["context.role == \"x\""; terms].join(chained);
        let policies = compiled(when(&chain)).unwrap_or_else(|found| panic!("{found:#?}"));
        let judged = move || {
            let session = session("bot", &[], "orders");
            judge(&policies, &session, &[on(Action::PostgresRead, Resource::Target)])
        };
        let judged = thread::Builder::new().stack_size(STACK).spawn(judged).unwrap();
        drop(judged.join().unwrap());
    }
}

#[test]
fn the_longest_chain_that_is_taken_is_validated_to_its_end() {
    // Cedar stops validating where its stack ends, and says nothing about it. The first term is the deepest.
    let terms = (MAX_OPERATORS - 8) / 3;
    let attributes = format!("context{} == 1", "[\"nothing\"]".repeat(MAX_OPERATORS - 8));
    let terms = when(&format!("context.nothing{}", " || true".repeat(terms)));
    let clauses = "permit(principal, action, resource) when { context.nothing }".to_owned()
        + &" when { true }".repeat(MAX_OPERATORS - 8)
        + ";";
    for text in [when(&attributes), terms, clauses] {
        let found = compiled(text).expect_err("it asks for what does not exist");
        assert!(found[0].message.contains("nothing"), "{}", found[0]);
    }
}

#[test]
fn what_is_nested_deeper_is_refused_unread_with_its_place_and_what_to_do() {
    for levels in [MAX_NESTING, 1_000, 10_000] {
        for text in nested(levels) {
            let found = compiled(text).unwrap_err();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].line, 1);
            assert!(found[0].column > 40, "{}", found[0]);
            assert!(found[0].help.as_ref().unwrap().contains("split it"), "{}", found[0]);
        }
    }
    for chained in ["&&", "||", "+", "."] {
        let found = compiled(when(&vec!["context"; 20_000].join(chained))).unwrap_err();
        assert!(found[0].message.contains("operators") || found[0].message.contains("bytes"));
    }
    let long = when(&format!("context.role == \"{}\"", "x".repeat(MAX_RULE_BYTES)));
    assert!(compiled(long).unwrap_err()[0].message.contains("longer than"));
}

#[test]
fn policies_that_are_too_long_together_are_refused_unread() {
    let half = format!("// {}\n", "x".repeat(MAX_POLICY_BYTES / 2));
    let document = |name: &str| PolicyDocument { name: name.to_owned(), text: half.clone() };
    let found = Policies::compile(&[document("one"), document("two")]).unwrap_err();
    assert_eq!((found.len(), found[0].document.as_str()), (1, "two"));
}

/// The costliest policies that are taken: as many rules as possible, each asked about everything.
fn costliest() -> Policies {
    let pattern = "*a".repeat(200);
    let text = (0..1_000).fold(String::new(), |mut text, n| {
        writeln!(
            text,
            "permit(principal, action, resource) when {{ principal.name like \"{pattern}{n}\" || context.role == \"app\" }};"
        )
        .unwrap();
        text
    });
    compile(&text)
}

fn matter(tables: usize, name: &str) -> Matter {
    let plain = session(name, &["ci"], "orders");
    let demands: Vec<_> = (0..tables)
        .map(|n| on(Action::PostgresRead, relation("public", &format!("t{n}"))))
        .collect();
    let asked = Asked::of(&operation(&plain, &demands, (Effect::Passing, Transaction::None)));
    Matter::new(Who::of(&plain), asked)
}

#[test]
fn an_operation_that_would_take_too_long_to_judge_is_denied() {
    let policies = costliest();
    let refused = |matter| match find(&policies, matter) {
        Finding::Deny(reason) => reason.message.contains("too much at once"),
        Finding::Allow { .. } | Finding::Hold(_) => false,
    };
    assert!(refused(matter(1, &"a".repeat(8_000))));
    assert!(refused(matter(100_000, "bot")));
    // What people do is far from that.
    assert!(!refused(matter(5, "bot")));
}
