//! Tests of the text form.

use proptest::prelude::*;

use super::super::testing::{GRAMMARS, assert_canonical, grammar_of, named_program, program};
use super::super::{FAIL_PERSISTENT, Header, MAX_OPS};
use super::*;

const EXAMPLE: &str = "\
# ifscrub 1
kernel dragonfly-2007
ncpus 2
stop kernel
defects c1-ifinit-serializer in-control-unserialized
SIOCSIFADDR gif0 10.0.0.1  preempt in_ifinit:lwkt_serialize_enter#1 for 1
SIOCAIFADDR em0 10.0.0.1 mask /24 dst 10.0.1.1  fail rtrequest1:R_Malloc#2..
shutdown
advance 50ms  preempt @9 for 1 fail @2
connect tcp1  fail @3..
";

fn read(text: &str) -> Program {
    parse(&GRAMMARS, text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The error of a program whose third and later lines are `lines`.
fn error(lines: &str) -> String {
    let text = format!("# ifscrub 1\nkernel dragonfly-2007\n{lines}");
    parse(&GRAMMARS, &text).expect_err(&text).to_string()
}

fn assert_error(lines: &str, place: &str, words: &[&str]) {
    let message = error(lines);
    assert!(message.starts_with(place), "{lines:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{lines:?}: {message}");
    }
}

#[test]
fn the_example_says_what_it_shows() {
    let p = read(EXAMPLE);
    assert_eq!((p.header.kernel, p.header.ncpus, p.header.stop), (3, 2, Stop::Kernel));
    assert_eq!(p.header.defects.as_ref().map(Vec::len), Some(2));
    assert_eq!(p.ops.len(), 5);
    assert_eq!((p.ops[0].args, p.ops[0].preempt_for), ([1, 0, 0, 0], 1));
    assert_eq!(p.ops[1].args, [0, 0, 1, 2]);
    assert_eq!((p.ops[3].preempt_at, p.ops[3].fail), (9, 2));
    assert_eq!(p.ops[4].fail, 3 | FAIL_PERSISTENT);
    assert_eq!(p.named.len(), 2);
    let fail = PointKind::Fail { persistent: true };
    let name = "rtrequest1:R_Malloc".to_string();
    assert_eq!(p.named[1], NamedPoint { op: 1, kind: fail, name, occurrence: 2 });
    assert_eq!(print(GRAMMARS[0], &p), EXAMPLE);
}

#[test]
fn comments_blanks_and_order_do_not_matter() {
    let free = "# ifscrub 1\r\n\n# a comment\n\tstop kernel # why\r\n ncpus 2\n\
        defects c1-ifinit-serializer \tin-control-unserialized\nkernel dragonfly-2007\n\
        SIOCSIFADDR gif0 10.0.0.1 preempt in_ifinit:lwkt_serialize_enter for 1\n#\n\
        SIOCAIFADDR em0 dst 10.0.1.1 10.0.0.1 mask /24 fail rtrequest1:R_Malloc#2..\n\
        shutdown#1\n";
    let free = free.replace("shutdown#1", "shutdown #1");
    let free = free + "advance 50ms fail @2 preempt @9 for 1\nconnect tcp1 to 10.0.0.1 fail @3..";
    assert_eq!(read(&free), read(EXAMPLE));
}

#[test]
fn names_given_in_the_other_order_are_stored_alike() {
    let head = "# ifscrub 1\nkernel dragonfly-2007\nsend tcp0 ";
    let a = read(&format!("{head} preempt a:b#2 for 3 fail c"));
    assert_eq!(read(&format!("{head} fail c#1 preempt a:b#2 for 3")), a);
    assert_eq!((a.named[0].name.as_str(), a.named[1].name.as_str()), ("a:b", "c"));
    assert_eq!(read(&format!("{head} fail c..")).named[0].occurrence, 1);
}

#[test]
fn the_header_has_defaults() {
    let p = read("# ifscrub 1\nkernel freebsd-14");
    let header = Header::new(7);
    assert_eq!(p.header, header);
    assert_eq!(print(GRAMMARS[1], &p), "# ifscrub 1\nkernel freebsd-14\nncpus 1\n");
    let none = read("# ifscrub 1\nkernel freebsd-14\ndefects none\n");
    assert_eq!(none.header.defects, Some(Vec::new()));
    assert!(print(GRAMMARS[1], &none).contains("\ndefects none\n"));
}

#[test]
fn the_first_line_must_say_what_it_is() {
    let say = |text: &str| parse(&GRAMMARS, text).unwrap_err().to_string();
    assert_eq!(
        say(""),
        "line 1, column 1: expected `# ifscrub 1` as the first line, found the end of the line"
    );
    assert!(say("kernel freebsd-14").contains("first line, found `kernel freebsd-14`"));
    assert!(say("# ifscrubs 1").contains("as the first line"));
    assert!(say("# ifscrub 2\n").contains("column 11: expected format version 1, found `2`"));
    assert!(say("# ifscrub").contains("expected format version 1, found the end"));
    assert!(say("# ifscrub 1 x").contains("column 13: expected the end of the line, found `x`"));
}

#[test]
fn bad_header_lines_say_why() {
    let say = |text: &str| parse(&GRAMMARS, text).unwrap_err().to_string();
    let unknown = say("# ifscrub 1\nkernel freebsd-15\n");
    assert_eq!(
        unknown,
        "line 2, column 8: expected a kernel (`dragonfly-2007` or `freebsd-14`), \
         found `freebsd-15`\nhelp: did you mean `freebsd-14`?"
    );
    assert!(say("# ifscrub 1\nkernel").contains("expected a kernel"));
    assert!(say("# ifscrub 1\nshutdown").contains("expected a `kernel` line, found an operation"));
    assert!(say("# ifscrub 1\n").starts_with("line 2, column 1: expected a `kernel` line"));
    let early = say("# ifscrub 1\nncpus 5\nkernel dragonfly-2007\n");
    assert!(early.starts_with("line 2, column 7: expected 1 to 4 CPUs"), "{early}");
    assert_error("ncpus 0", "line 3, column 7", &["a number of CPUs", "`0`"]);
    assert_error("ncpus +1", "line 3, column 7", &["a number of CPUs"]);
    assert_error("ncpus 2 3", "line 3, column 9", &["the end of the line, found `3`"]);
    assert_error("stop book", "line 3, column 6", &["`books` or `kernel`", "mean `books`"]);
    assert_error("defects", "line 3, column 8", &["names of defects, or `none`"]);
    assert_error("defects none x", "line 3, column 14", &["the end of the line"]);
    assert_error("defects a none", "line 3, column 11", &["the name of a defect"]);
    assert_error("defects a!", "line 3, column 9", &["the name of a defect"]);
    assert_error("kernel freebsd-14", "line 3, column 1", &["one `kernel` line"]);
    assert_error("ncpus 1\nncpus 1", "line 4, column 1", &["one `ncpus` line"]);
    assert_error("shutdown\nncpus 1", "line 4, column 1", &["after the first operation"]);
    assert_error("ncpu 1", "line 3, column 1", &["did you mean `ncpus`?"]);
}

#[test]
fn bad_operations_say_why() {
    assert_error("siocsifadr em0", "line 3, column 1", &["a verb of", "mean `SIOCSIFADDR`?"]);
    let all = ["help: the verbs of `dragonfly-2007` are SIOCSIFADDR, ", ", shutdown"];
    assert_error("frobnicate em0", "line 3, column 1", &all);
    let missing = ["expected `10.0.0.1`, `10.0.0.2`", "found the end of the line"];
    assert_error("SIOCSIFADDR em0", "line 3, column 16", &missing);
    assert_error("SIOCSIFADDR em0 fail @1", "line 3, column 17", &["found `fail`"]);
    assert_error("SIOCSIFADDR emo 10.0.0.1", "line 3, column 13", &["mean `em0`?"]);
    assert_error("SIOCSIFADDR gif9 10.0.0.1", "line 3, column 13", &["`gif9`, which is out of"]);
    assert_error("connect tcp0 to", "line 3, column 16", &["`10.0.0.1`", "end of the line"]);
    assert_error("send tcp0 tcp1", "line 3, column 11", &["`preempt`, `fail` or the end"]);
    assert_error("connect tcp0 ot 10.0.0.1", "line 3, column 14", &["`to`, `preempt`, `fail` or"]);
    assert_error("send tcp0 fial @1", "line 3, column 11", &["did you mean `fail`?"]);
    assert_error("send tcp0 fail @1 x", "line 3, column 19", &["expected `preempt`, `fail`"]);
    assert_error("connect tcp0 to 10.0.0.1 to 10.0.0.1", "line 3, column 26", &["one `to`"]);
    assert_error("send tcp0 fail @1 fail @1", "line 3, column 19", &["one `fail`"]);
    let many = "shutdown\n".repeat(MAX_OPS);
    assert_eq!(read(&format!("# ifscrub 1\nkernel dragonfly-2007\n{many}")).ops.len(), MAX_OPS);
    assert_error(&format!("{many}shutdown"), "line 67, column 1", &["at most 64 operations"]);
}

#[test]
fn bad_points_say_why() {
    let at = "line 3, column 19";
    assert_error("send tcp0 preempt", "line 3, column 18", &["after `preempt`"]);
    assert_error("send tcp0 preempt @0 for 1", at, &["@1 to @63", "`@0`"]);
    assert_error("send tcp0 preempt @64 for 1", at, &["@1 to @63"]);
    assert_error("send tcp0 preempt @99999999999 for 1", at, &["@1 to @63"]);
    assert_error("send tcp0 preempt a:b#0 for 1", at, &["#1 to #255", "`a:b#0`"]);
    assert_error("send tcp0 preempt a:b#256 for 1", at, &["#1 to #255"]);
    assert_error("send tcp0 preempt a:b# for 1", at, &["#1 to #255"]);
    assert_error("send tcp0 preempt a!b for 1", at, &["a name"]);
    assert_error("send tcp0 preempt @1", "line 3, column 21", &["`for` and a number"]);
    assert_error("send tcp0 preempt @1 for", "line 3, column 25", &["1 to 7 operations"]);
    assert_error("send tcp0 preempt @1 for 8", "line 3, column 26", &["1 to 7 operations"]);
    assert_error("send tcp0 preempt @1.. for 1", at, &["@1 to @63"]);
    assert_error("send tcp0 fail", "line 3, column 15", &["after `fail`"]);
    assert_error("send tcp0 fail @64..", "line 3, column 16", &["@1 to @63"]);
    assert_error("send tcp0 fail #1", "line 3, column 16", &["after `fail`"]);
}

#[test]
fn control_characters_are_refused_everywhere() {
    assert_error("# a\u{7}b", "line 3, column 4", &["control character U+0007"]);
    assert_error("shutdown\rx", "line 3, column 9", &["U+000D"]);
    let first = parse(&GRAMMARS, "# ifscrub 1\0").unwrap_err();
    assert_eq!((first.line, first.column), (1, 12));
}

#[test]
fn columns_count_characters_and_long_words_are_cut() {
    let long = "ü".repeat(50_000);
    assert_error(&format!("# ü\nsend tcp0 {long} x"), "line 4, column 11", &["...`"]);
    assert!(error(&long).len() < 300);
}

#[test]
fn text_is_told_from_bytes() {
    assert_eq!(looks_like_text(EXAMPLE.as_bytes()), TextKind::Text);
    assert_eq!(looks_like_text(b"# ifscrub 9\xff"), TextKind::Text);
    assert_eq!(looks_like_text(b"kernel x\r\n\tshutdown"), TextKind::PrintableWithoutHeader);
    assert_eq!(looks_like_text(b""), TextKind::Bytes);
    assert_eq!(looks_like_text(b"abc\x01"), TextKind::Bytes);
    assert_eq!(looks_like_text(b"abc\xff"), TextKind::Bytes);
}

#[test]
fn every_torn_example_parses_or_says_where() {
    for end in 0..EXAMPLE.len() {
        if let Err(e) = parse(&GRAMMARS, &EXAMPLE[..end]) {
            let lines = EXAMPLE[..end].split('\n').count();
            assert!(e.line <= lines && e.message.starts_with("expected"), "{e}");
        }
    }
}

proptest! {
    #[test]
    fn printed_programs_parse_back(p in program()) {
        let text = print(grammar_of(&p), &p);
        prop_assert_eq!(parse(&GRAMMARS, &text), Ok(p), "{}", text);
    }

    #[test]
    fn named_points_and_defects_survive_printing(p in named_program()) {
        let text = print(grammar_of(&p), &p);
        let q = parse(&GRAMMARS, &text);
        prop_assert_eq!(q, Ok(p.clone()), "{}", text);
        prop_assert_eq!(print(grammar_of(&p), &p), text);
    }

    #[test]
    fn no_string_makes_the_parser_panic(text in "\\PC*", control in any::<String>()) {
        let _ = parse(&GRAMMARS, &text);
        let _ = parse(&GRAMMARS, &control);
        let head = "# ifscrub 1\nkernel dragonfly-2007\nSIOCAIFADDR em0 ";
        let _ = parse(&GRAMMARS, &format!("{head}{text}"));
        let _ = parse(&GRAMMARS, &format!("{head}{control}"));
    }

    #[test]
    fn words_in_any_order_parse_to_something_canonical_or_not_at_all(
        words in prop::collection::vec(prop::sample::select(vec![
            "\n", "\n", "kernel", "dragonfly-2007", "ncpus", "2", "stop", "defects", "none",
            "SIOCAIFADDR", "em0", "10.0.0.1", "mask", "/24", "shutdown", "send", "tcp0",
            "preempt", "@3", "for", "1", "fail", "@2..", "a:b#2", "a:b#2..", "#", "\t", "@", "..",
        ]), 0..24),
    ) {
        let words = words.join(" ");
        for text in [
            format!("# ifscrub 1\n{words}"),
            format!("# ifscrub 1\nkernel dragonfly-2007\nsend tcp0 {words}"),
        ] {
            if let Ok(p) = parse(&GRAMMARS, &text) {
                let mut raw = p.clone();
                for point in &p.named {
                    let op = &mut raw.ops[point.op];
                    op.preempt_for = if op.preempt_at == 0 { 0 } else { op.preempt_for };
                }
                assert_canonical(&raw);
                prop_assert_eq!(parse(&GRAMMARS, &print(grammar_of(&p), &p)), Ok(p));
            }
        }
    }

    #[test]
    fn no_prefix_makes_the_parser_panic(p in named_program(), end in any::<prop::sample::Index>()) {
        let text = print(grammar_of(&p), &p);
        let torn = &text[..end.index(text.len())];
        if let Err(e) = parse(&GRAMMARS, torn) {
            prop_assert!(e.line <= torn.split('\n').count(), "{}", e);
        }
    }
}
