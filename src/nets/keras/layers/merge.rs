//! Layers of several tensors: sums, products, extremes, and channels side by side. Where one tensor has
//! one of an axis it is repeated along it.

use super::reduce::{How, place, reduced};
use super::{Kind, kind};
use crate::engine::graph::Value;
use crate::engine::ops::{
    Activate, Activation, ChannelAffine, Concat, Curve, Elementwise, Expand, Instruction, Reshape,
};
use crate::engine::shape::Shape;
use crate::error::Result;
use crate::nets::keras::site::{Site, Tensor, constant_of, described};

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
    kind("Square", |site| power(site, 2.0)),
    kind("Power", |site| match site.numbers[..] {
        [(1, exponent)] => power(site, exponent),
        _ => Err(site.fields.refuse("its exponent is a tensor", "give a number")),
    }),
    kind("Rsqrt", |site| power(site, -0.5)),
    kind("Clip", clip),
    kind("Dot", dot),
    kind("TFOpLambda", of_tensorflow),
];

/// Folds the inputs, from the first on.
fn merge(site: &mut Site, instruction: Instruction) -> Result<Tensor> {
    site.fields.finish()?;
    if matches!(instruction, Instruction::Maximum | Instruction::Minimum) {
        constants_as_tensors(site)?;
    }
    if !site.numbers.is_empty() {
        return with_number(site, instruction);
    }
    if !site.constants.is_empty() {
        return with_constants(site, instruction);
    }
    let inputs = repeated(site)?;
    fold(site, &inputs, instruction)
}

/// Makes the numbers that the layer is called with tensors, in their places among the others.
fn constants_as_tensors(site: &mut Site) -> Result<()> {
    let numbers = site.numbers.drain(..).map(|(place, number)| (place, vec![number]));
    let mut all: Vec<(usize, Vec<f64>)> = numbers.chain(site.constants.drain(..)).collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort_by_key(|(place, _)| *place);
    let shape = site.shape(site.x()?);
    for (place, numbers) in all {
        let value = constant(site, &format!("constant_{place}"), &shape, &numbers)?;
        site.inputs.insert(place.min(site.inputs.len()), value);
    }
    Ok(())
}

/// A number, or one for each channel of a tensor of `shape`, as a tensor with one of every other axis.
fn constant(site: &mut Site, name: &str, shape: &Shape, numbers: &[f64]) -> Result<Value> {
    let channels = shape.channels();
    let all = constant_of(numbers, 0.0, channels).ok_or_else(|| {
        let problem = format!("its numbers are not one for each of {channels} channels");
        site.fields.refuse(problem, "call it with as many as there are channels")
    })?;
    let mut dims = vec![1; shape.rank().max(2)];
    if let Some(last) = dims.last_mut() {
        *last = channels;
    }
    site.constant(name, &dims, &all)
}

/// Within two numbers.
fn clip(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let mut ends = Vec::new();
    for name in ["x_min", "x_max"] {
        let numbers = fields.numbers(name)?;
        ends.push(
            *numbers.first().filter(|_| numbers.len() == 1).ok_or_else(|| fields.strange(name))?,
        );
    }
    fields.finish()?;
    if ends[0] > ends[1] {
        return Err(fields.impossible("x_min", "give less than x_max"));
    }
    let x = site.x()?;
    let shape = site.shape(x);
    let lowest = constant(site, "lowest", &shape, &ends[..1])?;
    let highest = constant(site, "highest", &shape, &ends[1..])?;
    site.inputs = vec![x, lowest, highest];
    let inputs = repeated(site)?;
    let above = Elementwise::one(Instruction::Maximum);
    let above = site.part("above", above, &inputs[..2])?;
    site.add(Elementwise::one(Instruction::Minimum), &[above, inputs[2]])
}

/// x to the power of a number.
fn power(site: &mut Site, exponent: f64) -> Result<Tensor> {
    site.fields.finish()?;
    let x = site.x()?;
    let doubled = (2.0 * exponent.abs()) as usize;
    if (doubled as f64) != 2.0 * exponent.abs() || !(1..=16).contains(&doubled) {
        let problem = format!("{exponent} is its exponent");
        return Err(site.fields.refuse(problem, "whole numbers and halves to 8 are understood"));
    }
    let mut factors = vec![x; doubled / 2];
    if doubled % 2 == 1 {
        let root = Activate(Curve::SquareRoot);
        if factors.is_empty() && exponent > 0.0 {
            return site.add(root, &[x]);
        }
        factors.push(site.part("root", root, &[x])?);
    }
    let mut product = factors[0];
    for (index, &factor) in factors.iter().enumerate().skip(1) {
        let inputs = [product, factor];
        if index + 1 == factors.len() && exponent > 0.0 {
            return site.add(Elementwise::multiply(), &inputs);
        }
        product = site.part(&format!("product_{index}"), Elementwise::multiply(), &inputs)?;
    }
    match exponent < 0.0 {
        true => site.add(Activate(Curve::Reciprocal), &[product]),
        false => Ok(product.into()),
    }
}

