//! The `ifscrub` command: see [`ifscrub::cli`].

fn main() -> std::process::ExitCode {
    ifscrub::cli::main()
}
