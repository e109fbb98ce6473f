//! The image in a checkpoint file: records, packed into sections of about a megabyte.
//!
//! | kind | fields |
//! |---|---|
//! | 1 page of ids | set (0 nodes, 1 label, 2 relationships of a type), label or type (4), page (see `id_set/encoding.rs`) |
//! | 2 page of lists | direction (0 outgoing, 1 incoming), type (4), number (8), lists (see `adjacency/encoding.rs`) |
//! | 3 chunk of a hub | chunk; belongs to the page of lists before it, which may be in an earlier section |
//!
//! Arrays are stored as they are in memory, so reading is checking checksums and order and copying.

use std::sync::Arc;

use super::super::adjacency::{AdjacencyPage, PageReader};
use super::super::id_set::IdSet;
use super::super::radix::RadixTree;
use super::super::tokens::MAX_LABELS_OR_TYPES;
use super::GraphImage;
use crate::derived::{CheckpointReader, CheckpointWriter, SECTION_BYTES};
use crate::encoding::varint::Reader;
use crate::error::{Result, StorageError};

const RECORDS: u32 = 1;
const ID_PAGE: u8 = 1;
const LISTS: u8 = 2;
const HUB_CHUNK: u8 = 3;
const NODES: u8 = 0;
const LABEL: u8 = 1;
const RELATIONSHIPS: u8 = 2;
/// Of node / 256.
const MAX_PAGE: u64 = u64::MAX >> 8;

/// Records that will be the next section.
struct Records<'w, 'i> {
    writer: &'w mut CheckpointWriter<'i>,
    bytes: Vec<u8>,
}

impl Records<'_, '_> {
    fn push(&mut self, record: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        record(&mut self.bytes);
        if self.bytes.len() >= SECTION_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.section(RECORDS, &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    fn ids(&mut self, set: u8, token: u32, ids: &IdSet) -> Result<()> {
        ids.encode_pages(|page| {
            self.push(|out| {
                out.extend_from_slice(&[ID_PAGE, set]);
                out.extend_from_slice(&token.to_le_bytes());
                out.extend_from_slice(page);
            })
        })
    }

    fn lists(&mut self, ty: u32, incoming: bool, tree: &RadixTree<Arc<AdjacencyPage>>) -> Result<()> {
        for (number, page) in tree.iter() {
            self.push(|out| {
                out.extend_from_slice(&[LISTS, u8::from(incoming)]);
                out.extend_from_slice(&ty.to_le_bytes());
                out.extend_from_slice(&number.to_le_bytes());
                page.write_lists(out);
            })?;
            for chunk in page.chunks() {
                self.push(|out| {
                    out.push(HUB_CHUNK);
                    chunk.write(out);
                })?;
            }
        }
        Ok(())
    }
}

impl GraphImage {
    pub fn write_checkpoint(&self, writer: &mut CheckpointWriter<'_>) -> Result<()> {
        let mut records = Records { writer, bytes: Vec::with_capacity(SECTION_BYTES * 2) };
        records.ids(NODES, 0, &self.nodes)?;
        for (label, nodes) in self.labels.iter().enumerate() {
            records.ids(LABEL, label as u32, nodes)?;
        }
        for (ty, image) in self.types.iter().enumerate() {
            records.ids(RELATIONSHIPS, ty as u32, &image.relationships)?;
            records.lists(ty as u32, false, &image.outgoing)?;
            records.lists(ty as u32, true, &image.incoming)?;
        }
        records.flush()
    }

    /// Errors with `Corrupted` for bytes that [`Self::write_checkpoint`] does not write.
    pub fn read_checkpoint(file: &mut CheckpointReader) -> Result<GraphImage> {
        let mut reading = Reading { image: GraphImage::default(), open: None, edge_counts: Vec::new() };
        while let Some((tag, bytes)) = file.next_section()? {
            let mut reader = Reader::new(bytes, "graph checkpoint");
            if tag != RECORDS {
                return Err(reader.corrupted("holds an unknown section"));
            }
            while !reader.is_empty() {
                reading.record(&mut reader)?;
            }
        }
        reading.finish()
    }
}

/// Where a page of lists goes.
#[derive(Clone, Copy)]
struct Place {
    ty: u32,
    incoming: bool,
    number: u64,
}

/// An image while it is read.
struct Reading {
    image: GraphImage,
    /// The page to which chunks may follow.
    open: Option<(Place, PageReader)>,
    /// Edges of each type, [outgoing, incoming].
    edge_counts: Vec<[u64; 2]>,
}

impl Reading {
    fn record(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.byte()? {
            ID_PAGE => {
                let set = reader.byte()?;
                let token = token(reader)?;
                match set {
                    NODES => self.image.nodes.read_page(reader),
                    LABEL => self.image.label_mut(token).read_page(reader),
                    RELATIONSHIPS => self.image.type_mut(token).relationships.read_page(reader),
                    _ => Err(reader.corrupted("holds ids of an unknown set")),
                }
            }
            LISTS => {
                self.close_page()?;
                let incoming = match reader.byte()? {
                    0 => false,
                    1 => true,
                    _ => return Err(reader.corrupted("holds an unknown direction")),
                };
                let ty = token(reader)?;
                let number = u64::from_le_bytes(reader.array()?);
                if number > MAX_PAGE {
                    return Err(reader.corrupted("holds a page number out of range"));
                }
                self.open = Some((Place { ty, incoming, number }, PageReader::read_lists(reader)?));
                Ok(())
            }
            HUB_CHUNK => match &mut self.open {
                Some((_, page)) => page.read_chunk(reader),
                None => Err(reader.corrupted("holds a chunk without a page")),
            },
            _ => Err(reader.corrupted("holds an unknown record")),
        }
    }

    fn close_page(&mut self) -> Result<()> {
        let Some((place, page)) = self.open.take() else { return Ok(()) };
        let page = page.finish().ok_or_else(|| corrupted("an empty page"))?;
        let ty = place.ty as usize;
        if self.edge_counts.len() <= ty {
            self.edge_counts.resize(ty + 1, [0; 2]);
        }
        self.edge_counts[ty][usize::from(place.incoming)] += page.edge_count();
        let image = self.image.type_mut(place.ty);
        let tree = if place.incoming { &mut image.incoming } else { &mut image.outgoing };
        let slot = tree.slot_mut(place.number);
        if slot.is_some() {
            return Err(corrupted("a page twice"));
        }
        *slot = Some(Arc::new(page));
        Ok(())
    }

    fn finish(mut self) -> Result<GraphImage> {
        self.close_page()?;
        for (ty, image) in self.image.types.iter().enumerate() {
            let count = image.relationships.len();
            if self.edge_counts.get(ty).copied().unwrap_or_default() != [count; 2] {
                return Err(corrupted("directions that disagree"));
            }
        }
        Ok(self.image)
    }
}

/// A label or type; more than there may be would ask for memory.
fn token(reader: &mut Reader<'_>) -> Result<u32> {
    let token = u32::from_le_bytes(reader.array()?);
    if token as usize >= MAX_LABELS_OR_TYPES {
        return Err(reader.corrupted("holds a label or type out of range"));
    }
    Ok(token)
}

fn corrupted(problem: &str) -> StorageError {
    StorageError::Corrupted(format!("graph checkpoint holds {problem}"))
}
