//! Gives rows once for each grouping set.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::pieces::{Pieces, columns_of};
use crate::batch::{Batch, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct GroupingSetsPlan {
    pub input: Arc<Node>,
    pub keys: Vec<PhysExpr>,
    /// For each set, which of the keys are in it.
    pub sets: Vec<Vec<bool>>,
    /// Empty sets get a row when there is none.
    pub with_empty: bool,
}

impl Physical for GroupingSetsPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        let pieces = Pieces::new(cx, &self.keys);
        Ok(Box::new(GroupingSets {
            plan: self,
            input: Some(input),
            cx: cx.clone(),
            pieces,
            current: None,
            is_empty: true,
        }))
    }

    fn describe(&self) -> String {
        "Grouping Sets".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct GroupingSets {
    plan: Arc<GroupingSetsPlan>,
    input: Option<Box<dyn Operator>>,
    cx: Cx,
    pieces: Pieces,
    /// Rows with their keys, and the sets they were given for.
    current: Option<(Batch, Vec<Column>, usize)>,
    is_empty: bool,
}

impl GroupingSetsPlan {
    /// Rows as they are for one set.
    fn rows_of(&self, rows: &Batch, keys: &[Column], set: usize, counted: bool) -> Batch {
        let mut columns = rows.columns.clone();
        for ((key, column), is_member) in self.keys.iter().zip(keys).zip(&self.sets[set]) {
            columns.push(match is_member {
                true => column.clone(),
                false => Column::repeat(&key.ty, &Value::Null, rows.row_count),
            });
        }
        columns.push(Column::repeat(&DataType::Int4, &Value::Int(set as i64), rows.row_count));
        if self.with_empty {
            columns.push(Column::repeat(&DataType::Bool, &Value::Bool(counted), rows.row_count));
        }
        Batch::new(columns, rows.row_count)
    }

    /// A row for each empty set, all NULL.
    fn rows_of_nothing(&self) -> Option<Batch> {
        let nulls = |ty: &DataType| Column::repeat(ty, &Value::Null, 1);
        let row = Batch { columns: self.input.layout.types.iter().map(nulls).collect(), row_count: 1 };
        let keys: Vec<Column> = self.keys.iter().map(|key| nulls(&key.ty)).collect();
        let empty = (0..self.sets.len()).filter(|set| !self.sets[*set].contains(&true));
        let rows: Vec<Batch> = empty.map(|set| self.rows_of(&row, &keys, set, false)).collect();
        let width = rows.first()?.columns.len();
        Some(Batch::concat(&rows, width))
    }
}

impl Operator for GroupingSets {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            if let Some((rows, keys, set)) = &mut self.current {
                if *set < self.plan.sets.len() {
                    *set += 1;
                    return Ok(Some(self.plan.rows_of(rows, keys, *set - 1, true)));
                }
                self.current = None;
            }
            let (plan, cx) = (&self.plan, &self.cx);
            let computed = self.pieces.next(|batch, limit_bytes| columns_of(&plan.keys, cx, batch, limit_bytes))?;
            if let Some((piece, keys)) = computed {
                self.is_empty = false;
                self.current = Some((piece, keys, 0));
                continue;
            }
            let Some(input) = &mut self.input else { return Ok(None) };
            match input.next()? {
                Some(batch) => self.pieces.put(batch),
                None => {
                    self.input = None;
                    if self.is_empty && self.plan.with_empty {
                        return Ok(self.plan.rows_of_nothing());
                    }
                }
            }
        }
    }
}
