//! Activations: as layers of their own, and as a field of others.

use serde_json::Value as Json;

use super::{Kind, kind};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::{Activate, Curve, Elementwise, Normalize};
use crate::error::Result;
use crate::nets::keras::fields::Fields;
use crate::nets::keras::function::Function;
use crate::nets::keras::site::{Site, Tensor};

pub(super) const LAYERS: &[Kind] = &[
    kind("Activation", activation),
    kind("ReLU", |site| layer(site, relu)),
    kind("LeakyReLU", |site| layer(site, leaky)),
    kind("ELU", |site| layer(site, |fields| Ok(Function::Curve(elu(fields)?)))),
    kind("ThresholdedReLU", |site| layer(site, thresholded)),
    kind("Softmax", |site| layer(site, softmax)),
    kind("PReLU", super::prelu::prelu),
    // Operations of `keras.ops` on tensors.
    kind("Relu", |site| operation(site, "relu")),
    kind("Relu6", |site| operation(site, "relu6")),
    kind("Sigmoid", |site| operation(site, "sigmoid")),
    kind("Silu", |site| operation(site, "silu")),
    kind("Tanh", |site| operation(site, "tanh")),
    kind("Softplus", |site| operation(site, "softplus")),
    kind("Softsign", |site| operation(site, "softsign")),
    kind("Selu", |site| operation(site, "selu")),
    kind("HardSigmoid", |site| operation(site, "hard_sigmoid")),
    kind("HardSilu", |site| operation(site, "hard_silu")),
    kind("Exp", |site| operation(site, "exponential")),
    kind("Gelu", |site| layer(site, gelu)),
    kind("LeakyRelu", |site| layer(site, leaky)),
    kind("Elu", |site| layer(site, |fields| Ok(Function::Curve(elu(fields)?)))),
    kind("Sqrt", |site| curve(site, Curve::SquareRoot)),
    kind("Reciprocal", |site| curve(site, Curve::Reciprocal)),
    kind("Absolute", |site| curve(site, Curve::Absolute)),
    kind("Abs", |site| curve(site, Curve::Absolute)),
];

fn curve(site: &mut Site, curve: Curve) -> Result<Tensor> {
    site.fields.finish()?;
    let x = site.x()?;
    site.add(Activate(curve), &[x])
}

/// Of `keras.ops`, where it is approximate unless it is told otherwise.
fn gelu(fields: &Fields) -> Result<Function> {
    let near = fields.flag_or("approximate", true)?;
    Ok(Function::Curve(if near { Curve::GeluTanh } else { Curve::Gelu }))
}

/// An operation that has the name of an activation and no fields.
fn operation(site: &mut Site, name: &str) -> Result<Tensor> {
    site.fields.finish()?;
    let x = site.x()?;
    match named(name, false).flatten() {
        Some(function) => site.activated(x, function),
        None => Ok(x.into()),
    }
}

