//! `steps.html`: one Grad-CAM from picture to grey level, every number with those that it was made of. The page
//! holds its pictures and loads nothing.

use image::{Rgb, RgbImage};
use serde_json::{Value as Json, json};

use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::lab::report::colormap;
use crate::lab::report::html::embed;
use crate::lab::report::html::page::escape;
use crate::lab::report::style::{WHITE, mix};
use crate::nets::cam::Steps;
use crate::nets::images::Colour;

/// Channels that are shown one by one.
const SHOWN: usize = 12;
/// Terms of the sum at one position that are written out.
const TERMS: usize = 6;
const FOR: [u8; 3] = [28, 94, 189];
const AGAINST: [u8; 3] = [200, 90, 6];

/// What the page is about.
pub struct Subject<'a> {
    /// The picture's name.
    pub name: &'a str,
    /// The picture.
    pub image: &'a Colour,
    /// Height and width of the network's input.
    pub input: [usize; 2],
    /// The scaling of its pixels.
    pub scaling: &'a str,
    /// The network.
    pub network: &'a str,
    /// What each class is called.
    pub classes: Vec<String>,
    /// The probability of each class.
    pub probabilities: Vec<f64>,
    /// Whether it shows what speaks against the class.
    pub against: bool,
    /// The grey levels, at the picture's size.
    pub heatmap: &'a [u8],
    /// The adapter that computed it.
    pub adapter: String,
}

/// `steps.json`: scores, weights, the sum and the map, and which files have the rest.
pub fn document(steps: &Steps, subject: &Subject) -> Json {
    let [height, width, channels] = steps.shape();
    let rows = |tensor: &Tensor| -> Vec<Vec<f32>> {
        tensor.data().chunks(width.max(1)).map(<[f32]>::to_vec).collect()
    };
    json!({
        "image": subject.name, "network": subject.network, "adapter": subject.adapter,
        "input": subject.input, "scaling": subject.scaling,
        "class": steps.class, "class_name": subject.classes.get(steps.class),
        "probability": subject.probabilities.get(steps.class), "logits": steps.logits,
        "sign": if subject.against { -1 } else { 1 },
        "layer": steps.layer, "shape": [height, width, channels],
        "weights": steps.weights.data(), "ranked": steps.ranked(),
        "sum": rows(&steps.sum), "map": rows(&steps.map),
        "files": {
            "activation": "activation.npy", "gradient": "gradient.npy", "weights": "weights.npy",
            "sum": "sum.npy", "map": "map.npy", "heatmap": "heatmap.png",
        },
    })
}

/// The page.
///
/// # Errors
/// [`Error::Shape`] when the heatmap does not fit the picture.
pub fn page(steps: &Steps, subject: &Subject) -> Result<String> {
    let parts = [
        ("style", include_str!("steps.css").to_owned()),
        ("title", escape(subject.name)),
        ("lead", lead(steps, subject)),
        ("picture", picture(subject)?),
        ("scores", scores(steps, subject)),
        ("shape", {
            let [height, width, channels] = steps.shape();
            format!("{height} x {width} x {channels}")
        }),
        ("layer", escape(&steps.layer)),
        ("gradient", flat(steps).to_owned()),
        ("channels", channels(steps)?),
        ("weights", bars(steps)),
        ("growth", growth(steps)?),
        ("position", position(steps)),
        ("relu", relu(steps)?),
        ("heatmap", heatmap(subject)?),
    ];
    let mut page = String::new();
    let mut rest = include_str!("steps.html");
    while let Some((before, blank)) = rest.split_once("{{") {
        let (name, after) = blank.split_once("}}").unwrap_or((blank, ""));
        page += before;
        page += parts.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
        rest = after;
    }
    Ok(page + rest)
}

fn class_name(subject: &Subject, class: usize) -> String {
    let known = subject.classes.get(class).filter(|name| !name.is_empty());
    escape(&known.cloned().unwrap_or(class.to_string()))
}

fn lead(steps: &Steps, subject: &Subject) -> String {
    let speaks = if subject.against { "against" } else { "for" };
    format!(
        "What in <b>{}</b> speaks {speaks} the class <b>{}</b>, by {}, at the layer <code>{}</code>. Computed on {}.",
        escape(subject.name),
        class_name(subject, steps.class),
        escape(subject.network),
        escape(&steps.layer),
        escape(&subject.adapter),
    )
}

fn picture(subject: &Subject) -> Result<String> {
    let uri = embed::colour_uri(&pixels(subject.image)?)?;
    let [height, width] = subject.input;
    Ok(format!(
        "<figure><img src=\"{uri}\" alt=\"the picture\"><figcaption>{} x {} pixels, resized to {width} x {height} for \
         the network, scaled by “{}”</figcaption></figure>",
        subject.image.width,
        subject.image.height,
        escape(subject.scaling),
    ))
}

