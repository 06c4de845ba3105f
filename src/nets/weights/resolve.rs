//! Which layer of a file is which layer of a model.
//!
//! Three ways are tried in turn, and one is taken when it leaves nothing over and every shape fits:
//!
//! 1. By name. What Keras numbers itself (`conv2d_94`) counts on through a process, so those names
//!    are matched by rank: the lowest number of a stem is the model's lowest.
//! 2. By class and number, where the file has them, as Keras 3 reads `.weights.h5`.
//! 3. By order, as Keras reads legacy files.
//!
//! The head is matched by what it is, the last dense layer, since users name it as they like.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Weights;
use super::keras_weights::snake_case;
use super::order::keras_order;
use super::raw::{Format, Raw, RawLayer, numbered};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};
use crate::nets::models::{self, Layer, Mode, Model, Network};

/// What to do with the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// It must be there and fit.
    Keep,
    /// It is left out, whether it is there or not.
    Drop,
}

/// For every tensor of the model: its name, and the layer and the tensor of the file.
type Places = Vec<(String, usize, usize)>;

/// A way to match layers: pairs of indices (of the file, of the model), and what is left over.
#[derive(Default)]
struct Matching {
    pairs: Vec<(usize, usize)>,
    missing: Vec<usize>,
    extra: Vec<usize>,
}

/// Why a file is not that of a model, and how many layers it has that are.
struct Misfit {
    fitting: usize,
    problem: String,
}

impl Raw {
    /// The weights under the names of `model`.
    ///
    /// # Errors
    /// [`Error::Content`] with the first layer that is missing, left over or of another shape (both
    /// shapes), how many there are, and the network that the file is of, if it is another; or with
    /// the layer that holds a number that is not finite.
    pub fn resolve(mut self, model: &Model, top: Top) -> Result<Weights> {
        let name = model.network.name;
        let places = self.places(model, top).map_err(|misfit| {
            match self.identify().ok().filter(|other| other.name != name) {
                Some(other) => Error::content(
                    &self.path,
                    format!("these are weights of {}, not of {name}", other.name),
                    format!("use --model {}, or other weights", other.name),
                ),
                None => self.refused(name, misfit.problem),
            }
        })?;
        // Before its tensors are taken out.
        let head_kept = top == Top::Keep && self.units(model.network).is_some();
        let mut weights = Weights::default();
        for (name, layer, tensor) in places {
            let (_, tensor) = &mut self.layers[layer].tensors[tensor];
            weights
                .tensors
                .insert(name, std::mem::replace(tensor, crate::engine::tensor::Tensor::zeros([0])));
        }
        if let Some(tensor) = weights.not_finite() {
            return Err(Error::content(
                &self.path,
                format!("{tensor} holds a number that is not finite"),
                "the training that made it has diverged: use an earlier checkpoint",
            ));
        }
        weights.metadata = self.metadata;
        weights.metadata.insert("model".to_owned(), name.to_owned());
        weights.metadata.insert("format".to_owned(), "parula".to_owned());
        weights.note_dense(model.network.dense());
        weights.metadata.remove("classes");
        if head_kept {
            weights.metadata.insert("classes".to_owned(), model.classes.to_string());
        }
        Ok(weights)
    }

