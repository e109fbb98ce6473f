//! The kept corpus: one text file per language, its inputs separated by empty lines.

use std::path::PathBuf;

use super::Language;

/// The inputs of `fuzz/corpus`. What a fuzzer finds is added there by hand, as small as it goes.
pub fn kept(language: Language) -> std::io::Result<Vec<String>> {
    let name = match language {
        Language::Cypher => "cypher.txt",
        Language::Sql => "sql.txt",
    };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let text = std::fs::read_to_string(path)?;
    Ok(text.split("\n\n").map(|input| input.trim_matches('\n').to_owned()).filter(|input| !input.is_empty()).collect())
}
