//! Layers of several tensors: sums, products, extremes, and channels side by side. Where one tensor has
//! one of an axis it is repeated along it.

use super::{Kind, kind};
use crate::error::Result;
use crate::graph::Value;
use crate::keras::site::{Site, Tensor, described};
use crate::ops::{
    Activate, Activation, ChannelAffine, Concat, Curve, Elementwise, Expand, Instruction,
    Operation, Reshape,
};

pub(super) const LAYERS: &[Kind] = &[
    kind("Add", |site| merge(site, Instruction::Add)),
    kind("Subtract", |site| merge(site, Instruction::Subtract)),
    kind("Multiply", |site| merge(site, Instruction::Multiply)),
    kind("Maximum", |site| merge(site, Instruction::Maximum)),
    kind("Minimum", |site| merge(site, Instruction::Minimum)),
    kind("Average", average),
    kind("Concatenate", concatenate),
    // What Keras 3 makes of `x / 127.5` and the like, and Keras 2 of the same.
    kind("TrueDivide", divide),
    kind("Divide", divide),
    kind("Negative", |site| scaled(site, -1.0, 0.0)),
    kind("TFOpLambda", of_tensorflow),
];

/// Folds the inputs, from the first on.
fn merge(site: &mut Site, instruction: Instruction) -> Result<Tensor> {
    site.fields.finish()?;
    if !site.numbers.is_empty() {
        return with_number(site, instruction);
    }
    if !site.constants.is_empty() {
        return with_constants(site, instruction);
    }
    let inputs = repeated(site)?;
    fold(site, &inputs, instruction)
}

fn fold(site: &mut Site, inputs: &[Value], instruction: Instruction) -> Result<Tensor> {
    let two = instruction == Instruction::Subtract;
    let (mut value, rest) = match inputs {
        [first, rest @ ..] if !rest.is_empty() && (!two || rest.len() == 1) => (*first, rest),
        _ => {
            let problem = format!("it is called with {} tensors", inputs.len());
            return Err(site.fields.refuse(problem, "call it with two or more; Subtract with two"));
        }
    };
    let (last, before) = (rest[rest.len() - 1], &rest[..rest.len() - 1]);
    for (index, &next) in before.iter().enumerate() {
        let operation = Elementwise::one(instruction);
        value = site.part(&format!("part_{index}"), operation, &[value, next])?;
    }
    site.add(Elementwise::one(instruction), &[value, last])
}

/// A tensor and a number, in either order.
fn with_number(site: &mut Site, instruction: Instruction) -> Result<Tensor> {
    let (place, number) = match (&site.numbers[..], site.inputs.len()) {
        (&[(place, number)], 1) if place < 2 => (place, number),
        _ => return Err(site.fields.refuse("its numbers are not understood", "call it with one")),
    };
    match (instruction, place) {
        (Instruction::Add, _) => scaled(site, 1.0, number),
        (Instruction::Multiply, _) => scaled(site, number, 0.0),
        (Instruction::Subtract, 1) => scaled(site, 1.0, -number),
        (Instruction::Subtract, _) => scaled(site, -1.0, number),
        _ => Err(site.fields.refuse("a number is among what it compares", "compare tensors")),
    }
}

/// A tensor and a constant for each channel, in either order.
fn with_constants(site: &mut Site, instruction: Instruction) -> Result<Tensor> {
    let x = site.x()?;
    let channels = site.shape(x).channels();
    let (place, constant) = match &site.constants[..] {
        [(place, all)] if *place < 2 && all.len() == channels => (*place, all.clone()),
        _ => {
            let problem = format!("its numbers are not one for each of {channels} channels");
            return Err(site.fields.refuse(problem, "call it with as many as there are channels"));
        }
    };
    let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
    let turned = || constant.iter().map(|number| -number).collect();
    let (scale, shift): (Vec<f64>, Vec<f64>) = match (instruction, place) {
        (Instruction::Add, _) => (ones, constant),
        (Instruction::Multiply, _) => (constant, zeros),
        (Instruction::Subtract, 1) => (ones, turned()),
        (Instruction::Subtract, _) => (vec![-1.0; channels], constant),
        _ => {
            return Err(site
                .fields
                .refuse("numbers are among what it compares", "compare tensors"));
        }
    };
    let affine = site.constant("scale_and_shift", &[2, channels], &[scale, shift].concat())?;
    site.add(ChannelAffine { activation: Activation::None }, &[x, affine])
}

/// x * factor + summand.
fn scaled(site: &mut Site, factor: f64, summand: f64) -> Result<Tensor> {
    site.fields.finish()?;
    let x = site.x()?;
    let (factor, summand) = (factor as f32, summand as f32);
    match (factor, summand) {
        (1.0, _) => site.add(Elementwise::one(Instruction::Offset(summand)), &[x]),
        (_, 0.0) => site.add(Elementwise::one(Instruction::Scale(factor)), &[x]),
        _ => {
            let scaled = site.part("scaled", Elementwise::one(Instruction::Scale(factor)), &[x])?;
            site.add(Elementwise::one(Instruction::Offset(summand)), &[scaled])
        }
    }
}

