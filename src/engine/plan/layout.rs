//! Which tensors share memory because one is a part of the other: views, concatenations, packs.

use std::collections::BTreeMap;

use super::extent::allocation;
use crate::engine::graph::{Alias, Graph, Kind, Role, Value};
use crate::engine::kernel::{Capabilities, View};
use crate::engine::ops::{self, Pack};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// Where the variables of a graph lie: one buffer a role, in order of definition. Two graphs that
/// define the same variables get the same layout, so a training and an inference session share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariableLayout {
    /// Name, shape, role, and first element within the buffer of that role.
    pub entries: Vec<(String, Shape, Role, usize)>,
    /// Elements of each role's buffer.
    pub elements: BTreeMap<Role, usize>,
}

impl VariableLayout {
    /// The layout of all variables of `graph`.
    pub fn new(graph: &Graph) -> Self {
        let mut layout = VariableLayout::default();
        for role in [Role::Trainable, Role::State, Role::Optimizer, Role::Constant] {
            let found: Vec<(&String, &Shape)> = graph
                .nodes()
                .filter(|(_, n)| matches!(&n.kind, Kind::Variable(v) if v.role == role))
                .map(|(_, node)| (&node.name, &node.shape))
                .collect();
            let shapes: Vec<&Shape> = found.iter().map(|(_, shape)| *shape).collect();
            let (offsets, elements) = match role {
                // As a pack of all of them lies, so that packing them is no copy.
                Role::Trainable => Pack::layout(&shapes),
                // Bindings start at multiples of this: two variables written by one dispatch must not
                // share the bytes between.
                Role::State | Role::Optimizer | Role::Constant => aligned(&shapes),
            };
            for ((name, shape), offset) in found.into_iter().zip(offsets) {
                layout.entries.push((name.clone(), shape.clone(), role, offset));
            }
            if elements > 0 {
                layout.elements.insert(role, elements);
            }
        }
        layout
    }

    /// Shape, role and first element of the variable `name`.
    pub fn find(&self, name: &str) -> Option<(&Shape, Role, usize)> {
        let entry = self.entries.iter().find(|entry| entry.0 == name)?;
        Some((&entry.1, entry.2, entry.3))
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.elements.values().map(|&elements| 4 * elements as u64).sum()
    }

    /// Bytes that their buffers take.
    pub fn allocated(&self) -> u64 {
        self.elements.values().map(|&elements| allocation(4 * elements as u64)).sum()
    }

    /// Refuses variables of one role that are more than a buffer of the adapter holds.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn check(&self, capabilities: &Capabilities) -> Result<()> {
        let allows = capabilities.max_buffer;
        let bytes = self.elements.iter().map(|(role, &elements)| (role, 4 * elements as u64));
        match bytes.into_iter().find(|(_, bytes)| *bytes > allows) {
            None => Ok(()),
            Some((role, needs)) => Err(Error::TooLarge {
                tensor: format!("{role:?} variables"),
                what: "in one buffer",
                needs,
                allows,
                hint: "use a smaller model, fewer classes, or an adapter with larger buffers \
                       (`parula devices`)"
                    .to_owned(),
            }),
        }
    }
}

/// Where each tensor starts, at multiples of the largest alignment that WebGPU asks for bindings, and
/// the length of the whole.
fn aligned(shapes: &[&Shape]) -> (Vec<usize>, usize) {
    const ELEMENTS: usize = 256 / 4;
    let mut at = 0;
    let offsets = shapes
        .iter()
        .map(|shape| {
            let offset = at;
            at += shape.elements().next_multiple_of(ELEMENTS);
            offset
        })
        .collect();
    (offsets, at)
}

/// Where a tensor's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Memory of its own, under this node.
    Own(Value),
    /// An input that the host writes.
    Input(Value),
    /// The buffer of a role.
    Variables(Role),
}

/// The answer to "where is this tensor": its owner, and its view from the owner's first element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub owner: Owner,
    pub view: View,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    parent: Value,
    offset: usize,
    keeps_stride: bool,
}

