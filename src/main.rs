//! The command line: see `parula --help`.

fn main() -> std::process::ExitCode {
    parula::cli::run()
}
