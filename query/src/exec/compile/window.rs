//! Windows.

use super::*;
use crate::exec::operators::window::{PhysBound, PhysCallee, PhysFrame, PhysWindowCall, WindowPlan};

impl Compiler<'_> {
    pub(super) fn window(&mut self, plan: &Plan, window: &Window) -> Result<Arc<Node>> {
        let before = self.read_count;
        let input = self.plan(&window.input)?;
        let slots = &input.layout.vars;
        let partition = self.exprs_over(&window.partition_by, slots)?;
        let order = self.sort_keys(&window.order_by, slots)?;
        let mut bound = |bound: &FrameBound| -> Result<PhysBound> {
            Ok(match bound {
                FrameBound::UnboundedPreceding => PhysBound::UnboundedPreceding,
                FrameBound::Preceding(offset) => PhysBound::Preceding(self.expr_over(offset, &[])?),
                FrameBound::CurrentRow => PhysBound::CurrentRow,
                FrameBound::Following(offset) => PhysBound::Following(self.expr_over(offset, &[])?),
                FrameBound::UnboundedFollowing => PhysBound::UnboundedFollowing,
            })
        };
        let frame = PhysFrame {
            units: window.frame.units,
            start: bound(&window.frame.start)?,
            end: bound(&window.frame.end)?,
            exclusion: window.frame.exclusion,
        };
        let mut calls = Vec::with_capacity(window.calls.len());
        for (_, call) in &window.calls {
            calls.push(PhysWindowCall {
                function: match &call.function {
                    WindowCallee::Aggregate(function) => PhysCallee::Aggregate(Arc::clone(function)),
                    WindowCallee::Function(function) => PhysCallee::Function(function.kind),
                },
                args: self.exprs_over(&call.args, slots)?,
                filter: call.filter.as_ref().map(|filter| self.expr_over(filter, slots)).transpose()?,
                ty: call.ty.clone(),
            });
        }
        let mut vars = slots.clone();
        vars.extend(window.calls.iter().map(|(var, _)| *var));
        let layout = self.layout(vars);
        let physical = WindowPlan::new(input, partition, order, frame, calls);
        Ok(self.node(plan, layout, Arc::new(physical), false, before))
    }
}
