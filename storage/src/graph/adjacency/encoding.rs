//! Bytes of a page in a checkpoint. Integers are little-endian.
//!
//! ```text
//! lists   end of each of the 256 nodes' list (4 bytes each) | arrays
//! chunk   local node (1) | number of edges (2) | arrays                  one for each chunk of a hub, in order
//! arrays  widths (1; bit 0: neighbours, bit 1: relationships have 8 bytes, not 4) | neighbours | relationships
//! ```

use std::sync::Arc;

use super::{AdjacencyPage, CHUNK_LEN, Edge, EdgeArray, HUB_DEGREE, Hub, IdArray, PAGE_NODES};
use crate::encoding::varint::Reader;
use crate::error::Result;

const WIDE_NEIGHBORS: u8 = 1;
const WIDE_RELATIONSHIPS: u8 = 2;

impl IdArray {
    fn is_wide(&self) -> bool {
        matches!(self, IdArray::Wide(_))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            IdArray::Narrow(ids) => ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes())),
            IdArray::Wide(ids) => ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes())),
        }
    }

    fn read(reader: &mut Reader<'_>, len: usize, is_wide: bool) -> Result<IdArray> {
        Ok(if is_wide {
            let (ids, _) = reader.bytes(len * 8)?.as_chunks::<8>();
            IdArray::Wide(ids.iter().map(|id| u64::from_le_bytes(*id)).collect())
        } else {
            let (ids, _) = reader.bytes(len * 4)?.as_chunks::<4>();
            IdArray::Narrow(ids.iter().map(|id| u32::from_le_bytes(*id)).collect())
        })
    }
}

impl EdgeArray {
    fn write(&self, out: &mut Vec<u8>) {
        let widths = [(&self.neighbors, WIDE_NEIGHBORS), (&self.relationships, WIDE_RELATIONSHIPS)];
        out.push(widths.iter().filter(|(ids, _)| ids.is_wide()).map(|(_, bit)| bit).sum());
        self.neighbors.write(out);
        self.relationships.write(out);
    }

    fn read(reader: &mut Reader<'_>, len: usize) -> Result<EdgeArray> {
        let widths = reader.byte()?;
        let neighbors = IdArray::read(reader, len, widths & WIDE_NEIGHBORS != 0)?;
        let relationships = IdArray::read(reader, len, widths & WIDE_RELATIONSHIPS != 0)?;
        Ok(EdgeArray { neighbors, relationships, len })
    }

    /// True when the edges of a range are in order, each once.
    fn is_sorted(&self, start: usize, end: usize) -> bool {
        (start..end).is_sorted_by(|a, b| self.get(*a) < self.get(*b))
    }

    fn last(&self) -> Option<Edge> {
        self.len.checked_sub(1).map(|last| self.get(last))
    }
}

impl AdjacencyPage {
    /// The lists of all nodes but the hubs.
    pub fn write_lists(&self, out: &mut Vec<u8>) {
        self.offsets[1..].iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
        self.edges.write(out);
    }

    /// The chunks of the hubs' lists, with the local node they belong to.
    pub fn chunks(&self) -> impl Iterator<Item = PageChunk<'_>> {
        self.hubs.iter().flat_map(|(local, hub)| hub.chunks.iter().map(move |chunk| PageChunk { local: *local, chunk }))
    }

    /// Edges of all its nodes.
    pub fn edge_count(&self) -> u64 {
        (self.edges.len + self.hubs.iter().map(|(_, hub)| hub.len).sum::<usize>()) as u64
    }
}

/// A part of a hub's list.
pub(crate) struct PageChunk<'p> {
    local: u8,
    chunk: &'p EdgeArray,
}

impl PageChunk<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.local);
        out.extend_from_slice(&(self.chunk.len as u16).to_le_bytes());
        self.chunk.write(out);
    }
}

/// A page while its parts are read; what is not as a page is made is `Corrupted`.
pub(crate) struct PageReader(AdjacencyPage);

impl PageReader {
    pub fn read_lists(reader: &mut Reader<'_>) -> Result<PageReader> {
        let (ends, _) = reader.bytes(PAGE_NODES * 4)?.as_chunks::<4>();
        let mut offsets = Box::new([0_u32; PAGE_NODES + 1]);
        for (offset, end) in offsets[1..].iter_mut().zip(ends) {
            *offset = u32::from_le_bytes(*end);
        }
        let len = offsets[PAGE_NODES] as usize;
        if !offsets[..].is_sorted() || len > PAGE_NODES * HUB_DEGREE {
            return Err(reader.corrupted("holds a page without order"));
        }
        let edges = EdgeArray::read(reader, len)?;
        if !offsets.windows(2).all(|list| edges.is_sorted(list[0] as usize, list[1] as usize)) {
            return Err(reader.corrupted("holds a list without order"));
        }
        Ok(PageReader(AdjacencyPage { offsets, edges, hubs: Vec::new() }))
    }

    pub fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let local = reader.byte()?;
        let len = usize::from(u16::from_le_bytes(reader.array()?));
        if len == 0 || len > CHUNK_LEN {
            return Err(reader.corrupted("holds a chunk of a wrong length"));
        }
        let chunk = EdgeArray::read(reader, len)?;
        let (start, end) = self.0.range(local);
        if start != end || !chunk.is_sorted(0, len) {
            return Err(reader.corrupted("holds a chunk without order"));
        }
        let last_hub = self.0.hubs.last().map(|(hub_of, _)| *hub_of);
        if last_hub.is_some_and(|last_hub| last_hub > local) {
            return Err(reader.corrupted("holds hubs without order"));
        }
        if last_hub != Some(local) {
            self.0.hubs.push((local, Hub { chunks: Vec::new(), len: 0 }));
        }
        let (_, hub) = self.0.hubs.last_mut().expect("pushed above if there was none");
        if hub.chunks.last().is_some_and(|before| before.last() >= Some(chunk.get(0))) {
            return Err(reader.corrupted("holds chunks without order"));
        }
        hub.len += len;
        hub.chunks.push(Arc::new(chunk));
        Ok(())
    }

    /// None for a page without edges, which is never made.
    pub fn finish(self) -> Option<AdjacencyPage> {
        (self.0.edge_count() > 0).then_some(self.0)
    }
}
