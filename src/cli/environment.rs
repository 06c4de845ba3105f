//! Environment variables that software drivers read before the first line of ours runs.

/// Starts this program again, in the same process, with what Mesa's drivers should know, unless the
/// user has said otherwise:
///
/// - `LP_NATIVE_VECTOR_WIDTH=512` where the processor has AVX-512: lavapipe's subgroups are then 16
///   wide instead of 8.
/// - `NODEVICE_SELECT=1` where there is no desktop session: Mesa's layer that picks a GPU for windows
///   would otherwise complain on stderr about `XDG_RUNTIME_DIR`.
///
/// Returns where there is nothing to set or the system cannot do it; the program then goes on as it is.
#[cfg(target_os = "linux")]
pub fn prepare() {
    use std::os::unix::process::CommandExt;

    let unset = |name: &str| std::env::var_os(name).is_none();
    let mut wanted = Vec::new();
    if unset("XDG_RUNTIME_DIR") && unset("NODEVICE_SELECT") {
        wanted.push(("NODEVICE_SELECT", "1"));
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") && unset("LP_NATIVE_VECTOR_WIDTH") {
        wanted.push(("LP_NATIVE_VECTOR_WIDTH", "512"));
    }
    // Once is enough, whatever becomes of the variables.
    const DONE: &str = "PARULA_ENVIRONMENT";
    if wanted.is_empty() || !unset(DONE) {
        return;
    }
    // Under a dynamic loader that was called by name (scripts/mesa), the loader is the program.
    let loader = |program: &std::path::Path| {
        program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-"))
    };
    if let Ok(program) = std::env::current_exe()
        && !loader(&program)
    {
        let mut again = std::process::Command::new(program);
        again.args(std::env::args_os().skip(1)).envs(wanted).env(DONE, "1");
        // Comes back only where it failed.
        let _ = again.exec();
    }
}

/// Elsewhere there is nothing to set.
#[cfg(not(target_os = "linux"))]
pub fn prepare() {}
