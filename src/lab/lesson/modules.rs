//! The page's modules: every `.js` below `page/`, but for `page/dev/`. A module's name is its path after `lesson/`.

macro_rules! modules {
    ($($name:literal)+) => {
        /// Names and texts.
        pub const MODULES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("page/", $name)))),+];
    };
}

modules! {
    "api.js"
    "app.js"
    "atlas.js"
    "bench.js"
    "chart.js"
    "compute.js"
    "device.js"
    "dom.js"
    "draw.js"
    "editor.js"
    "exercises/convolution.js"
    "exercises/dice.js"
    "exercises/mean.js"
    "exercises/relu.js"
    "exercises/run.js"
    "exercises/sum.js"
    "exercises/upsample.js"
    "forward.js"
    "guard.js"
    "inspector.js"
    "kernel.js"
    "made.js"
    "main.js"
    "map.js"
    "maths.js"
    "pixels.js"
    "plan.js"
    "program.js"
    "reference.js"
    "size.js"
    "state.js"
    "text.js"
    "trace.js"
    "trainer.js"
    "views/bench.js"
    "views/controls.js"
    "views/dice.js"
    "views/doubt.js"
    "views/exercises.js"
    "views/gradient.js"
    "views/hero.js"
    "views/kernels.js"
    "views/levels.js"
    "views/network.js"
    "views/picture.js"
    "views/relu.js"
    "views/score.js"
    "views/sum.js"
    "views/train.js"
    "views/trivial.js"
    "views/upsample.js"
    "views/weights.js"
}