fn pixels(image: &Colour) -> Result<RgbImage> {
    RgbImage::from_raw(image.width as u32, image.height as u32, image.pixels.clone())
        .ok_or_else(|| Error::shape("steps.html", "a picture has another size than its pixels"))
}

/// The five highest scores, and that of the class.
fn scores(steps: &Steps, subject: &Subject) -> String {
    let mut order: Vec<usize> = (0..steps.logits.len()).collect();
    order.sort_by(|&a, &b| steps.logits[b].total_cmp(&steps.logits[a]));
    let own = steps.class;
    let mut shown: Vec<usize> = order.iter().copied().take(5).collect();
    if !shown.contains(&own) {
        shown.push(own);
    }
    let row = |class: usize| {
        let mark = if class == own { " class=\"own\"" } else { "" };
        format!(
            "<tr{mark}><th>{}</th><td>{:.4}</td><td>{:.4}</td></tr>\n",
            class_name(subject, class),
            steps.logits[class],
            subject.probabilities.get(class).copied().unwrap_or(f64::NAN),
        )
    };
    let rows: String = shown.into_iter().map(row).collect();
    format!("<table><tr><th>class</th><th>score y</th><th>probability</th></tr>\n{rows}</table>")
}

/// A channel of a tensor (h, w, C), as (h, w).
fn channel_of(tensor: &Tensor, channel: usize) -> Tensor {
    let dims = tensor.dims();
    let channels = dims[2];
    Tensor::from_fn([dims[0], dims[1]], |at| tensor.data()[at * channels + channel])
}

fn ends(tensor: &Tensor) -> [f32; 2] {
    let all = tensor.data().iter();
    all.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)])
}

/// A number in three digits.
fn short(value: f32) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-4..1e4).contains(&size) => {
            let decimals = (2.0 - size.log10().floor()).max(0.0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.2e}"),
    };
    text.replace('-', "−")
}

/// A map of numbers as a picture, blue where positive and orange where negative, over its largest magnitude.
fn map(tensor: &Tensor, alt: &str) -> Result<String> {
    let [height, width] = [tensor.dims()[0], tensor.dims()[1]];
    let [low, high] = ends(tensor);
    let most = low.abs().max(high.abs()).max(f32::MIN_POSITIVE);
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let value = tensor.data()[y as usize * width + x as usize];
        let colour = if value < 0.0 { AGAINST } else { FOR };
        Rgb(mix(WHITE, colour, value.abs() / most))
    });
    Ok(format!(
        "<figure class=\"map\"><img src=\"{}\" alt=\"{alt}\"><figcaption>{} to {}</figcaption></figure>",
        embed::colour_uri(&picture)?,
        short(low),
        short(high),
    ))
}

/// Why the gradient of a channel is one colour, where it is.
fn flat(steps: &Steps) -> &'static str {
    let [.., channels] = steps.shape();
    let rows = steps.gradient.data().chunks(channels.max(1));
    let first = rows.clone().next().unwrap_or_default();
    match rows.clone().all(|row| row == first) {
        true => {
            "<p>Here the gradient of a channel is the same at every position: what follows the layer is a mean over all \
             positions, and each has the same part in it.</p>"
        }
        false => "",
    }
}

fn channels(steps: &Steps) -> Result<String> {
    let mut rows = String::new();
    for channel in steps.ranked().into_iter().take(SHOWN) {
        rows += &format!(
            "<tr><th>{channel}</th><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
            map(&channel_of(&steps.activation, channel), "feature map")?,
            map(&channel_of(&steps.gradient, channel), "gradient")?,
            short(steps.weights.data()[channel]),
            map(&steps.part(channel), "what the channel adds")?,
        );
    }
    Ok(rows)
}

/// The weights of all channels, as bars in their order.
fn bars(steps: &Steps) -> String {
    let weights = steps.weights.data();
    let most = weights.iter().fold(f32::MIN_POSITIVE, |most, weight| most.max(weight.abs()));
    let step = 1000.0 / weights.len().max(1) as f32;
    let bar = |(channel, weight): (usize, &f32)| {
        let height = 60.0 * weight.abs() / most;
        let (class, y) = if *weight < 0.0 { ("against", 65.0) } else { ("for", 65.0 - height) };
        format!(
            "<rect class=\"{class}\" x=\"{:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>channel \
             {channel}: {}</title></rect>",
            channel as f32 * step,
            (0.85 * step).max(0.3),
            short(*weight),
        )
    };
    let bars: String = weights.iter().enumerate().map(bar).collect();
    format!(
        "<svg viewBox=\"0 0 1000 130\" role=\"img\" aria-label=\"the weight of every channel\">{bars}\
         <path class=\"axis\" d=\"M0 65H1000\"/></svg><p class=\"note\">{} channels from left to right; the largest weight \
         is {} in magnitude.</p>",
        weights.len(),
        short(most),
    )
}