    /// The network that the file is of: the one that we noted in it, or the one whose layers all
    /// fit.
    ///
    /// # Errors
    /// [`Error::Content`] when it is of none, with what keeps it from being the nearest.
    pub fn identify(&self) -> Result<&'static Network> {
        let noted = self.metadata.get("model");
        if let Some(network) =
            models::all().find(|network| Some(network.name) == noted.map(String::as_str))
        {
            return self.deepened(network);
        }
        let mut nearest: Option<(&Network, Misfit)> = None;
        for network in models::all() {
            let classes = self.units(network).unwrap_or(1).max(1);
            let network = if network.segments() { network } else { self.deepened(network)? };
            let model = network.build(Mode::Inference, 1, network.input, classes)?;
            let top = if self.head().is_some() { Top::Keep } else { Top::Drop };
            match self.places(&model, top) {
                Ok(_) => return Ok(network),
                Err(misfit) => {
                    if nearest.as_ref().is_none_or(|(_, other)| misfit.fitting > other.fitting) {
                        nearest = Some((network, misfit));
                    }
                }
            }
        }
        Err(match nearest {
            Some((network, misfit)) if misfit.fitting > 0 => {
                self.refused(network.name, misfit.problem)
            }
            _ => Error::content(
                &self.path,
                "these are weights of none of the networks",
                match self.config.as_deref().is_some_and(|text| text.contains("\"class_name\"")) {
                    true => {
                        "give the file of a model of your own as it is; `parula models` lists the networks"
                    }
                    false => "`parula models` lists them",
                },
            ),
        })
    }

    /// Puts layers and their tensors in the order of `network`, if all of its are here; what it does not
    /// have stays behind them.
    ///
    /// # Errors
    /// Those of building the network.
    pub fn arrange(&mut self, network: &'static Network) -> Result<()> {
        let classes = self.units(network).unwrap_or(1).max(1);
        let model = network.build(Mode::Inference, 1, network.input, classes)?;
        let top = if self.head().is_some() { Top::Keep } else { Top::Drop };
        let Ok(places) = self.places(&model, top) else { return Ok(()) };
        let rank = |layer: usize, tensor: usize| {
            let found = places.iter().position(|(_, own, at)| (*own, *at) == (layer, tensor));
            found.unwrap_or(places.len())
        };
        let mut layers: Vec<(usize, RawLayer)> = Vec::new();
        for (index, mut layer) in std::mem::take(&mut self.layers).into_iter().enumerate() {
            let tensors = std::mem::take(&mut layer.tensors).into_iter().enumerate();
            let mut tensors: Vec<_> =
                tensors.map(|(at, tensor)| (rank(index, at), tensor)).collect();
            tensors.sort_by_key(|(rank, _)| *rank);
            let first = tensors.first().map_or(places.len(), |(rank, _)| *rank);
            layer.tensors = tensors.into_iter().map(|(_, tensor)| tensor).collect();
            layers.push((first, layer));
        }
        layers.sort_by_key(|(first, _)| *first);
        self.layers = layers.into_iter().map(|(_, layer)| layer).collect();
        Ok(())
    }

    fn refused(&self, network: &str, problem: String) -> Error {
        Error::content(&self.path, problem, format!("use weights that were made for {network}"))
    }

    /// Where the tensors of `model` are in this file.
    fn places(&self, model: &Model, top: Top) -> Result<Places, Misfit> {
        let order = keras_order(&model.layers);
        let weighted = order.iter().map(|&index| &model.layers[index]);
        let mut body: Vec<&Layer> = weighted.filter(|layer| !layer.weights.is_empty()).collect();
        let head = body.iter().rposition(|layer| layer.class == "Dense");
        let head = head.map(|index| body.remove(index));
        let own_head = self.head();
        let own: Vec<usize> = (0..self.layers.len()).filter(|&i| Some(i) != own_head).collect();
        let task = Task { raw: self, model, own, body };
        let mut places = task.body()?;
        if top == Top::Keep {
            let fitting = places.len();
            let misfit = |problem| Misfit { fitting, problem };
            if let Some(layer) = head {
                let index = own_head.ok_or_else(|| {
                    misfit(format!(
                        "it has no head: {} needs {}",
                        model.network.name,
                        task.describe(layer)
                    ))
                })?;
                places.extend(task.tensors(index, layer).map_err(misfit)?);
            }
        }
        Ok(places)
    }
}

/// The layers below the head: those of the file, and those of the model in Keras's order.
struct Task<'a> {
    raw: &'a Raw,
    model: &'a Model,
    own: Vec<usize>,
    body: Vec<&'a Layer>,
}

