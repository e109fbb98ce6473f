//! Runs its input to the end and gives no rows.

use std::sync::Arc;

use crate::batch::Batch;
use crate::error::Result;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct DiscardPlan {
    pub input: Arc<Node>,
}

impl Physical for DiscardPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Discard { input, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        "Discard".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Discard {
    input: Box<dyn Operator>,
    cx: Cx,
}

impl Operator for Discard {
    fn next(&mut self) -> Result<Option<Batch>> {
        while self.input.next()?.is_some() {
            self.cx.check_cancel()?;
        }
        Ok(None)
    }
}
