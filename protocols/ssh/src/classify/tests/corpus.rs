//! The corpus: command lines, what they are taken for, and what they really run.
//!
//! Each line of `corpus.txt` is `CLASS | EFFECT | COMMAND LINE`. The effect is what `sandbox.rs` sees when bash runs it: the
//! programs that are executed, `changes` where files or the machine are changed or were going to be, `-` for nothing, `?`
//! where it depends on the machine, `not-run` where it cannot be tried. What is no plain text is written as `<LF>`,
//! `<U+202E>`.

use super::*;

const CORPUS: &str = include_str!("corpus.txt");

pub(super) struct Case {
    pub(super) number: usize,
    pub(super) class: Class,
    pub(super) effect: &'static str,
    pub(super) line: Vec<u8>,
}

pub(super) fn cases() -> Vec<Case> {
    let lines = CORPUS.lines().enumerate();
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("# ")).map(case).collect()
}

fn case((at, text): (usize, &'static str)) -> Case {
    let mut fields = text.splitn(3, " | ");
    let class = match fields.next().unwrap() {
        "plain" => Class::Plain,
        "unplaced" => Class::Unplaced,
        "exec" => Class::Exec,
        "opaque" => Class::Opaque,
        other => panic!("line {}: {other} is no class", at + 1),
    };
    let effect = fields.next().unwrap();
    Case { number: at + 1, class, effect, line: written(fields.next().unwrap()) }
}

fn written(text: &str) -> Vec<u8> {
    let mut line = text.to_owned();
    for (name, character) in
        [("<LF>", "\n"), ("<CR>", "\r"), ("<TAB>", "\t"), ("<NUL>", "\0"), ("<ESC>", "\x1b")]
    {
        line = line.replace(name, character);
    }
    while let Some((before, rest)) = line.split_once("<U+") {
        let (code, after) = rest.split_once('>').unwrap();
        let character = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
        line = format!("{before}{character}{after}");
    }
    line.into_bytes()
}

#[test]
fn every_line_of_the_corpus_is_taken_for_what_it_says() {
    let cases = cases();
    assert!(cases.len() >= 700, "{} lines", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let classified = classify(&case.line);
        let found = class_of(&classified);
        if found != case.class {
            let line = String::from_utf8_lossy(&case.line).into_owned();
            wrong.push(format!("{}: {line}: {found:?}, {:?}", case.number, classified.notes));
        }
        let passes = matches!(found, Class::Plain | Class::Unplaced);
        assert_eq!(classified.effect() == Effect::Passing, passes, "{}", case.number);
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_line_occurs_twice() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        assert!(seen.insert(case.line), "line {} was there before", case.number);
    }
}

fn demands(line: &str) -> Vec<String> {
    let shown = |demand: &Demand| {
        let resource = match &demand.resource {
            Resource::Target => "*".to_owned(),
            Resource::Path { path: name } | Resource::Program { name } => name.clone(),
            Resource::Relation { .. } | Resource::ApiObject { .. } | Resource::Url { .. } => {
                panic!("of another protocol")
            }
        };
        format!("{} {resource}", demand.action.name().trim_start_matches("ssh:"))
    };
    classify(line.as_bytes()).demands.iter().map(shown).collect()
}

#[test]
fn everything_that_a_line_touches_is_asked_for() {
    let check = |line: &str, expected: &[&str]| assert_eq!(demands(line), expected, "{line}");
    check("uptime", &["query uptime"]);
    check("ls", &["query ls", "list ~"]);
    check("/usr/bin/ls -l /var//log/ notes", &["query ls", "list /var/log", "list ~/notes"]);
    check("cat /var/log/*", &["query cat", "scan /var/log/*"]);
    check(
        "cat < /etc/hosts | grep -v '#' >> /tmp/out 2>&1",
        &["query cat", "query grep", "read /etc/hosts", "write /tmp/out"],
    );
    check("grep -r x /etc /opt", &["query grep", "scan /etc", "scan /opt"]);
    check(
        "diff /etc/a /etc/b",
        &["query diff", "read /etc/a", "read /etc/b", "scan /etc/a", "scan /etc/b"],
    );
    check("cat ../x", &["query cat", "read *"]);
    check("systemctl restart nginx", &["exec systemctl", "opaque *"]);
    check("/opt/x/../deploy", &["opaque *"]);
    check("/opt/x/deploy now", &["exec /opt/x/deploy"]);
    check("sudo -u app cat /etc/shadow", &["query cat", "read /etc/shadow", "exec sudo"]);
    check(
        "nice -n 5 timeout 3 sh -c 'cat /etc/hosts; rm x'",
        &["query cat", "read /etc/hosts", "exec nice", "exec rm", "exec sh", "exec timeout"],
    );
    check("ls > /dev/null", &["query ls", "list ~"]);
    check("", &["opaque *"]);
}

#[test]
fn commands_are_shown_so_that_no_two_look_alike() {
    let commands = |line: &str| classify(line.as_bytes()).commands.into_iter().collect::<Vec<_>>();
    assert_eq!(commands("rm  -rf   'a b'; ls|wc"), ["ls", "rm -rf 'a b'", "wc"]);
    assert_eq!(commands("rm a b"), ["rm a b"]);
    assert_eq!(commands("rm /tmp/*"), ["rm /tmp/*"]);
    assert_eq!(commands("rm '/tmp/*'"), ["rm '/tmp/*'"]);
    assert_eq!(commands("rm \"it's\""), [r"rm 'it'\''s'"]);
    assert_eq!(commands("sudo rm ''"), ["rm ''", "sudo rm ''"]);
    assert_eq!(commands("sh -c 'rm a'"), ["rm a", "sh -c 'rm a'"]);
}

#[test]
fn a_line_that_is_too_long_or_asks_for_too_much_is_opaque() {
    let opaque = |line: &str| class_of(&classify(line.as_bytes())) == Class::Opaque;
    assert!(opaque(&format!("cat {}", "x".repeat(MAX_TEXT_BYTES))));
    let files = |count: usize| (0..count).map(|n| format!(" f{n}")).collect::<Vec<_>>().concat();
    assert!(!opaque(&format!("cat{}", files(MAX_DEMANDS - 1))));
    assert!(opaque(&format!("cat{}", files(MAX_DEMANDS))));
    let many = |count: usize| (0..count).map(|n| format!("echo {n};")).collect::<Vec<_>>().concat();
    assert!(opaque(&many(MAX_DEMANDS + 2)));
    assert!(opaque(&format!("{}ls", "nice ".repeat(8))));
    assert!(!opaque(&format!("{}ls", "nice ".repeat(7))));
    assert_eq!(classify(&b"ls;".repeat(20_000)).demands.len(), 2);
}
