//! The graph of a recipe.

use std::sync::Arc;

use super::recipe::{Part, Proposal, Recipe};
use crate::engine::graph::{Graph, Operation, Value};
use crate::engine::ops::{
    Blur, Components, Contrast, Evidence, Keep, Levels, MeanField, Morphology, Proposals, Sigmoid,
    Slic, Stretch, SuperpixelMean,
};
use crate::error::Result;

/// The names of the inputs.
pub(super) const IMAGE: &str = "image";
pub(super) const MAP: &str = "map";

/// Adds the stages of `recipe`: probabilities and masks, (batch, height, width, 1).
pub(super) fn build(
    graph: &mut Graph,
    size: [usize; 2],
    batch: usize,
    recipe: &Recipe,
) -> Result<[Value; 2]> {
    let image = graph.input(IMAGE, [batch, size[0], size[1], 1])?;
    let mut map = graph.input(MAP, [batch, size[0], size[1], 1])?;
    if let Some(superpixels) = recipe.superpixels {
        let cell = superpixels.cell;
        let slic =
            Slic { cell, compactness: superpixels.compactness, iterations: superpixels.iterations };
        let labels = add(graph, "superpixels", slic, &[image])?;
        map = add(graph, "superpixels/mean", SuperpixelMean { cell }, &[labels, map])?;
    }
    if let Some(settings) = &recipe.proposal {
        map = proposal(graph, settings, size, image, map)?;
    }
    let odds = evidence(graph, recipe, image, map)?;
    let mut probability = add(graph, "start", Sigmoid, &[odds])?;
    if let Some(crf) = &recipe.crf {
        let step = MeanField {
            radius: crf.radius,
            dilation: crf.dilation,
            appearance: crf.appearance,
            alpha: crf.alpha,
            beta: crf.beta,
            smoothness: crf.smoothness,
            gamma: crf.gamma,
        };
        for _ in 0..crf.iterations {
            probability = add(graph, "step", step, &[odds, probability, image])?;
        }
    }
    let mask = mask(graph, recipe, probability)?;
    Ok([probability, mask])
}

fn add(
    graph: &mut Graph,
    name: &str,
    operation: impl Operation,
    inputs: &[Value],
) -> Result<Value> {
    let name = graph.unique(name);
    graph.add_shared(name, Arc::new(operation), inputs)
}

/// The dark part of the image that suits the map best, as 0 and 1.
fn proposal(
    graph: &mut Graph,
    settings: &Proposal,
    size: [usize; 2],
    image: Value,
    map: Value,
) -> Result<Value> {
    let side = size[0].min(size[1]) as f32;
    let mut blurred = |name: &str, share: f32| {
        add(graph, name, Blur { deviation: (share * side).max(0.1) }, &[image])
    };
    let (near, far) = (blurred("near", settings.near)?, blurred("far", settings.far)?);
    let contrast = add(graph, "contrast", Contrast { bright: settings.bright }, &[near, far])?;
    let levels = Levels { levels: settings.levels.clone() };
    let cuts = add(graph, "cuts", levels, &[contrast])?;
    let opened = opened(graph, cuts, (settings.open * side).round() as usize)?;
    let whole = Components { threshold: 0.5, diagonal: false, keep: Keep::WithoutHoles };
    let parts = add(graph, "parts", whole, &[opened])?;
    let shown = add(graph, "shown", Stretch { from_least: true }, &[map])?;
    let score = Proposals {
        map: settings.map,
        darkness: settings.darkness,
        border: settings.border,
        size: settings.size,
        roundness: settings.roundness,
        usual: settings.usual,
        shares: settings.shares,
    };
    let best = add(graph, "proposal", score, &[parts, shown, contrast])?;
    match (settings.grow * side).round() as usize {
        0 => Ok(best),
        radius => add(graph, "grown", Morphology { dilate: true, disc: true, radius }, &[best]),
    }
}

/// What speaks for foreground in each pixel by itself.
fn evidence(graph: &mut Graph, recipe: &Recipe, image: Value, map: Value) -> Result<Value> {
    let darkness = recipe.darkness.unwrap_or_default();
    let seen = match recipe.darkness {
        Some(darkness) if darkness.blur > 0.0 => {
            add(graph, "blurred", Blur { deviation: darkness.blur }, &[image])?
        }
        _ => image,
    };
    let evidence = Evidence {
        map: recipe.map,
        // A proposal is 0 or 1, and what of it is foreground does not depend on its size.
        middle: recipe.proposal.is_some().then_some(0.5),
        prior: recipe.prior.map_or(0.0, |prior| prior.weight),
        darkness: recipe.darkness.map_or(0.0, |darkness| darkness.weight),
        bias: recipe.bias,
        axes: recipe.axes,
        edge: recipe.prior.map_or(0.0, |prior| prior.edge),
        inner: darkness.inner,
        outer: darkness.outer,
    };
    add(graph, "evidence", evidence, &[map, seen])
}

/// The mask of the probabilities: cut, opened, closed, of its parts one, its holes filled.
fn mask(graph: &mut Graph, recipe: &Recipe, probability: Value) -> Result<Value> {
    let mut mask = probability;
    let mut threshold = recipe.threshold;
    if recipe.open + recipe.close > 0 {
        let all = Components { threshold, diagonal: false, keep: Keep::All };
        mask = add(graph, "cut", all, &[mask])?;
        mask = opened(graph, mask, recipe.open)?;
        mask = moved(graph, mask, recipe.close, [true, false])?;
        threshold = 0.5;
    }
    let part = match recipe.part {
        None => Keep::All,
        Some(Part::Largest) => Keep::Largest,
        Some(Part::Heaviest) => Keep::Heaviest,
    };
    for keep in [part].into_iter().chain(recipe.fill_holes.then_some(Keep::WithoutHoles)) {
        mask = add(graph, "mask", Components { threshold, diagonal: false, keep }, &[mask])?;
        threshold = 0.5;
    }
    Ok(mask)
}

fn opened(graph: &mut Graph, mask: Value, radius: usize) -> Result<Value> {
    moved(graph, mask, radius, [false, true])
}

/// Erosions and dilations by a disc, one after another.
fn moved(graph: &mut Graph, mask: Value, radius: usize, dilations: [bool; 2]) -> Result<Value> {
    if radius == 0 {
        return Ok(mask);
    }
    dilations.into_iter().try_fold(mask, |mask, dilate| {
        add(graph, "opened", Morphology { dilate, disc: true, radius }, &[mask])
    })
}
