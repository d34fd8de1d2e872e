//! Hands the arguments to `cli` and turns its answer into an exit code.

fn main() -> std::process::ExitCode {
    portcullis::cli::main(std::env::args_os())
}
