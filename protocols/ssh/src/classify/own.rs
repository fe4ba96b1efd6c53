//! Programs whose calls have a grammar of their own.

use super::{
    asked::Asked,
    reader::{ANY, NotListed, Operands, Options, files},
    word::Word,
};

type Answer = Result<(), NotListed>;

/// Options of nothing.
pub(super) const NO_OPTIONS: Options = Options { flags: "", valued: "", long: &[] };

/// `grep`: the pattern, then files; whole folders with `-r`.
pub(super) fn grep(words: &[Word], asked: &mut Asked) -> Answer {
    const OPTIONS: Options = Options {
        flags: "EFGHILPRachilnoqrsvwx",
        valued: "ABCem",
        long: &[
            "--color",
            "--color=",
            "--colour=",
            "--count",
            "--exclude-dir=",
            "--exclude=",
            "--extended-regexp",
            "--files-with-matches",
            "--fixed-strings",
            "--ignore-case",
            "--include=",
            "--invert-match",
            "--line-number",
            "--max-count=",
            "--no-filename",
            "--no-messages",
            "--only-matching",
            "--quiet",
            "--with-filename",
            "--word-regexp",
        ],
    };
    let call = OPTIONS.read(words)?;
    let mut operands = call.operands.as_slice();
    if !call.letters.contains(&'e') {
        let (pattern, rest) = operands.split_first().ok_or(NotListed::Operand)?;
        pattern.as_literal().ok_or(NotListed::Operand)?;
        operands = rest;
    }
    if !call.letters.contains(&'r') && !call.letters.contains(&'R') {
        files(operands, asked);
        return Ok(());
    }
    if operands.is_empty() {
        return Err(NotListed::Operand);
    }
    for word in operands {
        asked.scan(word);
    }
    Ok(())
}

/// `find`: where to look, then tests. No action but the ones that print.
pub(super) fn find(words: &[Word], asked: &mut Asked) -> Answer {
    const ALONE: &[&str] = &[
        "(",
        ")",
        "-a",
        "-and",
        "-daystart",
        "-empty",
        "-executable",
        "-false",
        "-ls",
        "-mount",
        "-nogroup",
        "-not",
        "-nouser",
        "-o",
        "-or",
        "-print",
        "-print0",
        "-prune",
        "-quit",
        "-readable",
        "-true",
        "-writable",
        "-xdev",
    ];
    const VALUED: &[&str] = &[
        "-amin",
        "-atime",
        "-cmin",
        "-ctime",
        "-fstype",
        "-gid",
        "-group",
        "-iname",
        "-inum",
        "-ipath",
        "-iregex",
        "-links",
        "-maxdepth",
        "-mindepth",
        "-mmin",
        "-mtime",
        "-name",
        "-path",
        "-perm",
        "-printf",
        "-regex",
        "-regextype",
        "-size",
        "-type",
        "-uid",
        "-used",
        "-user",
        "-wholename",
    ];
    let is_test = |word: &Word| word.text.starts_with('-') || word.text == "(";
    let tests = words.iter().position(is_test).unwrap_or(words.len());
    let (places, mut tests) = words.split_at_checked(tests).ok_or(NotListed::Operand)?;
    while let Some((test, rest)) = tests.split_first() {
        let text = test.as_literal().ok_or(NotListed::Operand)?;
        tests = match rest.split_first() {
            _ if ALONE.contains(&text) => rest,
            Some((value, rest)) if VALUED.contains(&text) && value.as_literal().is_some() => rest,
            Some(_) | None => return Err(NotListed::Option),
        };
    }
    Operands::Folders.ask(&places.iter().collect::<Vec<_>>(), asked)
}

