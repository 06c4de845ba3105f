//! The texts and pipelines that the plans of a document share.

use serde::Serialize;

use super::format::{Pipeline, Shader};
use crate::engine::kernel::Needs;
use crate::engine::plan;
use crate::engine::shaders;
use crate::error::Result;

/// Each different one once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Kernels {
    shaders: Vec<Shader>,
    pipelines: Vec<Pipeline>,
}

/// The optional feature of WebGPU that a variant uses.
pub fn feature(needs: Needs) -> Option<&'static str> {
    (needs == Needs::Subgroup).then_some("subgroups")
}

impl Kernels {
    /// The number of the pipeline that `dispatch` runs, whose text may use `feature`.
    ///
    /// # Errors
    /// Those of putting the text together.
    pub fn pipeline(
        &mut self,
        dispatch: &plan::Dispatch,
        feature: Option<&'static str>,
    ) -> Result<usize> {
        let shader = self.shader(dispatch, feature)?;
        let interface = shaders::interface(dispatch.shader, dispatch.entry, false)?;
        let bindings = interface.bindings.iter();
        let pipeline = Pipeline {
            shader,
            entry: dispatch.entry,
            constants: dispatch.constants.iter().copied().collect(),
            bindings: bindings.map(|one| (one.index, one.name.clone())).collect(),
            fields: interface.fields.clone(),
        };
        Ok(position(&mut self.pipelines, |there| *there == pipeline, || pipeline.clone()))
    }

    fn shader(
        &mut self,
        dispatch: &plan::Dispatch,
        feature: Option<&'static str>,
    ) -> Result<usize> {
        let (name, tiles) = (dispatch.shader, &dispatch.tiles);
        let text = shaders::source_with(name, tiles, false, &[])?;
        let text = shaders::without_cooperative(&text);
        let plain = shaders::without_subgroups(&text);
        // A variant may need a feature by its dispatches alone, and share its text with others.
        let feature = feature.filter(|_| plain != text);
        let wgsl = feature.map_or(plain, |feature| format!("enable {feature};\n{text}"));
        let files = shaders::source(name)?.files().map(|file| format!("shaders/{file}")).collect();
        let same = |there: &Shader| {
            there.name == name && there.tiles == *tiles && there.feature == feature
        };
        let make = || Shader { name, files, tiles: tiles.clone(), feature, wgsl };
        Ok(position(&mut self.shaders, same, make))
    }
}

/// Where in `all` something is, put there first where it is not yet.
pub fn position<T>(all: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    match all.iter().position(is) {
        Some(at) => at,
        None => {
            all.push(make());
            all.len() - 1
        }
    }
}
