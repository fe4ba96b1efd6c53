//! Which rule covers what, for whom, and which of several wins.

use super::*;

const LAST4: MaskKind = MaskKind::Partial { first: 0, last: 4 };

#[test]
fn patterns_of_columns_name_what_they_say() {
    let cases = [
        ("public.users.email", "public.users.email", true),
        ("public.users.email", "public.users.mail", false),
        ("*.*.email", "any.thing.email", true),
        ("*.users.*", "public.users.x", true),
        ("*.users.*", "public.orders.x", false),
        ("Public.USERS.Email", "public.users.email", true),
        ("public.users.email", "public.Users.EMAIL", true),
        ("public.\"Users\".email", "public.Users.email", true),
        ("public.\"Users\".email", "public.users.email", false),
        ("straße.*.*", "STRASSE.a.b", false),
        ("größe.*.*", "GRÖSSE.a.b", false),
        ("größe.*.*", "Größe.a.b", true),
    ];
    for (pattern, name, expected) in cases {
        let pattern: ColumnPattern = pattern.parse().unwrap();
        assert_eq!(pattern.names(&column(name)), expected, "{pattern:?} {name}");
    }
    let dotted: ColumnPattern = "\"a.b\".\"say \"\"x\"\"\".c".parse().unwrap();
    assert!(dotted.names(&ColumnName::new("a.b", "say \"x\"", "c")));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for wrong in [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        "a..c",
        ".b.c",
        "a.b.",
        "a.b*.c",
        "a b.c.d",
        "\"a.b.c",
        "\"\".b.c",
        "\"a\"x.b.c",
    ] {
        assert!(wrong.parse::<ColumnPattern>().is_err(), "{wrong}");
    }
}

#[test]
fn a_rule_covers_its_targets_and_spares_its_groups() {
    let mut one = rule("r", MaskKind::Redact).columns(&["*.*.email"]);
    one.targets = MaskTargets::Named([TargetName::parse("orders").unwrap()].into());
    one.unless_groups = ["dba".to_owned()].into();
    let rules = rules(&[one]);
    let covers = |target: &str, groups: &[&str]| {
        rules.plan(&session(target, groups)).covers(&column("a.b.email"))
    };
    assert!(covers("orders", &["ci"]));
    assert!(covers("orders", &[]));
    assert!(!covers("stock", &["ci"]));
    assert!(!covers("orders", &["ci", "dba"]));
    // Of what the agent sees there is a recording, for others.
    for (groups, spares) in [(&["dba"][..], true), (&["ci"], false)] {
        let plan = rules.plan(&session("orders", groups));
        assert_eq!(
            (plan.spares(), plan.of_recording().covers(&column("a.b.email"))),
            (spares, true)
        );
    }
    assert!(!rules.plan(&session("stock", &["dba"])).spares());
    assert!(rules.plan(&session("stock", &[])).covers_nothing());
}

#[test]
fn the_strictest_rule_wins_whatever_the_order() {
    let kinds = [LAST4, MaskKind::Fake, MaskKind::Hash, MaskKind::Redact, MaskKind::Null];
    for (place, one) in kinds.iter().enumerate() {
        for (other_place, other) in kinds.iter().enumerate() {
            let plan =
                plan(&[rule("a", *one).columns(&["s.t.c"]), rule("b", *other).columns(&["*.*.c"])]);
            let winner = plan.column(&column("s.t.c")).whole().unwrap();
            assert_eq!(winner, kinds[place.max(other_place)]);
        }
    }
}

#[test]
fn of_two_partial_rules_only_what_both_keep_is_kept() {
    let plan = plan(&[
        rule("a", MaskKind::Partial { first: 4, last: 0 }).columns(&["s.t.c"]),
        rule("b", MaskKind::Partial { first: 2, last: 3 }).columns(&["s.t.c"]),
    ]);
    let mut mask = plan.column(&column("s.t.c"));
    assert_eq!(shown(&mut mask, "abcdefgh").unwrap(), "ab******");
}

#[test]
fn a_stricter_finding_in_a_covered_value_covers_all_of_it() {
    let plan = plan(&[
        rule("a", LAST4).columns(&["s.t.c"]),
        rule("b", MaskKind::Redact).detectors(&[Detector::Email]),
    ]);
    let mut mask = plan.column(&column("s.t.c"));
    assert_eq!(shown(&mut mask, "4111111111111111").unwrap(), "************1111");
    assert_eq!(shown(&mut mask, "mail ada@example.com!").unwrap(), REDACTED);
    let mut tally = MaskTally::default();
    mask.add_to(&mut tally);
    assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", "s.t.c", 1), ("b", "s.t.c", 1)]);
}

