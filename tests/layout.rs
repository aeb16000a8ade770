//! Where a reader finds a kernel function: in the file that has the name of its kernel's file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions whose frame is entered in another file, because the file's own function stands
/// for them: (stack, file, function).
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

/// What stands between `before` and the next quote, at each place.
fn quoted<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    text.match_indices(before).map(move |(at, _)| {
        let rest = &text[at + before.len()..];
        (at, &rest[..rest.find('"').unwrap()])
    })
}

#[test]
fn a_kernel_function_stands_in_the_file_named_after_its_kernels_file() {
    let mut elsewhere = BTreeSet::new();
    let mut checked = 0;
    for stack in ["dragonfly", "freebsd"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack").join(stack);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let module = path.file_stem().unwrap().to_str().unwrap().to_string();
            let text = fs::read_to_string(&path).unwrap();
            for (_, file) in quoted(&text, "const FILE: &str = \"") {
                // mpd is a daemon of many files.
                assert!(
                    module == "mpd" || module_of(file) == module,
                    "{stack}/{module}.rs: {file}"
                );
                checked += 1;
            }
            for (at, name) in quoted(&text, "Func { name: \"") {
                let frame = &text[at..at + text[at..].find('}').unwrap()];
                let Some((_, file)) = quoted(frame, "file: \"").next() else { continue };
                if file.ends_with(".c") && module_of(file) != module {
                    elsewhere.insert((stack, module.clone(), name.to_string()));
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} places: this test looks for the wrong words");
    let known = ELSEWHERE.iter().map(|&(s, m, n)| (s, m.to_string(), n.to_string())).collect();
    assert_eq!(elsewhere, known);
}
