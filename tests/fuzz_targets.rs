//! Every kernel has a fuzz target of its own.

use ifscrub::stack::GRAMMARS;
use ifscrub::triage::signature::identifier;
use std::fs;
use std::path::Path;

#[test]
fn every_kernel_has_a_target_that_pins_it() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for g in GRAMMARS {
        let name = format!("ops_{}", identifier(g.kernel));
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let source = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        let pinned = format!("const KERNEL: Option<&str> = Some(\"{}\");", g.kernel);
        assert!(source.contains(&pinned), "{name}");
    }
}
