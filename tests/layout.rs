//! Where a reader finds a kernel function: in the file that has the name of its kernel's file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions whose frame is entered in another file, because the file's own function stands
/// for them, and constants that name another file: (stack, file, function or constant).
const ELSEWHERE: &[(&str, &str, &str)] = &[
    // Whom a packet comes through, before netisr.
    ("freebsd", "netisr", "ether_input"),
    ("freebsd", "netisr", "if_simloop"),
    ("freebsd", "netisr", "ng_iface_rcvdata"),
    ("freebsd", "netisr", "tunwrite"),
    // Where a thread begins.
    ("freebsd", "if_c", "kern_ioctl"),
    ("freebsd", "if_c", "sys_ioctl"),
    ("freebsd", "kern_timeout", "fork_exit"),
    // IPv6 twins: one function for both families.
    ("freebsd", "if_llatbl", "in6_lltable_destroy_lle_unlocked"),
    ("freebsd", "if_llatbl", "in_lltable_destroy_lle_unlocked"),
    ("freebsd", "in_pcb", "in6_pcbconnect"),
    ("freebsd", "in_pcb", "in6_pcbpurgeif0"),
    ("freebsd", "udp_usrreq", "FILE6"),
    // A daemon of many files.
    ("freebsd", "mpd", "FILE"),
    // The sender's side of a message that is served in its own fiber.
    ("dragonfly", "route", "lwkt_domsg"),
];

/// The module of a kernel's file: `sys/net/if.c` is `if_c`, because `if` is a keyword.
fn module_of(kernel_file: &str) -> String {
    let stem = Path::new(kernel_file).file_stem().unwrap().to_str().unwrap();
    match stem {
        "if" | "in" | "in6" => format!("{stem}_c"),
        stem => stem.to_string(),
    }
}

/// What stands between `before` and the next `end`, at each place.
fn quoted_until<'t>(
    text: &'t str,
    before: &'t str,
    end: char,
) -> impl Iterator<Item = (usize, &'t str)> {
    text.match_indices(before).map(move |(at, _)| {
        let rest = &text[at + before.len()..];
        (at, &rest[..rest.find(end).unwrap()])
    })
}

#[test]
fn a_kernel_function_stands_in_the_file_named_after_its_kernels_file() {
    let mut elsewhere = BTreeSet::new();
    for stack in ["dragonfly", "freebsd"] {
        let mut see = |module: &str, name: &str, file: &str| {
            if file.ends_with(".c") && module_of(file) != module {
                elsewhere.insert((stack, module.to_string(), name.to_string()));
            }
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack").join(stack);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let module = path.file_stem().unwrap().to_str().unwrap().to_string();
            let text = fs::read_to_string(&path).unwrap();
            for (at, name) in quoted_until(&text, "\nconst ", ':') {
                let line = text[at + 1..].lines().next().unwrap_or_default();
                let Some((_, file)) = quoted_until(line, "&str = \"", '"').next() else { continue };
                see(&module, name, file);
            }
            let split = |line: &str| line.ends_with("Func {") && !line.contains("fn ");
            assert!(!text.lines().any(split), "{stack}/{module}.rs: a Func of several lines");
            for (at, name) in quoted_until(&text, "Func { name: \"", '"') {
                let frame = &text[at..at + text[at..].find('}').unwrap()];
                let Some((_, file)) = quoted_until(frame, "file: \"", '"').next() else { continue };
                see(&module, name, file);
            }
        }
    }
    let known = ELSEWHERE.iter().map(|&(s, m, n)| (s, m.to_string(), n.to_string())).collect();
    assert_eq!(elsewhere, known);
}
