//! Why bytes are no film.

/// Why bytes are no film, without their file's name.
#[derive(Debug)]
pub struct Unusable {
    pub problem: String,
    pub hint: &'static str,
}

impl Unusable {
    /// Bytes that contradict each other.
    pub fn damaged(problem: &str) -> Self {
        let problem = format!("is a damaged JPEG: {problem}");
        Unusable { problem, hint: "copy or download it again" }
    }

    /// Bytes that end too early.
    pub fn truncated() -> Self {
        let problem = "is truncated: it ends before the image does".to_owned();
        Unusable { problem, hint: "copy or download it again" }
    }

    /// A JPEG of another kind, or none.
    pub fn other(problem: impl Into<String>) -> Self {
        let hint = "only lossless JPEG of one component is read, as DDSM distributes it";
        Unusable { problem: problem.into(), hint }
    }
}
