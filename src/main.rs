//! The `cove` program.

fn main() {}