/// `sed -n 5p`, `sed -n 5,9p`: the one script that is understood.
pub(super) fn sed(words: &[Word], asked: &mut Asked) -> Answer {
    let [option, script, found @ ..] = words else { return Err(NotListed::Operand) };
    if option.as_literal() != Some("-n") {
        return Err(NotListed::Option);
    }
    let lines = script.as_literal().and_then(|text| text.strip_suffix('p'));
    let line = |text: &str| {
        text == "$" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let plain = lines.is_some_and(|lines| {
        lines.split_once(',').map_or_else(|| line(lines), |(from, to)| line(from) && line(to))
    });
    let option = |word: &Word| word.text.starts_with('-') && word.text != "-";
    if !plain || found.iter().any(option) {
        return Err(NotListed::Operand);
    }
    files(&found.iter().collect::<Vec<_>>(), asked);
    Ok(())
}

/// `ip addr`, `ip -4 route show`: what is set, never setting.
pub(super) fn ip(words: &[Word], _asked: &mut Asked) -> Answer {
    const OPTIONS: &[&str] = &[
        "-4",
        "-6",
        "-br",
        "-brief",
        "-d",
        "-details",
        "-j",
        "-json",
        "-o",
        "-oneline",
        "-p",
        "-pretty",
        "-s",
        "-statistics",
    ];
    const OBJECTS: &[&str] =
        &["a", "addr", "address", "l", "link", "n", "neigh", "neighbour", "r", "route", "rule"];
    let texts: Vec<&str> = words.iter().filter_map(Word::as_literal).collect();
    if texts.len() != words.len() {
        return Err(NotListed::Operand);
    }
    let options = texts.iter().take_while(|text| OPTIONS.contains(text)).count();
    let device = |text: &str| !text.starts_with('-');
    match texts.get(options..) {
        Some([object]) if OBJECTS.contains(object) => Ok(()),
        Some([object, "show" | "list" | "ls"]) if OBJECTS.contains(object) => Ok(()),
        Some([object, "show" | "list" | "ls", "dev", name])
            if OBJECTS.contains(object) && device(name) =>
        {
            Ok(())
        }
        Some(_) | None => Err(NotListed::Operand),
    }
}

/// `systemctl --no-pager status nginx`: a pager would run whatever it is told.
pub(super) fn systemctl(words: &[Word], _asked: &mut Asked) -> Answer {
    const OPTIONS: Options = Options {
        flags: "alq",
        valued: "nopt",
        long: &[
            "--all",
            "--failed",
            "--full",
            "--lines=",
            "--no-legend",
            "--no-pager",
            "--output=",
            "--plain",
            "--property=",
            "--quiet",
            "--state=",
            "--type=",
            "--value",
        ],
    };
    const TELLS: &[&str] = &["is-active", "is-enabled", "is-failed", "is-system-running"];
    const PAGES: &[&str] =
        &["list-sockets", "list-timers", "list-unit-files", "list-units", "show", "status"];
    let call = OPTIONS.read(words)?;
    let verbs =
        if call.long.contains("--no-pager") { [TELLS, PAGES].concat() } else { TELLS.to_vec() };
    let literal = call.operands.iter().all(|word| word.as_literal().is_some());
    match call.operands.first() {
        Some(verb) if literal && verbs.contains(&verb.text.as_str()) => Ok(()),
        Some(_) | None => Err(NotListed::Operand),
    }
}

/// `journalctl --no-pager -u nginx`: likewise.
pub(super) fn journalctl(words: &[Word], _asked: &mut Asked) -> Answer {
    const OPTIONS: Options = Options {
        flags: "abfkqrx",
        valued: "SUnoptu",
        long: &[
            "--boot",
            "--dmesg",
            "--lines=",
            "--list-boots",
            "--no-hostname",
            "--no-pager",
            "--output=",
            "--priority=",
            "--quiet",
            "--reverse",
            "--since=",
            "--unit=",
            "--until=",
            "--utc",
        ],
    };
    let call = OPTIONS.read(words)?;
    if !call.long.contains("--no-pager") {
        return Err(NotListed::Option);
    }
    Operands::None.ask(&call.operands, &mut Asked::default())
}

/// `test -f FILE`: one question about one file. More of it evaluates arithmetic, which bash lets run commands.
pub(super) fn test(words: &[Word], asked: &mut Asked) -> Answer {
    match words {
        [question, file]
            if matches!(
                question.as_literal(),
                Some("-d" | "-e" | "-f" | "-h" | "-L" | "-r" | "-s" | "-w" | "-x")
            ) && file.as_literal().is_some() =>
        {
            asked.list(file);
            Ok(())
        }
        _ => Err(NotListed::Operand),
    }
}

/// Words that are said again, dashes and all.
pub(super) fn echo(words: &[Word], asked: &mut Asked) -> Answer {
    Operands::Words(ANY).ask(&words.iter().collect::<Vec<_>>(), asked)
}

/// Settings of the kernel by name; with a value they are set.
pub(super) fn sysctl(words: &[Word], _asked: &mut Asked) -> Answer {
    const OPTIONS: Options = Options { flags: "Nan", valued: "", long: &["--all", "--values"] };
    let call = OPTIONS.read(words)?;
    let name = |word: &&Word| word.as_literal().is_some_and(|text| !text.contains(['=', '/']));
    if call.operands.iter().all(name) { Ok(()) } else { Err(NotListed::Operand) }
}
