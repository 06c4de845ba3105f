//! Operations of TensorFlow in models of Keras 2, as the operations of `keras.ops` that they are: what Keras 3 has in the
//! configuration of a layer stands in its call there.

use serde_json::{Map, Value as Json, json};

use super::config::{Argument, Call, Entry, Net, row_of};

/// Makes such operations in `net`, and in the models inside, what Keras 3 would have written.
pub(super) fn translate(net: &mut Net) {
    for entry in &mut net.layers {
        match &mut entry.inner {
            Some(inner) => translate(inner),
            None => translate_one(entry),
        }
    }
}

/// The same of one layer; what is no such operation stays as it is.
fn translate_one(entry: &mut Entry) {
    let function = match entry.class.as_str() {
        "SlicingOpLambda" => "getitem",
        "TFOpLambda" => entry.config.get("function").and_then(Json::as_str).unwrap_or_default(),
        _ => return,
    };
    let [call] = &mut entry.calls[..] else { return };
    let Some((class, fields)) = translated(function, call) else { return };
    entry.class = class.to_owned();
    entry.config.retain(|name, _| ["name", "trainable", "dtype"].contains(&name.as_str()));
    entry.config.extend(fields);
}

/// The class and the fields of `function`, which are taken out of `call`. What stays there is refused where the layer is
/// built.
fn translated(function: &str, call: &mut Call) -> Option<(&'static str, Map<String, Json>)> {
    let mut fields = Map::new();
    let class = match function {
        "getitem" => {
            let pieces = call.named.get("slice_spec")?.as_array()?.clone();
            call.named.shift_remove("slice_spec");
            call.arguments.extend(pieces.into_iter().map(piece));
            "GetItem"
        }
        "nn.bias_add" => {
            let bias = row_of(call.named.get("bias")?)?;
            let format = call.named.get("data_format").unwrap_or(&Json::Null);
            if !format.is_null() && format != "NHWC" {
                return None;
            }
            call.named.retain(|name, _| !["bias", "data_format"].contains(&name.as_str()));
            call.arguments.push(Argument::Numbers(bias));
            "Add"
        }
        "math.reduce_mean" | "math.reduce_sum" | "math.reduce_max" => {
            take(call, &mut fields, "axis", "axis");
            take(call, &mut fields, "keepdims", "keepdims");
            match function {
                "math.reduce_mean" => "Mean",
                "math.reduce_sum" => "Sum",
                _ => "Max",
            }
        }
        "concat" => {
            take(call, &mut fields, "axis", "axis");
            "Concatenate"
        }
        "cast" => {
            take(call, &mut fields, "dtype", "dtype");
            "Cast"
        }
        "expand_dims" => {
            take(call, &mut fields, "axis", "axis");
            "ExpandDims"
        }
        "image.resize" => {
            take(call, &mut fields, "size", "size");
            take(call, &mut fields, "method", "interpolation");
            take(call, &mut fields, "antialias", "antialias");
            "Resize"
        }
        "nn.leaky_relu" => {
            // Its own default is that of keras.ops, and not that of the layer.
            fields.insert("negative_slope".to_owned(), json!(0.2));
            take(call, &mut fields, "alpha", "negative_slope");
            "LeakyRelu"
        }
        "nn.softmax" => {
            take(call, &mut fields, "axis", "axis");
            "Softmax"
        }
        "math.add" | "__operators__.add" => "Add",
        "math.subtract" => "Subtract",
        "math.multiply" => "Multiply",
        "math.truediv" | "math.divide" => "TrueDivide",
        "nn.relu" => "Relu",
        "nn.relu6" => "Relu6",
        "nn.silu" | "nn.swish" => "Silu",
        "nn.sigmoid" | "math.sigmoid" => "Sigmoid",
        "math.tanh" | "nn.tanh" => "Tanh",
        "nn.elu" => "Elu",
        "math.negative" => "Negative",
        "math.square" => "Square",
        "math.sqrt" => "Sqrt",
        "math.exp" => "Exp",
        "math.abs" => "Absolute",
        "math.softplus" => "Softplus",
        "math.maximum" => "Maximum",
        "math.minimum" => "Minimum",
        _ => return None,
    };
    Some((class, fields))
}

/// Moves what `call` names `from` into the field `to`.
fn take(call: &mut Call, fields: &mut Map<String, Json>, from: &str, to: &str) {
    if let Some(value) = call.named.shift_remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// A part of an index as Keras 3 writes it.
fn piece(part: Json) -> Argument {
    match part {
        Json::Number(number) => Argument::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::Object(part) if !part.contains_key("class_name") => {
            Argument::Other(json!({"class_name": "__slice__", "config": part}))
        }
        other => Argument::Other(other),
    }
}
