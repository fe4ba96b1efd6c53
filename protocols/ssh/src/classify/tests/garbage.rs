//! Any bytes: never a panic, and never taken for a plain read unless every word of it is one that was meant.

use super::*;
use proptest::prelude::*;

/// Pieces that lines are made of, harmless and not.
fn piece() -> impl Strategy<Value = String> {
    let words = vec![
        "ls",
        "cat",
        "grep",
        "find",
        "touch",
        "rm",
        "sh",
        "-c",
        "-n",
        "-exec",
        "--",
        "sudo",
        "env",
        "notes",
        "/etc/passwd",
        "/var/log/*",
        "*",
        "..",
        "x=1",
        "if",
        "then",
        "{",
        "}",
        "(",
        ")",
        "$(",
        "`",
        "$x",
        "'",
        "\"",
        "\\",
        ";",
        "&",
        "&&",
        "||",
        "|",
        ">",
        ">>",
        "<",
        "<<",
        "2>&1",
        ">&",
        "!",
        "#",
        "~",
        "[",
        "]",
        "\n",
        "\r",
        "\0",
        " ",
        " ",
        " ",
        "\t",
        "=",
        "%",
        "@",
        "^",
        "é",
        "\u{202e}",
        "-",
        "2",
        "/dev/null",
        "/dev/tcp/h/1",
        "sed",
        "w",
        "p",
    ];
    prop_oneof![6 => proptest::sample::select(words).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

fn reader_names() -> Vec<&'static str> {
    catalogue::readers().map(|reader| reader.name).collect()
}

/// Programs whose grammar is more than a list of options.
const OWN_GRAMMAR: &[&str] =
    &["echo", "find", "grep", "ip", "journalctl", "sed", "sysctl", "systemctl", "test"];

/// Whether every letter of the option, or the long option, is on the program's list.
fn lists(program: &str, option: &str) -> bool {
    let reader = catalogue::readers().find(|reader| reader.name == program).unwrap();
    let reader::Uses::Listed(options, _) = reader.uses else {
        panic!("{program}: its own grammar")
    };
    if option.starts_with("--") {
        return options.long.contains(&option.split_inclusive('=').next().unwrap());
    }
    let first_valued = option.find(|c| options.valued.contains(c)).unwrap_or(option.len());
    option[1..first_valued].chars().all(|letter| options.flags.contains(letter))
}

/// Characters outside of quotations that a plain read can have.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./:,+@%=-*? \t\n;|&<>".contains(&byte)
}

/// The line without what stands in quotations.
fn unquoted(line: &str) -> String {
    let mut rest = line;
    let mut out = String::new();
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = rest[at..].chars().next().unwrap();
        out.push_str(&rest[..at]);
        rest = rest[at + 1..].split_once(quote).map_or("", |(_, rest)| rest);
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_classified(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let classified = classify(&line);
        prop_assert!(!classified.demands.is_empty());
        prop_assert!(class_of(&classified) != Class::Plain || line.is_ascii());
    }

    #[test]
    fn what_passes_has_nothing_in_it_that_a_shell_replaces(pieces in proptest::collection::vec(piece(), 1..12)) {
        let line = pieces.concat();
        let classified = classify(line.as_bytes());
        if classified.effect() == Effect::Passing {
            prop_assert!(unquoted(&line).bytes().all(is_plain), "{line:?}");
            let readers = reader_names();
            let programs = programs(&classified);
            prop_assert!(!programs.is_empty(), "{line:?}");
            prop_assert!(programs.iter().all(|name| readers.contains(&name.as_str())), "{line:?}");
        }
    }

    #[test]
    fn a_write_beside_reads_is_never_lost(
        before in proptest::sample::select(vec!["ls", "cat notes", "uptime", "grep -r x logs", "sed -n 2p notes"]),
        joined in proptest::sample::select(vec![";", "&&", "||", "|", "\n", " ; ", " && "]),
        act in proptest::sample::select(vec!["touch made", "echo x > made", "rm notes", "find . -delete", "sort -o made list"]),
        swapped in any::<bool>(),
    ) {
        let line = if swapped { format!("{act}{joined}{before}") } else { format!("{before}{joined}{act}") };
        prop_assert_eq!(classify(line.as_bytes()).effect(), Effect::Lasting, "{}", line);
    }

    #[test]
    fn an_option_that_is_not_listed_makes_no_plain_read(
        program in proptest::sample::select(reader_names()),
        option in "-[a-zA-Z0-9]{1,3}|--[a-z]{1,12}(-[a-z]{1,8})?(=[a-z]{1,4})?",
    ) {
        let classified = classify(format!("{program} {option} x").as_bytes());
        let listed = classified.effect() == Effect::Passing;
        prop_assert!(!listed || OWN_GRAMMAR.contains(&program) || lists(program, &option), "{program} {option}");
    }
}

/// A quadratic reading of these would outlast what a test may take.
#[test]
fn long_lines_are_read_in_no_time_and_without_recursion() {
    for piece in ["ls;", "'a'", "a ", "((((", "if ", "\n", "ls|", "\"a\" ", "sh -c ", "nice "] {
        let line = piece.repeat(MAX_TEXT_BYTES / piece.len());
        assert!(!classify(line.as_bytes()).demands.is_empty());
    }
}