fn divide(site: &mut Site) -> Result<Tensor> {
    if let [(1, all)] = &mut site.constants[..]
        && all.iter().all(|number| *number != 0.0)
    {
        all.iter_mut().for_each(|number| *number = 1.0 / *number);
        site.fields.finish()?;
        return with_constants(site, Instruction::Multiply);
    }
    match site.numbers[..] {
        [(1, number)] if number != 0.0 => scaled(site, 1.0 / number, 0.0),
        _ => Err(site.fields.refuse("it divides by a tensor", "divide by a number")),
    }
}

fn unary(site: &mut Site, operation: impl Operation + 'static) -> Result<Tensor> {
    site.fields.finish()?;
    let x = site.x()?;
    site.add(operation, &[x])
}

/// An operation of TensorFlow in a model of Keras 2: arithmetic of two, and common activations.
fn of_tensorflow(site: &mut Site) -> Result<Tensor> {
    let function = site.fields.text_or("function", "")?;
    let instruction = match function {
        "math.add" | "__operators__.add" => Instruction::Add,
        "math.subtract" => Instruction::Subtract,
        "math.multiply" => Instruction::Multiply,
        "math.truediv" | "math.divide" => return divide(site),
        "nn.relu" => return unary(site, Elementwise::relu()),
        "nn.relu6" => return unary(site, Elementwise::relu6()),
        "nn.silu" | "nn.swish" => return unary(site, Activate(Curve::Silu)),
        "nn.sigmoid" | "math.sigmoid" => return unary(site, Activate(Curve::Sigmoid)),
        "math.tanh" | "nn.tanh" => return unary(site, Activate(Curve::Tanh)),
        _ => return Err(site.fields.strange("function")),
    };
    merge(site, instruction)
}

fn average(site: &mut Site) -> Result<Tensor> {
    site.fields.finish()?;
    let inputs = repeated(site)?;
    let count = inputs.len();
    let mut value = *inputs.first().ok_or_else(|| site.fields.refuse("no input", "give two"))?;
    for (index, &next) in inputs[1..].iter().enumerate() {
        value = site.part(&format!("sum_{index}"), Elementwise::add(), &[value, next])?;
    }
    site.add(Elementwise::one(Instruction::Scale(1.0 / count as f32)), &[value])
}

/// The inputs at the shape that all of them together have.
fn repeated(site: &mut Site) -> Result<Vec<Value>> {
    let inputs = site.inputs.clone();
    let shapes: Vec<_> = inputs.iter().map(|&input| site.shape(input)).collect();
    if shapes.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(inputs);
    }
    let refused = |site: &Site| {
        let shown: Vec<String> = shapes.iter().map(described).collect();
        site.fields.refuse(format!("it is called with {}", shown.join(" and ")), "look before it")
    };
    // Keras gives the shorter ones axes of one behind that of the images.
    let rank = shapes.iter().map(|shape| shape.rank()).max().unwrap_or(0);
    if shapes.iter().any(|shape| !(2..=4).contains(&shape.rank())) {
        return Err(refused(site));
    }
    // (N, C) is (N, 1, 1, C) here.
    let wide = |dims: &[usize]| -> [usize; 4] {
        let mut wide = [1; 4];
        wide[0] = dims[0];
        wide[5 - dims.len()..].copy_from_slice(&dims[1..]);
        wide
    };
    let all: Vec<[usize; 4]> = shapes.iter().map(|shape| wide(shape.dims())).collect();
    let to: [usize; 4] =
        std::array::from_fn(|axis| all.iter().map(|dims| dims[axis]).max().unwrap_or(1));
    let fits = |dims: &[usize; 4]| (0..4).all(|axis| dims[axis] == 1 || dims[axis] == to[axis]);
    if !all.iter().all(fits) {
        return Err(refused(site));
    }
    site.checked(&to)?;
    let mut values = Vec::new();
    for (index, (input, dims)) in inputs.into_iter().zip(&all).enumerate() {
        let mut value = input;
        if *dims != to || shapes[index].rank() != rank {
            value = site.part(&format!("as_image_{index}"), Reshape((*dims).into()), &[value])?;
            value =
                site.part(&format!("repeated_{index}"), Expand { from: *dims, to }, &[value])?;
            if rank < 4 {
                let narrow: Vec<usize> = [&to[..1], &to[5 - rank..]].concat();
                value = site.part(&format!("narrow_{index}"), Reshape(narrow.into()), &[value])?;
            }
        }
        values.push(value);
    }
    Ok(values)
}

fn concatenate(site: &mut Site) -> Result<Tensor> {
    let axes = site.fields.signed("axis")?;
    site.fields.finish()?;
    let inputs = site.inputs.clone();
    let rank = inputs.first().map_or(0, |&first| site.shape(first).rank()) as i64;
    if axes.iter().any(|&axis| axis != -1 && axis != rank - 1) {
        return Err(site.fields.strange("axis"));
    }
    match inputs[..] {
        [one] => Ok(one.into()),
        _ => site.add(Concat, &inputs),
    }
}