/// The sum of products of two vectors.
fn dot(site: &mut Site) -> Result<Tensor> {
    let fields = site.fields;
    let axes = fields.signed("axes")?;
    fields.only("normalize", &[false.into()])?;
    fields.finish()?;
    let shapes: Vec<Shape> = site.inputs.iter().map(|&input| site.shape(input)).collect();
    let [a, b] = &shapes[..] else {
        return Err(fields.refuse("it takes two tensors", "call it with two"));
    };
    if a.rank() != 2 || a != b {
        let problem = format!("it is called with {} and {}", described(a), described(b));
        return Err(fields.refuse(problem, "vectors of one length are what it takes here"));
    }
    if axes.iter().any(|&axis| axis != 1 && axis != -1) {
        return Err(fields.strange("axes"));
    }
    let inputs = site.inputs.clone();
    let products = site.part("products", Elementwise::multiply(), &inputs)?;
    site.inputs = vec![products];
    reduced(site, [1, 2], true, How::Sum)
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

/// By a number or numbers, which is a product with others, or by a tensor.
fn divide(site: &mut Site) -> Result<Tensor> {
    if let [(1, all)] = &mut site.constants[..]
        && all.iter().all(|number| *number != 0.0)
    {
        all.iter_mut().for_each(|number| *number = 1.0 / *number);
        site.fields.finish()?;
        return with_constants(site, Instruction::Multiply);
    }
    site.fields.finish()?;
    match (&site.numbers[..], &site.inputs[..]) {
        (&[(1, number)], [_]) if number != 0.0 => scaled(site, 1.0 / number, 0.0),
        (&[(0, number)], &[x]) if site.constants.is_empty() => {
            let inverse = site.part("inverse", Activate(Curve::Reciprocal), &[x])?;
            site.add(Elementwise::one(Instruction::Scale(number as f32)), &[inverse])
        }
        ([], [_, _]) if site.constants.is_empty() => {
            let inputs = repeated(site)?;
            let inverse = site.part("inverse", Activate(Curve::Reciprocal), &inputs[1..])?;
            site.add(Elementwise::multiply(), &[inputs[0], inverse])
        }
        _ => Err(site.fields.refuse(
            "what it divides is not understood",
            "divide a tensor by a tensor or by numbers that are not 0",
        )),
    }
}

/// Of TensorFlow in a model of Keras 2, and none of those that are read as operations of `keras.ops`.
fn of_tensorflow(site: &mut Site) -> Result<Tensor> {
    Err(site.fields.strange("function"))
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
    let shapes: Vec<Shape> = inputs.iter().map(|&input| site.shape(input)).collect();
    let Some(first) = shapes.first() else {
        return Err(site.fields.refuse("it is called with nothing", "call it with two or more"));
    };
    let rank = first.rank();
    let axis = match axes[..] {
        [] => Some(rank - 1),
        [axis] => place(axis, rank),
        _ => None,
    };
    let axis = axis.ok_or_else(|| site.fields.strange("axis"))?;
    let alike = |shape: &Shape| {
        let (dims, others) = (shape.dims(), first.dims());
        dims.len() == rank && (0..rank).all(|at| at == axis || dims[at] == others[at])
    };
    if !shapes.iter().all(alike) {
        let shown: Vec<String> = shapes.iter().map(described).collect();
        let problem = format!("it is called with {}", shown.join(" and "));
        return Err(site.fields.refuse(problem, "look at the layers before it"));
    }
    if let [one] = inputs[..] {
        return Ok(one.into());
    }
    if axis == rank - 1 {
        return site.add(Concat, &inputs);
    }
    // Side by side as channels, of which all that stands behind the axis is a part.
    let mut dims = first.dims().to_vec();
    dims[axis] = shapes.iter().map(|shape| shape.dims()[axis]).sum();
    let before: usize = dims[1..axis].iter().product();
    let mut rows = Vec::new();
    for (index, (input, shape)) in inputs.into_iter().zip(&shapes).enumerate() {
        let each: usize = shape.dims()[axis..].iter().product();
        let row = Reshape([dims[0], before, 1, each].into());
        rows.push(site.part(&format!("row_{index}"), row, &[input])?);
    }
    let all = site.part("rows", Concat, &rows)?;
    site.add(Reshape(dims.into()), &[all])
}
