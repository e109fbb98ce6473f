//! Variables: the columns of plans.

use std::sync::Arc;

use sinew_storage::DataType;

/// A column of a plan, unique within a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

#[derive(Clone, Debug)]
pub struct VarInfo {
    /// For EXPLAIN and errors; not unique.
    pub name: Arc<str>,
    pub ty: DataType,
}

/// All variables of one statement; `VarId` indexes it.
#[derive(Clone, Debug, Default)]
pub struct VarTable(Vec<VarInfo>);

impl VarTable {
    pub fn add(&mut self, name: impl Into<Arc<str>>, ty: DataType) -> VarId {
        let id = VarId(u32::try_from(self.0.len()).expect("a statement has fewer than 2^32 variables"));
        self.0.push(VarInfo { name: name.into(), ty });
        id
    }

    pub fn info(&self, var: VarId) -> &VarInfo {
        &self.0[var.0 as usize]
    }

    pub fn ty(&self, var: VarId) -> &DataType {
        &self.info(var).ty
    }

    pub fn set_type(&mut self, var: VarId, ty: DataType) {
        self.0[var.0 as usize].ty = ty;
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