/// The sum after the first channel, the first two, four and so on, to all of them.
fn growth(steps: &Steps) -> Result<String> {
    let order = steps.ranked();
    let [height, width, _] = steps.shape();
    let mut sum = Tensor::zeros([height, width]);
    let mut shown = String::new();
    let mut next = 1;
    for (index, &channel) in order.iter().enumerate() {
        let part = steps.part(channel);
        sum = Tensor::from_fn([height, width], |at| sum.data()[at] + part.data()[at]);
        if index + 1 == next || index + 1 == order.len() {
            shown += &format!("<div><b>{}</b>{}</div>\n", index + 1, map(&sum, "the sum so far")?);
            next *= 4;
        }
    }
    Ok(shown)
}

/// The sum at the position where it is largest, term by term.
fn position(steps: &Steps) -> String {
    let [_, width, channels] = steps.shape();
    let sum = steps.sum.data();
    let at = (0..sum.len()).max_by(|&a, &b| sum[a].total_cmp(&sum[b])).unwrap_or(0);
    let term = |channel: usize| {
        let (weight, value) =
            (steps.weights.data()[channel], steps.activation.data()[at * channels + channel]);
        (channel, weight, value, weight * value)
    };
    let mut terms: Vec<_> = (0..channels).map(term).collect();
    terms.sort_by(|a, b| b.3.abs().total_cmp(&a.3.abs()));
    let rest: f32 = terms.iter().skip(TERMS).map(|term| term.3).sum();
    let shown: String = terms
        .iter()
        .take(TERMS)
        .map(|(channel, weight, value, product)| {
            format!(
                "<tr><th>{channel}</th><td>{} × {}</td><td>{}</td></tr>\n",
                short(*weight),
                short(*value),
                short(*product)
            )
        })
        .collect();
    let others = channels.saturating_sub(TERMS);
    format!(
        "<p>At row {}, column {} the sum is largest:</p>\n<table><tr><th>channel k</th><th>a<sub>k</sub> × A<sub>k</sub>\
         </th><th>adds</th></tr>\n{shown}<tr><th>the other {others}</th><td></td><td>{}</td></tr>\n\
         <tr class=\"own\"><th>L</th><td></td><td>{}</td></tr></table>",
        at / width.max(1),
        at % width.max(1),
        short(rest),
        short(sum.get(at).copied().unwrap_or(0.0)),
    )
}

fn relu(steps: &Steps) -> Result<String> {
    let negative = steps.sum.data().iter().filter(|value| **value < 0.0).count();
    Ok(format!(
        "<div class=\"row\"><div><b>L</b>{}</div><div><b>max(0, L)</b>{}</div></div>\n<p>{negative} of {} positions are \
         below 0 and become 0.</p>",
        map(&steps.sum, "the sum")?,
        map(&steps.map, "the map")?,
        steps.sum.data().len(),
    ))
}

fn heatmap(subject: &Subject) -> Result<String> {
    let image = pixels(subject.image)?;
    let (width, height) = image.dimensions();
    if subject.heatmap.len() != (width * height) as usize {
        return Err(Error::shape("steps.html", "the heatmap has another size than the picture"));
    }
    let level = |x: u32, y: u32| subject.heatmap[(y * width + x) as usize];
    let grey = RgbImage::from_fn(width, height, |x, y| Rgb([level(x, y); 3]));
    let over = RgbImage::from_fn(width, height, |x, y| {
        Rgb(mix(image[(x, y)].0, colormap::colour(level(x, y)), 0.55))
    });
    let above = |threshold: u8| subject.heatmap.iter().filter(|&&v| v > threshold).count();
    let share = |threshold| 100.0 * above(threshold) as f64 / subject.heatmap.len().max(1) as f64;
    Ok(format!(
        "<div class=\"row\"><figure><img src=\"{}\" alt=\"grey levels\"><figcaption>grey levels, 0 to 255</figcaption>\
         </figure><figure><img src=\"{}\" alt=\"heatmap over the picture\"><figcaption>over the picture</figcaption>\
         </figure></div>\n{}<p>Above the threshold 63 are {:.1} % of the pixels, above 127 {:.1} %, above 191 {:.1} %. As \
         a segmentation a heatmap is cut at each of 256 thresholds.</p>",
        embed::colour_uri(&grey)?,
        embed::colour_uri(&over)?,
        embed::colour_bar()?,
        share(63),
        share(127),
        share(191),
    ))
}
