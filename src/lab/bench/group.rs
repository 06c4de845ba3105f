//! The parts of a job over layers: those of one operation that one network is the first to need.

use serde::{Deserialize, Serialize};

use super::Layer;
use crate::lab::run_folder::parts::Part;

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// From 0, in order of running.
    pub task: usize,
    /// The network; null for shapes of none.
    pub network: Option<String>,
    /// The operation.
    pub op: String,
    /// How many shapes it has there.
    pub shapes: usize,
}

impl Group {
    /// The parts of `layers`, in their order.
    pub fn all(layers: &[Layer]) -> Vec<Self> {
        let mut groups: Vec<Group> = Vec::new();
        for layer in layers {
            match groups.iter_mut().find(|group| group.has(layer)) {
                Some(group) => group.shapes += 1,
                None => groups.push(Group {
                    task: groups.len(),
                    network: layer.network.map(str::to_owned),
                    op: layer.case.operation.name().to_owned(),
                    shapes: 1,
                }),
            }
        }
        groups
    }

    /// Whether the layer is of it.
    pub fn has(&self, layer: &Layer) -> bool {
        self.network.as_deref() == layer.network && self.op == layer.case.operation.name()
    }

    /// In a line.
    pub fn words(&self) -> String {
        let shapes = if self.shapes == 1 { "shape" } else { "shapes" };
        let network = self.network.as_ref().map_or(String::new(), |name| format!("{name} "));
        format!("{network}{}  {} {shapes}", self.op, self.shapes)
    }
}

impl Part for Group {
    fn name(&self) -> String {
        // A network of somebody's file may be called anything.
        let plain = |letter: char| match letter {
            letter if letter.is_ascii_alphanumeric() || "-_".contains(letter) => letter,
            _ => '_',
        };
        let network: String =
            self.network.as_deref().unwrap_or("any").chars().map(plain).take(60).collect();
        format!("{network}-{}", self.op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::{Phase, layers};
    use crate::nets::models;

    #[test]
    fn every_layer_is_of_one_part() {
        let networks =
            ["compact-resnet", "compact-xception"].map(|name| models::find(name).unwrap());
        let all = layers(&networks, &[Phase::Forward], 2, Some([32, 32])).unwrap();
        let groups = Group::all(&all);
        let of = |layer: &Layer| groups.iter().filter(|group| group.has(layer)).count();
        assert!(all.iter().all(|layer| of(layer) == 1));
        assert_eq!(groups.iter().map(|group| group.shapes).sum::<usize>(), all.len());
        assert!(groups.iter().enumerate().all(|(task, group)| group.task == task));
        let mut names: Vec<String> = groups.iter().map(Part::name).collect();
        assert!(names.contains(&"compact-resnet-conv2d".to_owned()), "{names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), groups.len(), "each has a folder of its own");
    }
}
