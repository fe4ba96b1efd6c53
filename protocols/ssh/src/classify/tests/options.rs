//! Every option that the catalogue lists, run in the sandbox: none of them writes or runs another program.

use super::{reader::Operands, *};

/// Values that options are given: a number, and a name that would be seen if something were written to it.
const VALUES: &[&str] = &["1", "made"];
/// Programs whose options must have been run; the others are not on every machine.
const LEAST_PROGRAMS: usize = 60;

/// Operands that the program takes.
fn operands(operands: Operands) -> &'static str {
    match operands {
        Operands::None
        | Operands::Format
        | Operands::Numbers(_)
        | Operands::Words(0)
        | Operands::FirstOf(_) => "",
        Operands::Words(_) | Operands::Folders | Operands::Names | Operands::Files(_) => " notes",
        Operands::Trees => " notes list",
    }
}

/// A line for every option of the program, alone.
fn lines_of(reader: &reader::Reader) -> Vec<String> {
    let reader::Uses::Listed(options, takes) = reader.uses else { return Vec::new() };
    let flags = options.flags.chars().map(|flag| format!("-{flag}"));
    let valued = options.valued.chars().flat_map(|letter| {
        VALUES
            .iter()
            .flat_map(move |value| [format!("-{letter} {value}"), format!("-{letter}{value}")])
    });
    let long = options.long.iter().flat_map(|long| {
        let values: &[&str] = if long.ends_with('=') { VALUES } else { &[""] };
        values.iter().map(move |value| format!("{long}{value}"))
    });
    let all = std::iter::once(String::new()).chain(flags).chain(valued).chain(long);
    all.map(|option| format!("{} {option}{}", reader.name, operands(takes))).collect()
}

#[test]
fn no_option_of_the_catalogue_writes_or_runs_another_program() {
    let installed = || catalogue::readers().filter(|reader| sandbox::is_installed(reader.name));
    let lines: Vec<(&str, String)> = installed()
        .flat_map(|reader| lines_of(reader).into_iter().map(|line| (reader.name, line)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let numbered = || lines.iter().enumerate();
    sandbox::run(numbered().map(|(number, (_, line))| (number, line.as_bytes())), folder.path());
    let mut wrong = Vec::new();
    for (number, (program, line)) in numbered() {
        assert_eq!(classify(line.as_bytes()).effect(), Effect::Passing, "{line}");
        let seen = sandbox::seen_of(number, folder.path());
        let others = seen.programs.iter().filter(|name| name != program);
        wrong.extend(others.map(|other| format!("{line}: runs {other}")));
        wrong.extend(seen.changes.iter().map(|change| format!("{line}: changes {change}")));
    }
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    let programs: BTreeSet<&str> = lines.iter().map(|(program, _)| *program).collect();
    assert!(programs.len() >= LEAST_PROGRAMS, "only {programs:?}");
}
