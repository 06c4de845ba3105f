//! Variables on the GPU, shared by all sessions of a model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::digest::fnv;
use crate::engine::gpu::{Buffer, Gpu};
use crate::engine::graph::{Graph, Init, Kind, Role};
use crate::engine::plan::{VariableLayout, allocation};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// The variables of a graph, one buffer a role. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Store {
    gpu: Arc<Gpu>,
    layout: Arc<VariableLayout>,
    buffers: Arc<BTreeMap<Role, Buffer>>,
    version: Arc<AtomicU64>,
}

impl Store {
    /// Allocates the variables of `graph` and starts each as its definition says. The numbers
    /// depend on `seed` and on the variable's name alone.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when one buffer cannot hold them; [`Error::Gpu`] when the driver has not enough
    /// memory.
    pub fn new(gpu: &Arc<Gpu>, graph: &Graph, seed: u64) -> Result<Self> {
        let layout = VariableLayout::new(graph);
        layout.check(gpu.capabilities())?;
        let mut buffers = BTreeMap::new();
        for (role, elements) in &layout.elements {
            let bytes = allocation(4 * *elements as u64);
            buffers.insert(*role, gpu.buffer(&format!("{role:?} variables"), bytes)?);
        }
        let store = Store {
            gpu: gpu.clone(),
            layout: Arc::new(layout),
            buffers: Arc::new(buffers),
            version: Arc::default(),
        };
        store.initialize(graph, seed)?;
        Ok(store)
    }

    /// Starts all variables again as `graph` defines them.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
    pub fn initialize(&self, graph: &Graph, seed: u64) -> Result<()> {
        let mut banks: BTreeMap<Role, Vec<f32>> =
            self.layout.elements.iter().map(|(role, n)| (*role, vec![0.0; *n])).collect();
        for (_, node) in graph.nodes() {
            let Kind::Variable(variable) = &node.kind else { continue };
            let Some((shape, role, offset)) = self.layout.find(&node.name) else { continue };
            if let Some(bank) = banks.get_mut(&role) {
                let target = &mut bank[offset..offset + shape.elements()];
                fill(target, &variable.init, seed, &node.name);
            }
        }
        for (role, bank) in &banks {
            self.gpu.write(self.buffer(*role)?, 0, bank)?;
        }
        self.touch();
        Ok(())
    }

    /// Names, in order of definition, of the variables that belong to the model: not the optimiser's
    /// memory, nor constants.
    pub fn names(&self) -> Vec<String> {
        self.names_of(&[Role::Trainable, Role::State])
    }

    /// Names, in order of definition, of the variables that have one of `roles`.
    pub fn names_of(&self, roles: &[Role]) -> Vec<String> {
        let own = self.layout.entries.iter().filter(|entry| roles.contains(&entry.2));
        own.map(|entry| entry.0.clone()).collect()
    }

    /// Writes one variable.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no such variable or its shape differs.
    pub fn set(&self, name: &str, tensor: &Tensor) -> Result<()> {
        let (shape, role, offset) = self.find(name)?;
        if tensor.shape() != shape {
            return Err(Error::shape(
                format!("variable {name}"),
                format!("the model has {shape}, the weights have {}", tensor.shape()),
            ));
        }
        self.gpu.write(self.buffer(role)?, 4 * offset as u64, tensor.data())?;
        self.touch();
        Ok(())
    }

    /// Reads variables, in the order of `names`, with one transfer.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no such variable; [`Error::Gpu`] when the device failed.
    pub fn get(&self, names: &[String]) -> Result<Vec<Tensor>> {
        let mut ranges = Vec::new();
        let mut shapes = Vec::new();
        for name in names {
            let (shape, role, offset) = self.find(name)?;
            ranges.push((self.buffer(role)?, 4 * offset as u64, shape.elements()));
            shapes.push(shape.clone());
        }
        let raw = self.gpu.read(&ranges)?;
        shapes.into_iter().zip(raw).map(|(shape, data)| Tensor::new(shape, data)).collect()
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> u64 {
        self.buffers.values().map(Buffer::bytes).sum()
    }

    /// Counts changes, so that sessions know when what they derived is stale.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    pub(super) fn touch(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn buffer(&self, role: Role) -> Result<&Buffer> {
        self.buffers
            .get(&role)
            .ok_or_else(|| Error::shape("variables", format!("there are none of role {role:?}")))
    }

    /// Whether a plan for `layout` can use these variables.
    pub(super) fn check(&self, layout: &VariableLayout) -> Result<()> {
        for entry in &layout.entries {
            let own = self.find(&entry.0)?;
            if own != (&entry.1, entry.2, entry.3) {
                return Err(Error::shape(
                    format!("variable {}", entry.0),
                    format!("the plan has {}, the store {}", entry.1, own.0),
                ));
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<(&crate::engine::shape::Shape, Role, usize)> {
        self.layout
            .find(name)
            .ok_or_else(|| Error::shape(format!("variable {name}"), "the model has none"))
    }
}

fn fill(target: &mut [f32], init: &Init, seed: u64, name: &str) {
    // A stream for each name, so that adding a layer does not change the others.
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ fnv(name.bytes()));
    match init {
        Init::Constant(value) => target.fill(*value),
        Init::Values(values) => {
            let numbers = target.iter_mut().zip(values.iter().cycle());
            numbers.for_each(|(number, value)| *number = *value);
        }
        Init::GlorotUniform { fan_in, fan_out } => {
            let limit = (6.0 / (*fan_in + *fan_out).max(1) as f64).sqrt();
            target.fill_with(|| random.random_range(-limit..limit) as f32);
        }
        Init::HeNormal { fan_in } => {
            // 0.8796 is the deviation of a unit normal cut at two deviations.
            let deviation = (2.0 / (*fan_in).max(1) as f64).sqrt() / 0.879_625_661_034_239_8;
            target.fill_with(|| (deviation * truncated_normal(&mut random)) as f32);
        }
    }
}

/// A unit normal number within two deviations, by Box and Muller and rejection.
fn truncated_normal(random: &mut ChaCha8Rng) -> f64 {
    loop {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        let value = radius * (std::f64::consts::TAU * random.random::<f64>()).cos();
        if value.abs() <= 2.0 {
            return value;
        }
    }
}
