//! ifscrub
pub mod cli;
pub mod hunt;
pub mod kern;
pub mod program;
pub mod shadow;
pub mod stack;
pub mod triage;
