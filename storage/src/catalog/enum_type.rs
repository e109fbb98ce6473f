//! Enum types. A stored value is an integer, its label's place in the type's order; places are far apart, so that a label
//! fits between two others without any stored value changing.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Result, StorageError};

/// Distance between the places of labels that are made one after another.
const STEP: i64 = 1 << 40;

/// An enum type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnumDef {
    pub oid: u32,
    pub array_oid: u32,
    pub schema: String,
    pub name: String,
    /// In the type's order.
    pub labels: Vec<EnumLabel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumLabel {
    pub oid: u32,
    pub name: String,
    /// What a value of this label is stored as; increasing along the labels.
    pub place: i64,
}

impl EnumLabel {
    /// The place as PostgreSQL numbers labels: 1, 2, 3 as they are made, fractions for those put between.
    pub fn sort_order(&self) -> f64 {
        self.place as f64 / STEP as f64
    }
}

/// Where a new label goes.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelPosition {
    Last,
    Before(String),
    After(String),
}

impl EnumDef {
    /// The label stored as `place`.
    pub fn label(&self, place: i64) -> Option<&EnumLabel> {
        let at = self.labels.binary_search_by_key(&place, |label| label.place).ok()?;
        self.labels.get(at)
    }

    /// The label of this name.
    pub fn by_name(&self, name: &str) -> Option<&EnumLabel> {
        self.labels.iter().find(|label| label.name == name)
    }

    /// Adds a label. `ObjectNotFound` when its neighbour is missing, `LimitExceeded` when there is no room at that
    /// place.
    pub(crate) fn insert(&mut self, oid: u32, name: String, position: &LabelPosition) -> Result<()> {
        let index = |neighbour: &str| {
            let missing = || StorageError::ObjectNotFound { kind: "enum label", name: neighbour.to_owned() };
            self.labels.iter().position(|label| label.name == *neighbour).ok_or_else(missing)
        };
        let at = match position {
            LabelPosition::Last => self.labels.len(),
            LabelPosition::Before(neighbour) => index(neighbour)?,
            LabelPosition::After(neighbour) => index(neighbour)? + 1,
        };
        let before = at.checked_sub(1).and_then(|at| self.labels.get(at)).map(|label| label.place);
        let after = self.labels.get(at).map(|label| label.place);
        let place = match (before, after) {
            (None, None) => Some(STEP),
            (Some(before), None) => before.checked_add(STEP),
            (None, Some(after)) => after.checked_sub(STEP),
            (Some(before), Some(after)) => Some(before + (after - before) / 2).filter(|place| *place != before),
        };
        let place = place
            .ok_or_else(|| StorageError::LimitExceeded(format!("enum {} has no room for a label there", self.name)))?;
        self.labels.insert(at, EnumLabel { oid, name, place });
        Ok(())
    }
}

/// An enum type as a column's or expression's type. Equal when the oids are: the definition that comes with it is that of
/// the catalog it was taken from. Stored as the oid; [`super::Catalog`] fills in the definition when it reads one.
#[derive(Clone, Debug)]
pub struct EnumType(pub Arc<EnumDef>);

impl Deref for EnumType {
    type Target = EnumDef;

    fn deref(&self) -> &EnumDef {
        &self.0
    }
}

impl PartialEq for EnumType {
    fn eq(&self, other: &EnumType) -> bool {
        self.oid == other.oid
    }
}

impl Eq for EnumType {}

impl Hash for EnumType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.oid.hash(state);
    }
}

impl Serialize for EnumType {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.oid)
    }
}

impl<'de> Deserialize<'de> for EnumType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<EnumType, D::Error> {
        let oid = u32::deserialize(deserializer)?;
        Ok(EnumType(Arc::new(EnumDef { oid, ..EnumDef::default() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_kept_in_order() {
        let mut def = EnumDef::default();
        for (oid, name, position) in [
            (1, "b", LabelPosition::Last),
            (2, "d", LabelPosition::Last),
            (3, "a", LabelPosition::Before("b".to_owned())),
            (4, "c", LabelPosition::After("b".to_owned())),
        ] {
            def.insert(oid, name.to_owned(), &position).expect(name);
        }
        let names: Vec<&str> = def.labels.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert!(def.labels.is_sorted_by_key(|label| label.place));
        let place = def.by_name("c").expect("c").place;
        assert_eq!(def.label(place).expect("a label").oid, 4);
        assert!(def.insert(5, "x".to_owned(), &LabelPosition::Before("y".to_owned())).is_err());
    }

    #[test]
    fn room_between_two_labels_ends() {
        let mut def = EnumDef::default();
        def.insert(0, "a".to_owned(), &LabelPosition::Last).expect("a");
        def.insert(1, "b".to_owned(), &LabelPosition::Last).expect("b");
        let mut added = 0;
        while def.insert(added + 2, format!("x{added}"), &LabelPosition::After("a".to_owned())).is_ok() {
            added += 1;
        }
        assert_eq!(added, 40);
    }
}
