//! Links the targets, and not the mutator, with the runtime of AFL++.
//!
//! `cargo afl build` does that by itself, with every edge counted. Our scripts build
//! without it, as everybody builds, and name the runtime in `AFL_COMPILER_RT`.

fn main() {
    println!("cargo::rerun-if-env-changed=AFL_COMPILER_RT");
    if let Ok(object) = std::env::var("AFL_COMPILER_RT") {
        println!("cargo::rerun-if-changed={object}");
        println!("cargo::rustc-link-arg-bins={object}");
    }
}