impl Task<'_> {
    /// The tensors below the head, by the first way that fits, or why the nearest does not.
    fn body(&self) -> Result<Places, Misfit> {
        let ways = [self.by_name(), self.by_class(), self.by_order()];
        let mut nearest: Option<Misfit> = None;
        for matching in ways.into_iter().flatten() {
            match self.check(&matching) {
                Ok(places) => return Ok(places),
                Err(misfit) => {
                    if nearest.as_ref().is_none_or(|other| misfit.fitting > other.fitting) {
                        nearest = Some(misfit);
                    }
                }
            }
        }
        let name = self.model.network.name;
        Err(nearest.unwrap_or_else(|| Misfit {
            fitting: 0,
            problem: format!(
                "it has {} layers with weights, {name} has {}",
                self.own.len(),
                self.body.len()
            ),
        }))
    }

    fn by_name(&self) -> Option<Matching> {
        let label = |&index: &usize| self.raw.layers[index].name.clone();
        let own: Vec<String> = self.own.iter().map(label).collect::<Option<_>>()?;
        let numbered_by_keras: HashSet<String> =
            self.body.iter().map(|layer| snake_case(layer.class)).collect();
        let theirs: Vec<String> = self.body.iter().map(|layer| layer.name.clone()).collect();
        let auto = |name: &str| numbered_by_keras.contains(numbered(name).0);
        Some(self.join(&ranked(&own, auto), &ranked(&theirs, auto)))
    }

    fn by_class(&self) -> Option<Matching> {
        let class = |&index: &usize| {
            self.raw.layers[index].class.as_ref().map(|(class, number)| format!("{class}_{number}"))
        };
        let own: Vec<String> = self.own.iter().map(class).collect::<Option<_>>()?;
        let mut counts: HashMap<String, usize> = HashMap::new();
        let theirs = self.body.iter().map(|layer| {
            let class = snake_case(layer.class);
            let count = counts.entry(class.clone()).or_default();
            *count += 1;
            format!("{class}_{}", *count - 1)
        });
        let theirs: Vec<String> = theirs.collect();
        Some(self.join(&ranked(&own, |_| true), &ranked(&theirs, |_| true)))
    }

    fn by_order(&self) -> Option<Matching> {
        let same = self.raw.ordered && self.own.len() == self.body.len();
        let pairs = self.own.iter().copied().zip(0..).collect();
        same.then(|| Matching { pairs, ..Matching::default() })
    }

    /// Pairs what has the same key.
    fn join(&self, own: &[Key], theirs: &[Key]) -> Matching {
        let mut rest: HashMap<&Key, usize> = own.iter().zip(self.own.iter().copied()).collect();
        let mut matching = Matching::default();
        for (key, index) in theirs.iter().zip(0..) {
            match rest.remove(key) {
                Some(layer) => matching.pairs.push((layer, index)),
                None => matching.missing.push(index),
            }
        }
        let paired: HashSet<usize> = matching.pairs.iter().map(|pair| pair.0).collect();
        matching.extra = self.own.iter().copied().filter(|index| !paired.contains(index)).collect();
        matching
    }

    fn check(&self, matching: &Matching) -> Result<Places, Misfit> {
        let name = self.model.network.name;
        let (mut places, mut fitting, mut problem) = (Places::new(), 0, None);
        for &(own, index) in &matching.pairs {
            match self.tensors(own, self.body[index]) {
                Ok(found) => {
                    places.extend(found);
                    fitting += 1;
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        if let Some(&first) = matching.missing.first() {
            problem = Some(format!(
                "{name} needs layer {}, which is not there ({} of {} layers are missing)",
                self.describe(self.body[first]),
                matching.missing.len(),
                self.body.len()
            ));
        } else if let Some(&first) = matching.extra.first() {
            let layer = &self.raw.layers[first];
            problem = problem.or_else(|| {
                let (label, tensors) = (layer.label(), layer.describe());
                let others = matching.extra.len() - 1;
                let more =
                    if others == 0 { String::new() } else { format!(", nor for {others} more") };
                Some(format!("{name} has no layer for {label} ({tensors}){more}"))
            });
        }
        match problem {
            None => Ok(places),
            Some(problem) => Err(Misfit { fitting, problem }),
        }
    }

    /// Where the tensors of the model's `layer` are in the file's layer `index`, or what is wrong.
    fn tensors(&self, index: usize, layer: &Layer) -> Result<Places, String> {
        let own = &self.raw.layers[index];
        let name = self.model.network.name;
        if own.tensors.len() != layer.weights.len() {
            return Err(format!(
                "layer {} holds {}, {name} needs {}",
                titled(own, layer),
                own.describe(),
                self.describe(layer)
            ));
        }
        let mut places = Places::new();
        for (position, full) in layer.weights.iter().enumerate() {
            let variable = full.rsplit('/').next().unwrap_or(full);
            let named = own.tensors.iter().position(|(name, _)| name == variable);
            // Keras goes by position; a safetensors file has none.
            let found = if self.raw.format == Format::Safetensors {
                named
            } else {
                named.or(Some(position))
            };
            let Some(found) = found else {
                return Err(format!(
                    "{name} needs {full}, layer {} holds {}",
                    own.label(),
                    own.describe()
                ));
            };
            let (shape, needed) = (own.tensors[found].1.shape(), self.shape(full));
            if *shape != needed {
                return Err(format!(
                    "{variable} of layer {} is {shape}, {name} needs {needed}",
                    titled(own, layer)
                ));
            }
            places.push((full.clone(), index, found));
        }
        Ok(places)
    }

    fn shape(&self, variable: &str) -> Shape {
        let graph = &self.model.graph;
        graph.find(variable).map_or(Shape::new([]), |value| graph.shape(value).clone())
    }

    fn describe(&self, layer: &Layer) -> String {
        let variables = layer.weights.iter().map(|full| {
            let variable = full.rsplit('/').next().unwrap_or(full);
            format!("{variable} {}", self.shape(full))
        });
        format!("{} ({})", layer.name, variables.collect::<Vec<_>>().join(", "))
    }
}

/// The model's name of a layer, and the file's where it is another.
fn titled(own: &RawLayer, layer: &Layer) -> String {
    if own.label() == layer.name {
        layer.name.clone()
    } else {
        format!("{} ({} in the file)", layer.name, own.label())
    }
}

/// What layers are matched by: a name, or a stem and a rank among its numbers.
type Key = (String, usize);

/// The keys of `names`: those that are `auto`matic by stem and rank.
fn ranked(names: &[String], auto: impl Fn(&str) -> bool) -> Vec<Key> {
    let mut stems: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    let mut keys: Vec<Key> = names.iter().map(|name| (name.clone(), 0)).collect();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| auto(name)) {
        let (stem, number) = numbered(name);
        stems.entry(stem).or_default().push((number, index));
    }
    for (stem, mut members) in stems {
        members.sort_unstable();
        for (rank, (_, index)) in members.into_iter().enumerate() {
            keys[index] = (stem.to_owned(), rank);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<Key> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        ranked(&names, |name| numbered(name).0 == "conv2d")
    }

    #[test]
    fn numbers_that_keras_gave_are_ranked_and_others_stay() {
        let first = keys(&["conv2d", "conv2d_1", "block_1_x", "conv2d_2"]);
        assert_eq!(keys(&["conv2d_9", "conv2d_10", "block_1_x", "conv2d_11"]), first);
        assert_ne!(keys(&["conv2d_9", "conv2d_10", "block_2_x", "conv2d_11"]), first);
        // Ten comes after nine, wherever it stands.
        assert_eq!(keys(&["conv2d_10", "conv2d_9"]), [("conv2d".into(), 1), ("conv2d".into(), 0)]);
    }
}
