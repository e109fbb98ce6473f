//! What the store asks of whoever can turn text into vectors.

/// Turns text into a unit vector. Implementations are pure: equal text gives an equal vector, so that a vector index
/// over `embed(column)` is a function of the rows and may be rebuilt at any time.
pub trait Embedder: Send + Sync {
    /// Stable name, stored with every index built from it.
    fn name(&self) -> &str;
    /// Dimension count of every vector it returns.
    fn dimension_count(&self) -> u32;
    /// A unit vector; all zeros when the text holds nothing to embed.
    fn embed(&self, text: &str) -> Vec<f32>;
}
