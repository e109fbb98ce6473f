pub const LINES_TO_TRY: &[&str] = &[];
pub fn load_once(_: &sinew::Database) -> sinew::Result<()> {
    Ok(())
}
pub fn describe(error: &sinew::QueryError) -> String {
    error.to_string()
}