#[test]
fn findings_that_overlap_are_one_under_the_strictest_rule() {
    let plan = plan(&[
        rule("a", LAST4).pattern("[a-z]+@example"),
        rule("b", MaskKind::Redact).detectors(&[Detector::Email]),
    ]);
    let mut mask = plan.text(MaskPlace::Message);
    assert_eq!(shown(&mut mask, "to ada@example.com.").unwrap(), "to [redacted].");
}

#[test]
fn what_is_computed_shows_neither_parts_nor_shape() {
    let plan = plan(&[
        rule("part", LAST4).columns(&["s.t.part"]),
        rule("fake", MaskKind::Fake).columns(&["s.t.fake"]),
        rule("hash", MaskKind::Hash).columns(&["s.t.hash"]),
        rule("null", MaskKind::Null).columns(&["s.t.null"]),
    ]);
    let of = |names: &[&str]| {
        let columns: Vec<_> = names.iter().map(|name| column(&format!("s.t.{name}"))).collect();
        plan.computed(&columns, MaskPlace::Position(1)).whole()
    };
    assert_eq!(of(&["part"]), Some(MaskKind::Redact));
    assert_eq!(of(&["fake"]), Some(MaskKind::Redact));
    assert_eq!(of(&["hash"]), Some(MaskKind::Redact));
    assert_eq!(of(&["part", "null"]), Some(MaskKind::Null));
    assert_eq!(of(&["other"]), None);
    assert_eq!(of(&[]), None);
    assert_eq!(plan.anything(MaskPlace::Position(1)).whole(), Some(MaskKind::Null));
    let names = [column("s.t.other"), column("s.t.part")];
    assert_eq!(plan.columns(&names).whole(), Some(LAST4));
}

#[test]
fn what_may_be_anything_is_redacted_as_soon_as_a_column_is_covered() {
    let place = || MaskPlace::Position(1);
    let hashed = plan(&[rule("r", MaskKind::Hash).columns(&["s.t.c"])]);
    assert!(hashed.covers_columns());
    assert_eq!(hashed.anything(place()).whole(), Some(MaskKind::Redact));
    let detected = plan(&[rule("r", MaskKind::Hash).detectors(&[Detector::Email])]);
    assert!(!detected.covers_columns());
    assert_eq!(detected.anything(place()).whole(), None);
    assert!(!detected.anything(place()).is_clear());
}

#[test]
fn bytes_pass_unread_only_where_nothing_is_covered() {
    let nothing = MaskRules::none(Revision(1)).plan(&session("orders", &[]));
    assert_eq!(nothing.pass("x").unwrap().into_inner(), "x");
    assert!(nothing.column(&column("s.t.c")).is_clear());
    let something = plan(&[rule("r", MaskKind::Redact).columns(&["s.t.c"])]);
    assert_eq!(something.pass("x"), Err(MaskError::Covered));
    assert!(something.column(&column("s.t.other")).is_clear());
}

#[test]
fn a_rule_that_cannot_be_used_says_all_that_is_wrong() {
    let faults = |rule: MaskRule| -> Vec<String> {
        rule.compile().unwrap_err().iter().map(ToString::to_string).collect()
    };
    let found = faults(rule("r", MaskKind::Redact));
    assert!(found[0].starts_with("r: the rule covers nothing"), "{found:?}");
    let mut wrong = rule("r", MaskKind::Partial { first: 99, last: 0 })
        .pattern("(unclosed")
        .pattern("x*")
        .pattern("\\w{1000}{1000}");
    wrong.targets = MaskTargets::Named(BTreeSet::new());
    let found = faults(wrong);
    let places: Vec<_> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "r/targets",
            "r/mask/partial",
            "r/patterns/0/regex",
            "r/patterns/1/regex",
            "r/patterns/2/regex"
        ],
        "{found:#?}"
    );
    assert!(found[2].contains("unclosed group"), "{}", found[2]);
    assert!(found[3].contains("empty text"), "{}", found[3]);
    let all = MaskRules::compile(&key(), Revision(1), vec![rule("r", MaskKind::Redact)]);
    assert!(all.is_err(), "nothing is half compiled");
}
