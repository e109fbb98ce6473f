//! What the rig reports: a view, what it should have shown, what it showed.

/// Lines of a difference that are printed.
const SHOWN: usize = 6;

#[derive(Clone, Debug)]
pub struct Difference {
    pub view: String,
    pub expected: String,
    pub found: String,
    /// Acknowledged transactions that are missing.
    pub lost: u64,
}

impl Difference {
    pub fn new(view: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Difference {
        Difference { view: view.into(), expected: expected.into(), found: found.into(), lost: 0 }
    }
}

/// The first few lines and how many there are.
pub fn sample(lines: &[String]) -> String {
    let more = if lines.len() > SHOWN { format!(" … ({} in all)", lines.len()) } else { String::new() };
    format!("[{}]{more}", lines[..lines.len().min(SHOWN)].join(", "))
}

/// Whether both hold the same lines, in any order, each as often.
pub fn compare(view: &str, mut expected: Vec<String>, mut found: Vec<String>) -> Result<(), Difference> {
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return Ok(());
    }
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if a == b => {
                left.next();
                right.next();
            }
            (Some(a), Some(b)) if a < b => missing.extend(left.next().cloned()),
            (Some(_), None) => missing.extend(left.next().cloned()),
            (_, Some(_)) => extra.extend(right.next().cloned()),
            (None, None) => break,
        }
    }
    Err(Difference::new(
        view,
        format!("{} lines, among them {}", expected.len(), sample(&missing)),
        format!("{} lines, among them {}", found.len(), sample(&extra)),
    ))
}
