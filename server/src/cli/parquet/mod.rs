//! Files of Parquet, read into COPY's text format and written from it.

mod read;
mod write;

pub use read::ParquetSource;
pub use write::ParquetTarget;
