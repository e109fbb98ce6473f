//! The graph image in memory against the graph's rows.

use rustc_hash::FxHashMap;

use super::graph::is_relationship;
use super::{Findings, ObjectId, View};
use crate::error::Result;
use crate::graph::adjacency::{PAGE_NODES, page_of};
use crate::graph::image::GraphImage;
use crate::graph::{keys, records};
use crate::ids::NodeId;
use crate::store::Keyspace;

pub(super) struct ImageCheck<'i> {
    image: &'i GraphImage,
    object: ObjectId,
    node_count: u64,
    label_counts: FxHashMap<u32, u64>,
    type_counts: FxHashMap<u32, u64>,
}

impl<'i> ImageCheck<'i> {
    pub fn new(view: &View<'i>, findings: &mut Findings<'_>) -> ImageCheck<'i> {
        ImageCheck {
            image: &view.derived.graph,
            object: findings.object("graph image"),
            node_count: 0,
            label_counts: FxHashMap::default(),
            type_counts: FxHashMap::default(),
        }
    }

    pub fn expect_node(&mut self, findings: &mut Findings<'_>, id: u64) {
        findings.count(self.object);
        self.node_count += 1;
        if !self.image.nodes.contains(id) {
            findings.problem(self.object, format!("node {id} is missing"));
        }
    }

    pub fn expect_label(&mut self, findings: &mut Findings<'_>, label: u32, id: u64) {
        *self.label_counts.entry(label).or_insert(0) += 1;
        if !self.image.label(label).is_some_and(|nodes| nodes.contains(id)) {
            findings.problem(self.object, format!("node {id} is missing under its label {label}"));
        }
    }

    pub fn expect_relationship(&mut self, findings: &mut Findings<'_>, ty: u32, source: u64, target: u64, id: u64) {
        findings.count(self.object);
        *self.type_counts.entry(ty).or_insert(0) += 1;
        if !self.image.relationship_type(ty).is_some_and(|image| image.relationships.contains(id)) {
            findings.problem(self.object, format!("relationship {id} is missing under its type {ty}"));
        }
        for (incoming, from, to) in [(false, source, target), (true, target, source)] {
            let (page, local) = page_of(from);
            let edge = self.image.page(ty, incoming, page).and_then(|page| page.cursor_from(local, to, id).next());
            if edge != Some((to, id)) {
                let direction = if incoming { "incoming" } else { "outgoing" };
                findings.problem(self.object, format!("relationship {id} is missing among node {from}'s {direction}"));
            }
        }
    }

    /// After all rows: names what the image holds beyond them.
    pub fn finish(self, view: &View<'_>, findings: &mut Findings<'_>) -> Result<()> {
        if self.image.nodes.len() != self.node_count {
            for id in self.image.nodes.iter() {
                if view.rows.get(Keyspace::NODES, &keys::node_key(NodeId(id)))?.is_none() {
                    findings.problem(self.object, format!("node {id} does not exist"));
                }
            }
        }
        for label in 0..self.image.label_count() {
            let Some(nodes) = self.image.label(label) else { continue };
            if nodes.len() == self.label_counts.get(&label).copied().unwrap_or(0) {
                continue;
            }
            for id in nodes.iter() {
                let row = view.rows.get(Keyspace::NODES, &keys::node_key(NodeId(id)))?;
                // A row that cannot be read has been reported.
                let labels = row.map(|row| records::decode_node_labels(&row).unwrap_or_default());
                if !labels.is_some_and(|labels| labels.iter().any(|own| own.0 == label)) {
                    findings.problem(self.object, format!("node {id} does not have label {label}"));
                }
            }
        }
        (0..self.image.type_count()).try_for_each(|ty| self.finish_type(view, findings, ty))
    }

    fn finish_type(&self, view: &View<'_>, findings: &mut Findings<'_>, ty: u32) -> Result<()> {
        let Some(image) = self.image.relationship_type(ty) else { return Ok(()) };
        let expected = self.type_counts.get(&ty).copied().unwrap_or(0);
        if image.relationships.len() != expected {
            let problem = format!("type {ty} has {} relationships, there are {expected}", image.relationships.len());
            findings.problem(self.object, problem);
        }
        for (incoming, tree) in [(false, &image.outgoing), (true, &image.incoming)] {
            let degrees =
                tree.iter().map(|(_, page)| (0..=u8::MAX).map(|local| page.degree(local) as u64).sum::<u64>());
            if degrees.sum::<u64>() == expected {
                continue;
            }
            for (number, page) in tree.iter() {
                for local in 0..=u8::MAX {
                    let from = number * PAGE_NODES as u64 + u64::from(local);
                    for (to, id) in page.cursor(local) {
                        let (source, target) = if incoming { (to, from) } else { (from, to) };
                        if !is_relationship(view, ty, source, target, id)? {
                            let problem = format!("relationship {id} from node {source} to node {target} is not there");
                            findings.problem(self.object, problem);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