impl Function {
    /// The activation in the field `name` of a layer; none where it is linear.
    pub fn of(site: &Site, name: &str) -> Result<Option<Self>> {
        let fields = site.fields;
        let Some(value) = fields.get(name) else { return Ok(None) };
        let found = match value {
            Json::String(word) => named(word, site.keras2),
            Json::Object(object) => {
                let class = object.get("class_name").and_then(Json::as_str).unwrap_or_default();
                // A layer that is used as a function. What is called a function is a user's: those of
                // Keras stand there by their names alone.
                match object.get("config") {
                    Some(Json::Object(map)) => {
                        let own = fields.within(name, map);
                        let made = of_class(class, &own, site)?;
                        if made.is_some() {
                            own.finish()?;
                        }
                        made
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        found.ok_or_else(|| fields.strange(name))
    }

    /// Whether the end of a classifier has it, and its scores are what comes before.
    pub fn makes_probabilities(self) -> bool {
        matches!(self, Function::Softmax | Function::Curve(Curve::Sigmoid))
    }

    /// Adds it to `graph`.
    pub fn add(self, graph: &mut Graph, name: String, x: Value) -> Result<Value> {
        match self {
            Function::Relu => graph.add(name, Elementwise::relu(), &[x]),
            Function::Relu6 => graph.add(name, Elementwise::relu6(), &[x]),
            Function::Curve(curve) => graph.add(name, Activate(curve), &[x]),
            Function::Softmax => graph.add(name, Normalize::softmax(), &[x]),
        }
    }
}

/// `Some(None)` is the linear function.
fn named(word: &str, keras2: bool) -> Option<Option<Function>> {
    let leaky = |slope| Curve::Relu { slope, threshold: 0.0, ceiling: f32::MAX };
    let curve = match word {
        "linear" => return Some(None),
        "relu" => return Some(Some(Function::Relu)),
        "relu6" => return Some(Some(Function::Relu6)),
        "softmax" => return Some(Some(Function::Softmax)),
        "leaky_relu" => leaky(0.2),
        "elu" => Curve::Elu(1.0),
        "selu" => Curve::Selu,
        "silu" | "swish" => Curve::Silu,
        "gelu" => Curve::Gelu,
        "sigmoid" => Curve::Sigmoid,
        "hard_sigmoid" if keras2 => Curve::HardSigmoid { slope: 0.2, offset: 0.5 },
        "hard_sigmoid" => Curve::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 },
        "hard_silu" | "hard_swish" => Curve::HardSilu,
        "tanh" => Curve::Tanh,
        "softplus" => Curve::Softplus,
        "softsign" => Curve::Softsign,
        "exponential" => Curve::Exponential,
        "mish" => Curve::Mish,
        _ => return None,
    };
    Some(Some(Function::Curve(curve)))
}

fn of_class(class: &str, fields: &Fields, site: &Site) -> Result<Option<Option<Function>>> {
    Ok(Some(match class {
        "Activation" => {
            return Ok(fields
                .get("activation")
                .and_then(Json::as_str)
                .and_then(|word| named(word, site.keras2)));
        }
        "ReLU" => Some(relu(fields)?),
        "LeakyReLU" => Some(leaky(fields)?),
        "ELU" => Some(Function::Curve(elu(fields)?)),
        "Softmax" => {
            over_channels(fields, site)?;
            Some(softmax(fields)?)
        }
        _ => return Ok(None),
    }))
}

fn activation(site: &mut Site) -> Result<Tensor> {
    let function = Function::of(site, "activation")?;
    site.fields.finish()?;
    let x = site.x()?;
    match function {
        Some(function) => site.activated(x, function),
        None => Ok(x.into()),
    }
}

fn layer(site: &mut Site, read: fn(&Fields) -> Result<Function>) -> Result<Tensor> {
    let function = read(site.fields)?;
    site.fields.finish()?;
    let x = site.x()?;
    if function == Function::Softmax {
        over_channels(site.fields, site)?;
    }
    site.activated(x, function)
}

/// Refuses a softmax along any axis but the last, be it the layer or the activation of one, and over all at once, which
/// is what null says. What a layer gives has as many axes as what it reads.
fn over_channels(fields: &Fields, site: &Site) -> Result<()> {
    let last = site.inputs.first().map_or(0, |&x| site.shape(x).rank()) as i64 - 1;
    let channels = |&axis: &i64| axis == -1 || axis == last;
    match fields.is_null("axis") || !fields.signed("axis")?.iter().all(channels) {
        true => Err(fields.strange("axis")),
        false => Ok(()),
    }
}

fn relu(fields: &Fields) -> Result<Function> {
    let slope = fields.number_or("negative_slope", 0.0)? as f32;
    let threshold = fields.number_or("threshold", 0.0)? as f32;
    // What equals a threshold is below it.
    let threshold = if threshold == 0.0 { 0.0 } else { threshold.next_up() };
    let ceiling = fields.number_or("max_value", f64::from(f32::MAX))? as f32;
    Ok(match (slope, threshold) {
        (0.0, 0.0) if ceiling == f32::MAX => Function::Relu,
        (0.0, 0.0) if ceiling == 6.0 => Function::Relu6,
        _ => Function::Curve(Curve::Relu { slope, threshold, ceiling }),
    })
}

fn leaky(fields: &Fields) -> Result<Function> {
    // `alpha` in Keras 2.
    let slope = fields.number_or("negative_slope", fields.number_or("alpha", 0.3)?)? as f32;
    Ok(Function::Curve(Curve::Relu { slope, threshold: 0.0, ceiling: f32::MAX }))
}

fn elu(fields: &Fields) -> Result<Curve> {
    Ok(Curve::Elu(fields.number_or("alpha", 1.0)? as f32))
}

/// Of Keras 2: x above theta, else 0.
fn thresholded(fields: &Fields) -> Result<Function> {
    let threshold = fields.number_or("theta", 1.0)? as f32;
    let threshold = threshold.next_up();
    Ok(Function::Curve(Curve::Relu { slope: 0.0, threshold, ceiling: f32::MAX }))
}

fn softmax(fields: &Fields) -> Result<Function> {
    fields.signed("axis")?;
    Ok(Function::Softmax)
}
