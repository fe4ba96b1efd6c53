//! Programs that tell what is in files, or what files there are.

use super::plain;
use crate::classify::{
    own::{self, NO_OPTIONS},
    reader::{
        ANY,
        Operands::{Files, Folders, Format, Names, Trees, Words},
        Options, Reader,
        Uses::{Listed, Own},
    },
};

const DIGITS_QV: &str = "0123456789qv";

pub(super) const READERS: &[Reader] = &[
    Reader { name: "base64", uses: Listed(plain("di", "w"), Files(1)) },
    Reader { name: "basename", uses: Listed(plain("az", "s"), Words(ANY)) },
    Reader { name: "cat", uses: Listed(plain("AETbenstuv", ""), Files(ANY)) },
    Reader { name: "cksum", uses: Listed(NO_OPTIONS, Files(ANY)) },
    Reader { name: "cmp", uses: Listed(plain("bls", "n"), Files(2)) },
    Reader { name: "column", uses: Listed(plain("entx", "cs"), Files(ANY)) },
    Reader { name: "comm", uses: Listed(plain("123", ""), Files(2)) },
    Reader { name: "cut", uses: Listed(CUT, Files(ANY)) },
    Reader { name: "date", uses: Listed(plain("IRu", ""), Format) },
    Reader { name: "df", uses: Listed(DF, Names) },
    Reader { name: "diff", uses: Listed(DIFF, Trees) },
    Reader { name: "dirname", uses: Listed(plain("z", ""), Words(ANY)) },
    Reader { name: "du", uses: Listed(DU, Folders) },
    Reader { name: "echo", uses: Own(own::echo) },
    Reader { name: "expand", uses: Listed(plain("i", "t"), Files(ANY)) },
    Reader { name: "file", uses: Listed(plain("Lbhi", ""), Files(ANY)) },
    Reader { name: "find", uses: Own(own::find) },
    Reader { name: "fold", uses: Listed(plain("bs", "w"), Files(ANY)) },
    Reader { name: "grep", uses: Own(own::grep) },
    Reader { name: "head", uses: Listed(HEAD, Files(ANY)) },
    Reader { name: "hexdump", uses: Listed(plain("Cbcdovx", "ns"), Files(ANY)) },
    Reader { name: "ls", uses: Listed(LS, Folders) },
    Reader { name: "md5sum", uses: Listed(plain("b", ""), Files(ANY)) },
    Reader { name: "nl", uses: Listed(plain("p", "bfhilnsvw"), Files(ANY)) },
    Reader { name: "od", uses: Listed(plain("bcdovx", "ANjt"), Files(ANY)) },
    Reader { name: "paste", uses: Listed(plain("s", "d"), Files(ANY)) },
    Reader { name: "pwd", uses: Listed(plain("LP", ""), Words(0)) },
    Reader { name: "readlink", uses: Listed(plain("efmnqsvz", ""), Names) },
    Reader { name: "realpath", uses: Listed(plain("emqsz", ""), Names) },
    Reader { name: "rev", uses: Listed(NO_OPTIONS, Files(ANY)) },
    Reader { name: "sed", uses: Own(own::sed) },
    Reader { name: "seq", uses: Listed(plain("w", "s"), Words(3)) },
    Reader { name: "sha1sum", uses: Listed(plain("b", ""), Files(ANY)) },
    Reader { name: "sha256sum", uses: Listed(plain("b", ""), Files(ANY)) },
    Reader { name: "sha512sum", uses: Listed(plain("b", ""), Files(ANY)) },
    Reader { name: "stat", uses: Listed(STAT, Names) },
    Reader { name: "tail", uses: Listed(TAIL, Files(ANY)) },
    Reader { name: "test", uses: Own(own::test) },
    Reader { name: "tr", uses: Listed(plain("Ccdst", ""), Words(2)) },
    Reader { name: "uniq", uses: Listed(plain("cdiu", "fsw"), Files(1)) },
    Reader { name: "wc", uses: Listed(plain("Lclmw", ""), Files(ANY)) },
];

const CUT: Options = Options {
    flags: "ns",
    valued: "bcdf",
    long: &["--complement", "--only-delimited", "--output-delimiter="],
};

const DF: Options =
    Options { flags: "HTahiklP", valued: "t", long: &["--human-readable", "--total"] };

const DIFF: Options = Options {
    flags: "BENabiqstuwy",
    valued: "U",
    long: &["--brief", "--ignore-all-space", "--side-by-side", "--unified="],
};

const DU: Options = Options {
    flags: "HLPachkmsx",
    valued: "d",
    long: &["--apparent-size", "--exclude=", "--human-readable", "--max-depth=", "--summarize"],
};

const HEAD: Options = Options {
    flags: DIGITS_QV,
    valued: "cn",
    long: &["--bytes=", "--lines=", "--quiet", "--verbose"],
};

const LS: Options = Options {
    flags: "1ABCFGHLNQRSUXZabcdfghiklmnopqrstuvx",
    valued: "",
    long: &[
        "--all",
        "--almost-all",
        "--color",
        "--color=",
        "--directory",
        "--full-time",
        "--group-directories-first",
        "--human-readable",
        "--inode",
        "--numeric-uid-gid",
        "--recursive",
        "--reverse",
        "--size",
        "--sort=",
        "--time-style=",
        "--time=",
    ],
};

const STAT: Options = Options {
    flags: "Lft",
    valued: "c",
    long: &["--dereference", "--file-system", "--format=", "--printf=", "--terse"],
};

const TAIL: Options = Options {
    flags: "0123456789Ffqv",
    valued: "cns",
    long: &["--bytes=", "--follow", "--lines=", "--quiet", "--retry", "--verbose"],
};
