//! Writes the list of crash buckets: one for each defect and each rule of each kernel.

use ifscrub::shadow::rules;
use ifscrub::stack::{GRAMMARS, machine};
use ifscrub::triage::signature::identifier;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut names = Vec::new();
    for machine in GRAMMARS.iter().filter_map(|g| machine(g.id)) {
        let kernel = machine.grammar().kernel;
        let credits = machine.defects().iter().map(|d| format!("{kernel}/credit:{}", d.id));
        let all = rules::ALL.iter().chain(machine.rules());
        let broken = all.map(|r| format!("{kernel}/{}", r.name));
        names.extend(credits.chain(broken).map(|n| identifier(&n)));
    }
    names.sort_unstable();
    names.dedup();
    // The first one that fits shall be the longest.
    names.sort_by_key(|n| std::cmp::Reverse(n.len()));
    let mut list = String::from("buckets! {\n");
    for name in names {
        writeln!(list, "    ifscrub_{name} \"{name}\",").expect("a string takes everything");
    }
    list += "}\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("buckets.rs"), list)
}
