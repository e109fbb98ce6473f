//! Which groups of a bench run, from the arguments that criterion understands too.

/// Options of criterion that take the next argument as their value.
const OPTIONS_WITH_VALUE: [&str; 19] = [
    "-c",
    "-s",
    "-b",
    "--color",
    "--save-baseline",
    "--baseline",
    "--baseline-lenient",
    "--format",
    "--profile-time",
    "--load-baseline",
    "--sample-size",
    "--warm-up-time",
    "--measurement-time",
    "--nresamples",
    "--noise-threshold",
    "--confidence-level",
    "--significance-level",
    "--plotting-backend",
    "--output-format",
];

/// Uses of a bench binary in which nothing is measured, or only by criterion.
const OTHER_USES: [&str; 5] = ["--test", "--list", "--profile-time", "--load-baseline", "--ignored"];

/// What the command line asks for.
pub struct Selection {
    filter: Option<String>,
    is_exact: bool,
    is_measuring: bool,
}

impl Selection {
    /// `arguments` are those after the program's name. `cargo bench` adds `--bench`; without it, as under `cargo test`,
    /// nothing is measured.
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Selection {
        let mut selection = Selection { filter: None, is_exact: false, is_measuring: false };
        let mut is_other_use = false;
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                selection.filter = Some(argument);
                continue;
            }
            let (name, has_value) = match argument.split_once('=') {
                Some((name, _)) => (name, true),
                None => (&argument[..], false),
            };
            is_other_use |= OTHER_USES.contains(&name);
            selection.is_measuring |= name == "--bench";
            selection.is_exact |= name == "--exact";
            if OPTIONS_WITH_VALUE.contains(&name) && !has_value {
                arguments.next();
            }
        }
        selection.is_measuring &= !is_other_use;
        selection
    }

    pub fn is_measuring(&self) -> bool {
        self.is_measuring
    }

    /// True when a group that criterion knows nothing about is to be measured: the filter is a part of its name.
    pub fn includes(&self, group: &str) -> bool {
        let matches = |filter: &String| if self.is_exact { group == filter } else { group.contains(filter.as_str()) };
        self.is_measuring && self.filter.as_ref().is_none_or(matches)
    }
}