/// The sharing of one graph.
pub struct Layout<'a> {
    graph: &'a Graph,
    variables: &'a VariableLayout,
    links: Vec<Option<Link>>,
    /// Gathers that coincide with variables, which already lie as packed.
    fixed: BTreeMap<Value, Location>,
}

impl<'a> Layout<'a> {
    /// Decides the sharing among the nodes for which `live` says that they are computed.
    pub fn new(graph: &'a Graph, variables: &'a VariableLayout, live: &[bool]) -> Self {
        let mut layout = Layout {
            graph,
            variables,
            links: vec![None; graph.nodes().len()],
            fixed: BTreeMap::new(),
        };
        for (value, node) in graph.nodes() {
            let Some(operation) = node.operation() else { continue };
            if let [changed, ..] = operation.updates() {
                let parent = node.inputs[*changed];
                layout.links[value.index()] = Some(Link { parent, offset: 0, keeps_stride: true });
                continue;
            }
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| graph.shape(i)).collect();
            if let Alias::Within { offset, keeps_stride } = ops::alias(&**operation, &shapes) {
                let parent = node.inputs[0];
                let dense = layout.location(parent).view.is_dense(graph.shape(parent));
                // A strided tensor has no dense view: it is copied instead.
                if keeps_stride || dense {
                    layout.links[value.index()] = Some(Link { parent, offset, keeps_stride });
                }
            }
        }
        // Later gathers first: a block that grows by concatenation ends up in its final buffer.
        for (value, node) in graph.nodes().rev() {
            if !live[value.index()] {
                continue;
            }
            let Some(operation) = node.operation() else { continue };
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| graph.shape(i)).collect();
            if let Alias::Gather { offsets, keeps_stride } = ops::alias(&**operation, &shapes) {
                layout.gather(value, &offsets, keeps_stride, live);
            }
        }
        layout
    }

    /// Where `value` lies.
    pub fn location(&self, value: Value) -> Location {
        if let Some(location) = self.fixed.get(&value) {
            return *location;
        }
        let node = self.graph.node(value);
        if let Some(link) = self.links[value.index()] {
            let parent = self.location(link.parent);
            let stride = if link.keeps_stride { parent.view.stride } else { node.shape.channels() };
            let offset = parent.view.offset + link.offset;
            return Location { owner: parent.owner, view: View { offset, stride } };
        }
        let view = View::dense(&node.shape);
        match &node.kind {
            Kind::Input => Location { owner: Owner::Input(value), view },
            Kind::Variable(variable) => {
                let offset = self.variables.find(&node.name).map_or(0, |(_, _, offset)| offset);
                let owner = Owner::Variables(variable.role);
                Location { owner, view: View { offset, ..view } }
            }
            Kind::Operation(_) => Location { owner: Owner::Own(value), view },
        }
    }

    /// Whether `value` is only another way to look at its first input's memory.
    pub fn is_view(&self, value: Value) -> bool {
        let node = self.graph.node(value);
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| self.graph.shape(i)).collect();
        node.operation()
            .is_some_and(|op| matches!(ops::alias(&**op, &shapes), Alias::Within { .. }))
            && self.links[value.index()].is_some_and(|link| link.parent == node.inputs[0])
    }

    /// Where input `index` of the gather `value` has to be, and the copies that this takes: none
    /// where its producer writes there.
    pub fn gathered(
        &self,
        value: Value,
        index: usize,
        offset: usize,
        keeps_stride: bool,
    ) -> Location {
        let whole = self.location(value);
        let shape = self.graph.shape(self.graph.node(value).inputs[index]);
        let stride = if keeps_stride { whole.view.stride } else { shape.channels() };
        Location { owner: whole.owner, view: View { offset: whole.view.offset + offset, stride } }
    }

    /// The node whose memory `value` looks into, and how far in.
    fn base(&self, value: Value) -> (Value, usize) {
        let mut at = value;
        let mut offset = 0;
        while let Some(link) = self.links[at.index()] {
            if !self.is_view(at) {
                break;
            }
            offset += link.offset;
            at = link.parent;
        }
        (at, offset)
    }

    fn gather(&mut self, value: Value, offsets: &[usize], keeps_stride: bool, live: &[bool]) {
        let inputs = self.graph.node(value).inputs.clone();
        // Variables that already stand in this order need nothing.
        if !keeps_stride && let Some(&first) = inputs.first() {
            let start = self.location(first);
            let in_place = inputs.iter().zip(offsets).all(|(&input, offset)| {
                let location = self.location(input);
                location.owner == start.owner && location.view.offset == start.view.offset + offset
            });
            if in_place && matches!(start.owner, Owner::Variables(_)) {
                let stride = self.graph.shape(value).channels();
                let view = View { offset: start.view.offset, stride };
                self.fixed.insert(value, Location { owner: start.owner, view });
                return;
            }
        }
        // Backwards: where the later parts are computed from the first, as in a cell that passes its
        // input on, one copy of that input leaves all the others free.
        for (index, &input) in inputs.iter().enumerate().rev() {
            let (base, within) = self.base(input);
            let node = self.graph.node(base);
            let free = self.links[base.index()].is_none()
                && !self.fixed.contains_key(&base)
                && matches!(&node.kind, Kind::Operation(op) if op.updates().is_empty());
            // All of the base must be claimed by this gather, at one distance.
            let claims: Vec<usize> =
                (0..inputs.len()).filter(|&other| self.base(inputs[other]).0 == base).collect();
            let claimed: usize =
                claims.iter().map(|&i| self.graph.shape(inputs[i]).elements()).sum();
            let consistent = claims.iter().all(|&other| {
                offsets[other].checked_sub(self.base(inputs[other]).1)
                    == offsets[index].checked_sub(within)
            });
            let whole = if keeps_stride { base == input && claims.len() == 1 } else { true };
            let Some(offset) = offsets[index].checked_sub(within) else { continue };
            if !(free && consistent && whole && claimed == node.shape.elements()) {
                continue;
            }
            // Between the rows of a part of the whole stand others' numbers, where a dense view would see them.
            if keeps_stride && self.is_seen_dense(base, live) {
                continue;
            }
            self.links[base.index()] = Some(Link { parent: value, offset, keeps_stride });
            if self.conflicts(live) {
                self.links[base.index()] = None;
            }
        }
    }

    /// Whether something that is computed looks at all of `base` as at one dense row of numbers.
    fn is_seen_dense(&self, base: Value, live: &[bool]) -> bool {
        self.graph.nodes().any(|(value, _)| {
            let link = self.links[value.index()];
            live[value.index()]
                && link.is_some_and(|link| !link.keeps_stride)
                && self.is_view(value)
                && self.base(value).0 == base
        })
    }

    /// Whether some kernel, or a copy that a gather or a view takes, would read and write one buffer.
    fn conflicts(&self, live: &[bool]) -> bool {
        self.graph.nodes().any(|(value, node)| {
            let Some(operation) = node.operation() else { return false };
            if !live[value.index()] || !operation.updates().is_empty() {
                return false;
            }
            let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| self.graph.shape(i)).collect();
            let own = self.location(value);
            let mut inputs = node.inputs.iter().enumerate();
            match ops::alias(&**operation, &shapes) {
                Alias::None => inputs.any(|(_, &input)| self.location(input).owner == own.owner),
                Alias::Within { .. } => {
                    let copied = !self.is_view(value);
                    copied
                        && node.inputs.iter().any(|&input| self.location(input).owner == own.owner)
                }
                Alias::Gather { offsets, keeps_stride } => inputs.any(|(index, &input)| {
                    let (from, to) = (
                        self.location(input),
                        self.gathered(value, index, offsets[index], keeps_stride),
                    );
                    from != to && from.owner == to.owner
                }),
            }
        })
    }
}
